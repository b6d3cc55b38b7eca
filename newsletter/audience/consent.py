"""May this reader be mailed? One pure rule over the consent ledger, the suppressions and the law chosen.

Of a reader's entries one decides:

1. `withdrawn` sticks until the reader says yes again (`confirmed`, `reaffirmed`). An import never lifts it.
2. Otherwise the newest yes of the reader's own, else the newest import, unless an `expired` entry came later.
3. Otherwise the `expired` entry; else the newest `requested`; else there is nothing.

So a new request or import never weakens a yes. That entry must satisfy the newsletter's rules and, when it was given
under others, those too; it must name a policy that still suffices. A pause counts only when nothing else objects.
`select.verdicts` says the same in SQL; a property test holds the two together. The entries are taken as the ledger has
them, without those of undone imports; `at` only decides what has lapsed.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from newsletter.audience.policies import sufficient_versions
from newsletter.settings import NewsletterSettings

EVERYWHERE = "*"  # the scope of a suppression that holds for every newsletter


class Purpose(StrEnum):
    """What the consent is for: each is given and taken back by itself."""

    SEND = "send"
    OPEN_TRACKING = "open-tracking"
    CLICK_TRACKING = "click-tracking"


class Event(StrEnum):
    """What happened, as the ledger writes it."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IMPORTED = "imported"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REAFFIRMED = "reaffirmed"


OWN_YES = (Event.CONFIRMED, Event.REAFFIRMED)


class Basis(StrEnum):
    """What a consent rests on."""

    EXPRESS = "express"
    SOFT_OPT_IN = "soft-opt-in"
    IMPLIED = "implied"


class Ground(StrEnum):
    """What an implied consent came from. A purchase stands for every dealing: membership, donation, contract too."""

    PURCHASE = "purchase"
    INQUIRY = "inquiry"


class Suppressed(StrEnum):
    """Why an address must not be mailed, as the suppression list writes it."""

    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard-bounce"
    MANUAL = "manual"
    ERASURE = "erasure"
    UNSUBSCRIBE = "unsubscribe"
    MOVED = "moved"  # its reader has another address now


class Reason(StrEnum):
    """Why a reader is left out; the first that applies, in this order."""

    ERASED = "erased"
    SUPPRESSED_COMPLAINT = "suppressed-complaint"
    SUPPRESSED_HARD_BOUNCE = "suppressed-hard-bounce"
    SUPPRESSED_MANUAL = "suppressed-manual"
    SUPPRESSED_ERASURE = "suppressed-erasure"
    SUPPRESSED_MOVED = "suppressed-moved"
    UNSUBSCRIBED = "unsubscribed"
    UNCONFIRMED = "unconfirmed"
    EXPIRED = "expired"
    BASIS_NOT_ACCEPTED = "basis-not-accepted"
    IMPORT_NEEDS_CONFIRMATION = "import-needs-confirmation"
    NO_CONSENT = "no-consent"
    RECONSENT_OWED = "reconsent-owed"
    PAUSED = "paused"


MAILABLE = "mailable"

IN_WORDS: dict[str, str] = {
    MAILABLE: "may be mailed",
    Reason.ERASED: "asked to be erased; only a keyed hash is left",
    Reason.SUPPRESSED_COMPLAINT: "reported our mail as spam",
    Reason.SUPPRESSED_HARD_BOUNCE: "the mailbox does not exist or refuses for good",
    Reason.SUPPRESSED_MANUAL: "put on the suppression list by hand",
    Reason.SUPPRESSED_ERASURE: "the address was erased on request",
    Reason.SUPPRESSED_MOVED: "the reader has another address now",
    Reason.UNSUBSCRIBED: "unsubscribed",
    Reason.UNCONFIRMED: "asked to subscribe but has not confirmed",
    Reason.EXPIRED: "the consent has lapsed",
    Reason.BASIS_NOT_ACCEPTED: "the consent rests on a basis this newsletter's rules do not accept",
    Reason.IMPORT_NEEDS_CONFIRMATION: "imported, and this newsletter wants imports confirmed",
    Reason.NO_CONSENT: "no consent is on record",
    Reason.RECONSENT_OWED: "has not agreed to the present policy yet",
    Reason.PAUSED: "paused by the reader for a while",
}

