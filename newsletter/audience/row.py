"""Turns one row of a file into a claim, or into a sentence for each thing wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from datetime import date as Date
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from newsletter.audience.addresses import Address, address_hash, invisible_character, normalise, printable
from newsletter.audience.claims import Claim, Status
from newsletter.audience.consent import Basis
from newsletter.audience.ledger import Profile
from newsletter.documents import did_you_mean
from newsletter.errors import InputError
from newsletter.store.keys import Key

LONGEST_NAME = 100
LONGEST_SOURCE = 500
_LANG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True)
class Defaults:
    """What stands in for a cell that is empty or absent, and the zone in which a date without a time is meant."""

    key: Key
    zone: ZoneInfo
    now: datetime
    source: str | None = None
    basis: Basis | None = None
    date: Date | None = None


def read_claim(cells: Mapping[str, str], defaults: Defaults, *, line: int = 0) -> Claim | str:
    """The claim these cells make, or everything that is wrong with them in one line."""
    reading = _Reading(cells, defaults)
    address = reading.address()
    status = reading.word("status", Status, Status.SUBSCRIBED)
    basis = reading.word("basis", Basis, defaults.basis)
    since = reading.moment("date") or reading.default_date()
    until = reading.moment("expires")
    source = reading.text("source", LONGEST_SOURCE) or defaults.source
    profile = Profile(reading.text("first_name", LONGEST_NAME), reading.lang())
    if status is Status.SUBSCRIBED and not reading.wrong:
        reading.check_grounds(basis, since, until)
    if not source:
        reading.wrong.append("The row names no source; fill its `source` column or say --source.")
    if since and since > defaults.now:
        reading.wrong.append(f"`date` lies in the future ({since:%Y-%m-%d}).")
    if reading.wrong or address is None or status is None or source is None:
        return " ".join(reading.wrong)
    hashed = address_hash(address.normal, defaults.key)
    when = since or defaults.now
    return Claim(line, address.ascii, hashed, status, when, source, basis, until, profile)


@dataclass
class _Reading:
    """Reads cells one by one and remembers what was wrong with them."""

    cells: Mapping[str, str]
    defaults: Defaults
    wrong: list[str] = field(default_factory=list)

    def address(self) -> Address | None:
        try:
            return normalise(self.cells.get("email", ""))
        except InputError as error:
            self.wrong.append(error.problems[0].message)
            return None

    def word(self, name: str, words: type[Word], default: Word | None) -> Word | None:
        written = self.cells.get(name, "").lower()
        if not written:
            return default
        try:
            return words(written)
        except ValueError:
            hint = did_you_mean(written[:30], words)
            self.wrong.append(f'`{name}` cannot be "{printable(written, 30)}". {hint}')
            return None

    def moment(self, name: str) -> datetime | None:
        """An ISO date (the start of that day in the newsletter's zone) or date with time."""
        written = self.cells.get(name, "")
        if not written:
            return None
        try:
            found = datetime.fromisoformat(written)
            aware = found if found.tzinfo else found.replace(tzinfo=self.defaults.zone)
            moment = aware.astimezone(UTC)
        except (ValueError, OverflowError):
            shown = printable(written, 30)
            self.wrong.append(f'`{name}` is "{shown}"; write a date such as 2024-10-08.')
            return None
        if moment.year < 1970:
            self.wrong.append(f"`{name}` is {printable(written, 30)}, before there were newsletters by mail.")
        return moment

    def default_date(self) -> datetime | None:
        given = self.defaults.date
        return datetime.combine(given, time(), self.defaults.zone).astimezone(UTC) if given else None

    def text(self, name: str, longest: int) -> str | None:
        written = self.cells.get(name, "")
        hidden = invisible_character(written[: longest + 1])
        if hidden:
            self.wrong.append(f"`{name}` holds a line break, control or invisible character ({hidden}).")
        elif len(written) > longest:
            self.wrong.append(f"`{name}` is {len(written)} characters long; at most {longest} are kept.")
        return written or None

    def lang(self) -> str | None:
        written = self.cells.get("lang", "")
        if written and not _LANG.fullmatch(written):
            self.wrong.append(f'`lang` is "{printable(written, 30)}"; write a language such as en or pt-BR.')
        language, *rest = written.replace("_", "-").split("-")
        return "-".join([language.lower(), *rest]) or None

    def check_grounds(self, basis: Basis | None, since: datetime | None, until: datetime | None) -> None:
        """What a claim that someone is subscribed must rest on."""
        if basis is None:
            self.wrong.append("The row names no basis; fill its `basis` column or say --basis.")
        if basis is Basis.IMPLIED and since is None and until is None:
            self.wrong.append("An implied basis needs the date of the purchase or inquiry it rests on.")
        if since and until and until <= since:
            self.wrong.append("`expires` is not later than `date`.")
