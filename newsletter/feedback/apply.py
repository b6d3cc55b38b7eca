"""Applying events: each is stored once and counts once, in whatever order they come.

A mail's tag names its delivery and attempt, which is how a hand-over whose answer was lost is settled. Whom a page of
events puts on the suppression list, and which send it stops, is decided in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.feedback.breaker import judge, lock_sends
from newsletter.feedback.delivery_rows import DeliveryRows, key_of
from newsletter.feedback.service_mail import ServiceMails
from newsletter.feedback.standing import OUTCOME, SETTLED, UNKNOWN_DELIVERY
from newsletter.feedback.suppressing import suppress_by
from newsletter.feedback.tracked import Looks
from newsletter.feedback.untagged import Told, told_apart
from newsletter.feedback.vocabulary import Event, NotAnEvent, parse
from newsletter.settings import Settings
from newsletter.store.bulk import insert_many
from newsletter.store.keys import KeyRing
from newsletter.store.tables import events, raw_events, subscribers


@dataclass(frozen=True)
class Applied:
    """What a page of messages did."""

    received: int = 0
    duplicates: int = 0
    ignored: int = 0  # no event records
    settled: int = 0  # hand-overs whose answer was still open
    outcomes: int = 0
    unknown_deliveries: int = 0
    suppressed: int = 0
    forged: int = 0
    out_of_step: int = 0  # the provider's own list had the address, and ours had not
    held: int = 0  # sends the breaker stopped

    @property
    def new(self) -> int:
        """Events heard of for the first time."""
        return self.received - self.duplicates - self.ignored

    def __add__(self, other: Applied) -> Applied:
        return Applied(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Applied)})


def apply_messages(
    connection: Connection, messages: Sequence[str], *, settings: Settings, keys: KeyRing, now: datetime
) -> Applied:
    """Store and apply event records, in the caller's transaction, which holds the write lock."""
    fresh, ignored = _fresh(connection, messages, keys)
    service = ServiceMails(connection, [event for _, event in fresh])
    erased = _erased(connection, {event.dedup: _reader(event, service) for _, event in fresh})
    looks = Looks(connection, fresh)
    ids = _store(connection, fresh, textless=erased | looks.textless, now=now)
    # What a receiver says in words may name the person.
    found = [replace(event, detail=event.words) if event.dedup in erased else event for _, event in fresh]
    lock_sends(connection, found)
    rows = DeliveryRows(connection, found)
    did = [service.take(event) if event.service else rows.take(event) for event in found]
    counted = [(event, what) for event, what in zip(found, did, strict=True) if event.dedup not in looks.uncounted]
    told = [_row(event, ids[event.dedup], what, service) for event, what in counted]
    insert_many(connection, events, _COLUMNS, told)
    looks.write(ids)
    rows.write()
    service.write()
    ours = [event for event in found if key_of(event) in rows]
    suppressed = suppress_by(connection, ours, settings.feedback, service=service.hashes())
    done = Counter(did)
    return Applied(
        received=len(messages),
        duplicates=len(messages) - len(fresh) - ignored,
        ignored=ignored,
        settled=done[SETTLED],
        outcomes=done[OUTCOME],
        unknown_deliveries=done[UNKNOWN_DELIVERY],
        suppressed=suppressed,
        out_of_step=sum(event.on_their_list for event in ours),
        held=judge(connection, rows, ours, settings=settings, now=now),
    )


def _fresh(connection: Connection, messages: Sequence[str], keys: KeyRing) -> tuple[list[Told], int]:
    """The events not stored yet, each with its text, and how many messages were no events."""
    read: list[Told] = []
    for message in messages:
        try:
            read.append((message, parse(message)))
        except NotAnEvent:
            continue
    found: dict[str, Told] = {}
    for told in told_apart(connection, read, keys):
        found.setdefault(told[1].dedup, told)
    query = select(raw_events.c.dedup).where(raw_events.c.dedup.in_(list(found)))
    known = set(connection.scalars(query)) if found else set()
    return [told for dedup, told in found.items() if dedup not in known], len(messages) - len(read)


def _reader(event: Event, service: ServiceMails) -> int | None:
    """Whom an event is about, as far as its tag says."""
    found = service.named(event).get("subscriber_id") if event.service else None
    return event.delivery.subscriber_id if event.delivery else int(found) if isinstance(found, int) else None


def _erased(connection: Connection, readers: Mapping[str, int | None]) -> set[str]:
    """Which events are about somebody who was erased before they came, by their dedup keys."""
    wanted = {reader for reader in readers.values() if reader is not None}
    query = select(subscribers.c.id).where(subscribers.c.id.in_(wanted), subscribers.c.erased_at.is_not(None))
    gone = set(connection.scalars(query)) if wanted else set()
    return {dedup for dedup, reader in readers.items() if reader in gone}


def _store(connection: Connection, fresh: Sequence[Told], *, textless: set[str], now: datetime) -> dict[str, int]:
    """Keep each event as it came, but for what it says of somebody of whom nothing may be kept; the id it got."""
    if not fresh:
        return {}
    rows = [(event.dedup, "" if event.dedup in textless else message, now) for message, event in fresh]
    insert_many(connection, raw_events, ("dedup", "body", "received_at"), rows)
    query = select(raw_events.c.dedup, raw_events.c.id)
    query = query.where(raw_events.c.dedup.in_([event.dedup for _, event in fresh]))
    return {row.dedup: row.id for row in connection.execute(query)}


_COLUMNS = (
    "raw_id",
    "kind",
    "send_id",
    "subscriber_id",
    "attempt",
    "message_id",
    "occurred_at",
    "applied",
    "detail",
)


def _row(event: Event, raw_id: int, did: str, service: ServiceMails) -> tuple[object, ...]:
    named = event.delivery
    return (
        raw_id,
        event.kind.value,
        named.send_id if named else None,
        named.subscriber_id if named else _reader(event, service),
        named.attempt if named else None,
        event.message_id,
        event.occurred_at,
        did,
        event.words or None,
    )
