"""Leaving: at once, for ever, as often as anyone likes, and harmless when there is nobody to leave.

Who leaves a newsletter is not measured for it any more either: her withdrawal takes those consents back too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from sqlalchemy import Connection, select

from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Entry, Event, Purpose, deciding, may_track
from newsletter.audience.ledger import Recorded
from newsletter.audience.links import ReaderLink
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import import_batches, subscriptions

Source = Literal["one-click", "page", "page, everything", "preferences page", "cli"]
_UNDECLARED = "none"  # the jurisdiction of a withdrawal that follows no other entry


class Outcome(StrEnum):
    """What unsubscribing did."""

    UNSUBSCRIBED = "unsubscribed"
    ALREADY = "already"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Left:
    """What unsubscribing did, and the ledger entry of the withdrawal that holds now: an undo names it."""

    outcome: Outcome
    entry: int | None = None


def unsubscribe(store: Store, link: ReaderLink, *, source: Source, now: datetime, actor: str = "reader") -> Left:
    """Act on a link that `read_unsubscribe` has checked. It takes effect before this returns."""
    said = from_send(source, link.send)
    with store.write() as connection:
        return withdraw(connection, link.subscriber_id, link.newsletter, source=said, now=now, actor=actor)


def from_send(source: Source, send: str) -> str:
    """How it was done, and by the link of which send's mail, as the ledger keeps it."""
    return f"{source}, send {send}" if send else source


def leave_everything(store: Store, subscriber_id: int, *, now: datetime, actor: str = "reader", send: str = "") -> Left:
    """Leave every newsletter the reader is listed for, those that were given up since included."""
    said = from_send("page, everything", send)
    with store.write() as connection:
        done = [
            withdraw(connection, subscriber_id, name, source=said, now=now, actor=actor)
            for name in _newsletters_of(connection, subscriber_id)
        ]
    entries = [left.entry for left in done if left.entry is not None]
    if not entries:
        return Left(Outcome.UNKNOWN)
    left = any(left.outcome is Outcome.UNSUBSCRIBED for left in done)
    # The newest entry is of this act, or of the last one: older withdrawals are no part of either.
    return Left(Outcome.UNSUBSCRIBED if left else Outcome.ALREADY, max(entries))


def unsubscribe_address(
    store: Store, keys: KeyRing, address: str, *, newsletter: str, source: Source, now: datetime, actor: str
) -> Outcome:
    """The same by address, for a person who was asked by telephone or letter. Raises InputError for no address."""
    hashed = address_hash(normalise(address).normal, keys.hash)
    with store.write() as connection:
        found = ledger.find_subscribers(connection, [hashed]).get(hashed)
        if found is None:
            return Outcome.UNKNOWN
        return withdraw(connection, found.id, newsletter, source=source, now=now, actor=actor).outcome


def withdraw(
    connection: Connection, subscriber_id: int, newsletter: str, *, source: str, now: datetime, actor: str
) -> Left:
    """Take back what the reader agreed to for one newsletter: getting it, and being measured."""
    if not ledger.listed(connection, newsletter, [subscriber_id]):
        return Left(Outcome.UNKNOWN)
    recorded = counting(connection, subscriber_id, newsletter)
    sending = history_of(recorded, newsletter)
    jurisdiction = sending[-1].jurisdiction if sending else _UNDECLARED
    entry = Entry(Event.WITHDRAWN, now, source=source, actor=actor, jurisdiction=jurisdiction)
    number = withdrawal_in_force(recorded, newsletter)
    outcome = Outcome.UNSUBSCRIBED if number is None else Outcome.ALREADY
    if number is None:
        number = ledger.record_one(connection, newsletter, subscriber_id, entry, now=now)
    for purpose in (Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING):
        if may_track(history_of(recorded, newsletter, purpose)):
            ledger.record_one(connection, newsletter, subscriber_id, entry, now=now, purpose=purpose)
    return Left(outcome, number)


def still_in(connection: Connection, subscriber_id: int) -> list[str]:
    """The newsletters the reader is listed for and has not left, those that were given up since included."""
    recorded = counting(connection, subscriber_id)
    names = _newsletters_of(connection, subscriber_id)
    return [name for name in names if withdrawal_in_force(recorded, name) is None]


def counting(connection: Connection, subscriber_id: int, newsletter: str | None = None) -> list[Recorded]:
    """The reader's ledger for every purpose, without the entries of imports that were undone."""
    recorded = ledger.everything_of(connection, subscriber_id, newsletter)
    batches = {row.entry.batch_id for row in recorded} - {None}
    if not batches:
        return recorded
    query = select(import_batches.c.id).where(import_batches.c.id.in_(batches), import_batches.c.undone_at.is_not(None))
    undone = set(connection.scalars(query))
    return [row for row in recorded if row.entry.batch_id not in undone]


def history_of(recorded: Sequence[Recorded], newsletter: str, purpose: Purpose = Purpose.SEND) -> list[Entry]:
    """What a ledger says of one newsletter and purpose, oldest first."""
    return [row.entry for row in recorded if (row.newsletter, row.purpose) == (newsletter, purpose)]


def withdrawal_in_force(recorded: Sequence[Recorded], newsletter: str) -> int | None:
    """The entry by which the reader is out of the newsletter, or None while she is not."""
    current = deciding(history_of(recorded, newsletter))
    if current is None or current.event is not Event.WITHDRAWN:
        return None
    return max(row.id for row in recorded if row.newsletter == newsletter and row.entry is current)


def _newsletters_of(connection: Connection, subscriber_id: int) -> list[str]:
    query = select(subscriptions.c.newsletter).where(subscriptions.c.subscriber_id == subscriber_id)
    return sorted(connection.scalars(query))  # databases sort by collations of their own