# The order in which suppressions are looked at, and the reason each gives.
SUPPRESSION_REASONS: dict[Suppressed, Reason] = {
    Suppressed.COMPLAINT: Reason.SUPPRESSED_COMPLAINT,
    Suppressed.HARD_BOUNCE: Reason.SUPPRESSED_HARD_BOUNCE,
    Suppressed.MANUAL: Reason.SUPPRESSED_MANUAL,
    Suppressed.ERASURE: Reason.SUPPRESSED_ERASURE,
    Suppressed.MOVED: Reason.SUPPRESSED_MOVED,
    Suppressed.UNSUBSCRIBE: Reason.UNSUBSCRIBED,
}


@dataclass(frozen=True)
class Rules:
    """What a jurisdiction accepts, and after how many months an implied consent lapses, by what it came from."""

    accepted: frozenset[Basis]
    months: Mapping[Ground, int] = field(default_factory=dict)

    def term(self, ground: str | None, *, dated: bool) -> int | None:
        """The months an implied consent lasts at most. Of an unknown ground the shortest term is assumed.

        One that carries its own date may last the longest term there is: the date says which was meant.
        """
        if not self.months:
            return None
        known = {found.value: months for found, months in self.months.items()}
        return known.get(ground or "", max(known.values()) if dated else min(known.values()))


# Express consent counts everywhere. German law wants an express declaration; CASL knows express and implied only, the
# latter 24 months after a purchase and 6 after an inquiry (CASL s. 10(9), 10(10), 10(12)).
RULES: dict[str, Rules] = {
    "gdpr": Rules(frozenset({Basis.EXPRESS, Basis.SOFT_OPT_IN})),
    "uk": Rules(frozenset({Basis.EXPRESS, Basis.SOFT_OPT_IN})),
    "germany": Rules(frozenset({Basis.EXPRESS})),
    "can-spam": Rules(frozenset({Basis.EXPRESS, Basis.SOFT_OPT_IN, Basis.IMPLIED})),
    "casl": Rules(frozenset({Basis.EXPRESS, Basis.IMPLIED}), {Ground.PURCHASE: 24, Ground.INQUIRY: 6}),
}


@dataclass(frozen=True)
class Wording:
    """Which text a reader agreed to: its version, the SHA-256 of the text, its language."""

    version: str
    hash: str
    lang: str


@dataclass(frozen=True)
class Entry:
    """One entry of the ledger, for one reader, one newsletter and one purpose."""

    event: Event
    occurred_at: datetime
    source: str
    actor: str
    jurisdiction: str
    basis: Basis | None = None
    expires_at: datetime | None = None
    batch_id: int | None = None
    ground: str | None = None  # what an implied basis rests on: purchase | inquiry
    wording: Wording | None = None
    policy_version: str | None = None  # the policy in force when it happened

    def __str__(self) -> str:
        basis = f", basis {self.basis}" if self.basis else ""
        until = f", until {self.expires_at:%Y-%m-%d}" if self.expires_at else ""
        return f"{self.event} on {self.occurred_at:%Y-%m-%d}{basis}{until}, source: {self.source}"


@dataclass(frozen=True)
class Suppression:
    """One entry of the suppression list; `scope` is a newsletter, or * for all."""

    reason: Suppressed
    scope: str
    source: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.reason} on {self.at:%Y-%m-%d}, source: {self.source}"


@dataclass(frozen=True)
class Decision:
    """Whether, why (a Reason, or `mailable`), and the record that decided."""

    allowed: bool
    reason: str
    evidence: str


