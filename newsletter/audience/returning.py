"""Coming back by the undo button: what one act of leaving took away is put back, exactly as it was and never more.

An act is everything the reader withdrew in one moment at one door: a newsletter, or all of them, with the consents to
be measured. The ledger is append-only, so undoing writes a `reaffirmed` entry for each that repeats the one which
decided before: its basis, term, ground, wording, policy, rules, and its date too, since from that date its age is
reckoned. What would be worth more as a `reaffirmed` than it was before is not put back: a request that was never
confirmed, an import that still needs confirming, a consent that had been recorded as expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from newsletter.audience import ledger
from newsletter.audience.consent import OWN_YES, Entry, Event, Purpose, deciding
from newsletter.audience.ledger import Recorded
from newsletter.audience.proofs import Visit, keep_visit
from newsletter.audience.suppression import suppressions_of
from newsletter.audience.unsubscribe import counting
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.tables import consent, subscribers

UNDO_WORKS = timedelta(hours=24)
SOURCE = "undo"
Newsletters = Mapping[str, NewsletterSettings]


class Undone(StrEnum):
    """What became of an undo."""

    BACK = "back"
    ALREADY = "already"
    TOO_LATE = "too-late"  # its time is over, or something has happened since


@dataclass(frozen=True)
class Act:
    """One act of leaving, and what of it can still be put back; `number` is its first entry."""

    number: int
    subscriber_id: int
    at: datetime
    left: tuple[str, ...]
    before: Mapping[tuple[str, Purpose], Entry]
    undone: bool

    @property
    def until(self) -> datetime:
        return self.at + UNDO_WORKS

    @property
    def newsletters(self) -> tuple[str, ...]:
        """The newsletters that undoing would bring back."""
        return tuple(sorted(name for name, purpose in self.before if purpose is Purpose.SEND))

    def can_be_undone(self, now: datetime) -> bool:
        return bool(self.newsletters) and now < self.until


def act_of_leaving(connection: Connection, number: int, newsletters: Newsletters) -> Act | None:
    """The act a withdrawal was part of; None when the entry is no withdrawal of the reader's own."""
    reader = connection.scalar(select(consent.c.subscriber_id).where(consent.c.id == number))
    recorded = counting(connection, reader) if reader is not None else []
    named = next((row for row in recorded if row.id == number), None)
    if reader is None or named is None or not _is_own_withdrawal(named.entry):
        return None
    act = [row for row in recorded if (row.at, row.entry.source, row.entry.event) == _act(named)]
    newest = {(row.newsletter, row.purpose): row for row in recorded}
    before: dict[tuple[str, Purpose], Entry] = {}
    for row in act:
        entry = _to_repeat(recorded, row, newsletters) if newest[row.newsletter, row.purpose] is row else None
        if entry is not None:
            before[row.newsletter, row.purpose] = entry
    # Who does not get the newsletter again is not measured for it again either.
    names = {name for name, purpose in before if purpose is Purpose.SEND and not _barred(connection, reader, name)}
    back = {kind: entry for kind, entry in before.items() if kind[0] in names}
    undone = any(newest[row.newsletter, row.purpose].entry.source == SOURCE for row in act)
    left = tuple(sorted({row.newsletter for row in act if row.purpose is Purpose.SEND}))
    return Act(min(row.id for row in act), reader, named.at, left, back, undone)


def undo_leaving(
    store: Store, number: int, *, newsletters: Newsletters, visit: Visit, now: datetime, days: int
) -> tuple[Undone, Act | None]:
    """Put back what the act took away, as long as nothing has happened since. `days`: how long the proof is kept."""
    with store.write() as connection:
        act = act_of_leaving(connection, number, newsletters)
        if act is None:
            return Undone.TOO_LATE, None
        if act.undone:
            return Undone.ALREADY, act
        if not act.can_be_undone(now):
            return Undone.TOO_LATE, act
        numbers = [
            ledger.record_one(connection, name, act.subscriber_id, _repeated(entry), now=now, purpose=purpose)
            for (name, purpose), entry in act.before.items()
        ]
        keep_visit(connection, act.subscriber_id, numbers, visit, now=now, days=days)
        return Undone.BACK, act


def _is_own_withdrawal(entry: Entry) -> bool:
    return entry.event is Event.WITHDRAWN and entry.actor == "reader"


def _act(row: Recorded) -> tuple[datetime, str, Event]:
    return row.at, row.entry.source, row.entry.event


def _to_repeat(recorded: list[Recorded], withdrawal: Recorded, newsletters: Newsletters) -> Entry | None:
    """The entry that decided before, when repeating it gives back what it gave and no more."""
    settings = newsletters.get(withdrawal.newsletter)
    kind = withdrawal.newsletter, withdrawal.purpose
    earlier = [row.entry for row in recorded if (row.newsletter, row.purpose) == kind and row is not withdrawal]
    if withdrawal.purpose is not Purpose.SEND:  # nobody can import a consent to be measured
        earlier = [entry for entry in earlier if entry.event is not Event.IMPORTED]
    entry = deciding(earlier)
    if settings is None or entry is None:
        return None
    if entry.event is Event.IMPORTED and settings.imports == "accept":
        return entry
    return entry if entry.event in OWN_YES else None


def _barred(connection: Connection, reader: int, newsletter: str) -> bool:
    """Whether the reader was erased or her address suppressed: her button lifts neither."""
    table = subscribers.c
    row = connection.execute(select(table.address_hash, table.address, table.erased_at).where(table.id == reader)).one()
    gone = row.address is None or row.erased_at is not None
    return gone or bool(suppressions_of(connection, [row.address_hash], newsletter).get(row.address_hash))


def _repeated(entry: Entry) -> Entry:
    return replace(entry, event=Event.REAFFIRMED, source=SOURCE, actor="reader", batch_id=None)
