"""Turns one row of a file into a claim, or into a sentence for each thing wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from datetime import date as Date
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeVar
from zoneinfo import ZoneInfo

from newsletter.audience.addresses import Address, address_hash, invisible_character, normalise, printable
from newsletter.audience.cells import AmbiguousDateError, DateOrder, read_moment
from newsletter.audience.claims import Claim, Status
from newsletter.audience.consent import RULES, Basis, Ground
from newsletter.audience.ledger import Profile
from newsletter.documents import did_you_mean
from newsletter.errors import InputError
from newsletter.store.keys import Key

LONGEST_NAME = 100
LONGEST_SOURCE = 500
_LANG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_SLACK = timedelta(days=1)  # exports name no time zone; what lies within a day is not "the future"
Word = TypeVar("Word", bound=StrEnum)


def _unproved(field: str) -> DateOrder | None:
    return None


@dataclass(frozen=True)
class Defaults:
    """What stands in for a cell that is empty or absent, and how the file's dates are meant."""

    key: Key
    zone: ZoneInfo
    now: datetime
    source: str | None = None
    basis: Basis | None = None
    date: Date | None = None
    status: Status | None = None  # of every row, whatever the file says
    date_order: DateOrder | None = None
    order_of: Callable[[str], DateOrder | None] = _unproved  # what a whole column of dates proves
    newsletter: str | None = None


@dataclass(frozen=True)
class Wrong:
    """Why a row makes no claim: the kind, by which rows are counted, and all that is wrong, in one line."""

    kind: str
    text: str


def read_claim(cells: Mapping[str, str], defaults: Defaults, *, line: int = 0) -> Claim | Wrong:
    """The claim these cells make, or everything that is wrong with them."""
    reading = _Reading(cells, defaults)
    address = reading.address()
    status = defaults.status or reading.word("status", Status, Status.SUBSCRIBED)
    basis = reading.word("basis", Basis, defaults.basis)
    ground = reading.word("ground", Ground, None)
    since = reading.past("date") or reading.default_date()
    until = reading.moment("expires")
    left = reading.past("left")
    paused = reading.moment("paused_until")
    jurisdiction = reading.jurisdiction()
    profile = Profile(reading.text("first_name", LONGEST_NAME), reading.lang())
    reading.check_newsletter()
    if status is Status.SUBSCRIBED and not reading.wrong:
        reading.check_grounds(basis, since, until)
    source = reading.source()
    if ground and basis is not Basis.IMPLIED:
        reading.complain("ground", "`ground` belongs to an implied basis only.")
    if reading.wrong or address is None or status is None or source is None:
        return reading.verdict()
    return Claim(
        line,
        address.ascii,
        address_hash(address.normal, defaults.key),
        status,
        since or defaults.now,
        source,
        basis,
        until,
        profile,
        ground,
        jurisdiction,
        left,
        reading.network_address(),
        paused if paused and paused > defaults.now else None,
    )


def holds_address(text: str) -> bool:
    """Whether an e-mail address stands in a text that goes into the ledger, which must hold none."""
    return "@" in text and _ADDRESS.search(text) is not None