def may_mail(
    history: Sequence[Entry],
    *,
    suppressions: Iterable[Suppression] = (),
    erased: bool = False,
    paused_until: datetime | None = None,
    settings: NewsletterSettings,
    at: datetime,
) -> Decision:
    """Decide for one reader of one newsletter. `history` is oldest first; `suppressions` are those in scope."""
    if erased:
        return Decision(False, Reason.ERASED, "erased on request")
    listed = {suppression.reason: suppression for suppression in suppressions}
    for suppressed, reason in SUPPRESSION_REASONS.items():
        if suppressed in listed:
            return Decision(False, reason, str(listed[suppressed]))
    entry = deciding(history)
    if entry is None:
        return Decision(False, Reason.NO_CONSENT, "the ledger has no entry")
    objection = objection_to(entry, settings, at)
    if objection is None and paused_until is not None and paused_until > at:
        return Decision(False, Reason.PAUSED, f"paused until {paused_until:%Y-%m-%d}; {entry}")
    return Decision(objection is None, objection or MAILABLE, str(entry))


def may_track(history: Sequence[Entry]) -> bool:
    """Whether a reader agreed to be measured: `history` is that of the one purpose, oldest first.

    Only her own yes counts, and only until she takes it back: nobody can import it. `select.tracking` is the twin.
    """
    entry = deciding([entry for entry in history if entry.event is not Event.IMPORTED])
    return entry is not None and entry.event in OWN_YES


def deciding(history: Sequence[Entry]) -> Entry | None:
    """The one entry that decides, by the rule at the top of this file."""
    last = {entry.event: number for number, entry in enumerate(history)}
    withdrawn = last.get(Event.WITHDRAWN, -1)
    yes = max(last.get(event, -1) for event in OWN_YES)
    imported, expired = last.get(Event.IMPORTED, -1), last.get(Event.EXPIRED, -1)
    if withdrawn > yes:
        return history[withdrawn]
    for grant in (yes, imported):
        if grant > expired:
            return history[grant]
    number = expired if expired >= 0 else last.get(Event.REQUESTED, -1)
    return history[number] if number >= 0 else None


def objection_to(entry: Entry, settings: NewsletterSettings, at: datetime) -> Reason | None:
    """Why the entry, were it the one that decides, does not allow mail; None when it does."""
    refusals = {
        Event.WITHDRAWN: Reason.UNSUBSCRIBED,
        Event.REQUESTED: Reason.UNCONFIRMED,
        Event.EXPIRED: Reason.EXPIRED,
    }
    if entry.event in refusals:
        return refusals[entry.event]
    rule_sets = rules_for(entry, settings)
    if any(lapsed(entry, rules, at) for rules in rule_sets):
        return Reason.EXPIRED
    if any(entry.basis not in rules.accepted for rules in rule_sets):
        return Reason.BASIS_NOT_ACCEPTED
    if entry.event is Event.IMPORTED and settings.imports == "confirm":
        return Reason.IMPORT_NEEDS_CONFIRMATION
    sufficient = sufficient_versions(settings, at)
    if sufficient is not None and entry.policy_version not in sufficient:
        return Reason.RECONSENT_OWED
    return None


def rules_for(entry: Entry, settings: NewsletterSettings) -> list[Rules]:
    """The rules an entry must satisfy: the newsletter's, and those it was given under, where we know them."""
    names = {settings.jurisdiction, entry.jurisdiction}
    return [rules for name, rules in RULES.items() if name in names]


def lapsed(entry: Entry, rules: Rules, at: datetime) -> bool:
    """Whether the entry's basis has run out: on its own date, or an implied one by the term of the rules."""
    dated = entry.expires_at is not None
    if entry.expires_at is not None and entry.expires_at <= at:
        return True
    months = rules.term(entry.ground, dated=dated) if entry.basis is Basis.IMPLIED else None
    return months is not None and entry.occurred_at <= months_before(at, months)


def months_before(at: datetime, months: int) -> datetime:
    """The same day and time so many calendar months earlier, or the last day of a shorter month (UTC)."""
    at = at.astimezone(UTC)
    year, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return at.replace(year=year, month=month + 1, day=min(at.day, last_day))