@dataclass
class _Reading:
    """Reads cells one by one and remembers what was wrong with them."""

    cells: Mapping[str, str]
    defaults: Defaults
    wrong: list[Wrong] = field(default_factory=list)

    def complain(self, kind: str, text: str) -> None:
        self.wrong.append(Wrong(kind, text))

    def verdict(self) -> Wrong:
        return Wrong(self.wrong[0].kind, " ".join(wrong.text for wrong in self.wrong))

    def address(self) -> Address | None:
        try:
            return normalise(self.cells.get("email", ""))
        except InputError as error:
            self.complain("address", error.problems[0].message)
            return None

    def word(self, name: str, words: type[Word], default: Word | None) -> Word | None:
        written = self.cells.get(name, "").lower()
        if not written:
            return default
        try:
            return words(written)
        except ValueError:
            hint = did_you_mean(written[:30], words)
            self.complain(name, f'`{name}` cannot be "{printable(written, 30)}". {hint}')
            return None

    def moment(self, name: str) -> datetime | None:
        """A date (the start of that day in the newsletter's zone) or a date with time."""
        written = self.cells.get(name, "")
        if not written:
            return None
        try:
            moment = _moment(written, self.defaults.date_order or self._proved(name, written), self.defaults.zone)
        except AmbiguousDateError:
            remedy = "which comes first, the day or the month? Say --date-format day-first or month-first."
            self.complain(name, f'`{name}` is "{printable(written, 30)}": {remedy}')
            return None
        except (ValueError, OverflowError):
            self.complain(name, f'`{name}` is "{printable(written, 30)}"; write a date such as 2024-10-08.')
            return None
        if moment.year < 1970:
            self.complain(name, f"`{name}` is {printable(written, 30)}, before there were newsletters by mail.")
        return moment

    def _proved(self, name: str, written: str) -> DateOrder | None:
        return self.defaults.order_of(name) if "/" in written or "-" in written[:3] else None

    def past(self, name: str) -> datetime | None:
        found = self.moment(name)
        if found and found > self.defaults.now + _SLACK:
            self.complain(name, f"`{name}` lies in the future ({found:%Y-%m-%d}).")
        return min(found, self.defaults.now) if found else None

    def default_date(self) -> datetime | None:
        given = self.defaults.date
        return datetime.combine(given, time(), self.defaults.zone).astimezone(UTC) if given else None

    def text(self, name: str, longest: int) -> str | None:
        written = self.cells.get(name, "")
        if not written:
            return None
        hidden = invisible_character(written[: longest + 1])
        if hidden:
            self.complain(name, f"`{name}` holds a line break, control or invisible character ({hidden}).")
        elif len(written) > longest:
            self.complain(name, f"`{name}` is {len(written)} characters long; at most {longest} are kept.")
        return written

    def source(self) -> str | None:
        found = self.text("source", LONGEST_SOURCE) or self.defaults.source
        if not found:
            self.complain("source", "The row names no source; fill its `source` column or say --source.")
        elif holds_address(found):
            self.complain("source", "`source` holds an e-mail address; the ledger keeps none.")
        return found

    def lang(self) -> str | None:
        written = self.cells.get("lang", "")
        if not written:
            return None
        if not _LANG.fullmatch(written):
            self.complain("lang", f'`lang` is "{printable(written, 30)}"; write a language such as en or pt-BR.')
        language, *rest = written.replace("_", "-").split("-")
        return "-".join([language.lower(), *rest])

    def jurisdiction(self) -> str | None:
        written = self.cells.get("jurisdiction", "").lower()
        if written and written not in RULES:
            hint = did_you_mean(written[:30], RULES)
            self.complain("jurisdiction", f'`jurisdiction` cannot be "{printable(written, 30)}". {hint}')
        return written or None

    def network_address(self) -> str | None:
        """Where the person signed up from. Only a proof: a cell that holds none is no reason to refuse a row."""
        written = self.cells.get("ip")
        try:
            return str(ip_address(written)) if written else None
        except ValueError:
            return None

    def check_newsletter(self) -> None:
        """An export of this program says of which newsletter each row is."""
        named = self.cells.get("newsletter", "")
        if named and self.defaults.newsletter and named != self.defaults.newsletter:
            remedy = f"export with --newsletter {self.defaults.newsletter}."
            self.complain("newsletter", f"The row is of the newsletter `{printable(named, 30)}`; {remedy}")

    def check_grounds(self, basis: Basis | None, since: datetime | None, until: datetime | None) -> None:
        """What a claim that someone is subscribed must rest on."""
        if basis is None:
            self.complain("basis", "The row names no basis; fill its `basis` column or say --basis.")
        if basis is Basis.IMPLIED and since is None and until is None:
            self.complain("date", "An implied basis needs the date of the purchase or inquiry it rests on.")
        if since and until and until <= since:
            self.complain("expires", "`expires` is not later than `date`.")


@lru_cache(maxsize=4096)  # files repeat their dates
def _moment(written: str, order: DateOrder | None, zone: ZoneInfo) -> datetime:
    found = read_moment(written, order)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
