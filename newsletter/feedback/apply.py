"""Applying events: each is stored once and counts once, in whatever order they come.

A mail's tag names its delivery and attempt, which is how a hand-over whose answer was lost is settled. Permanent
bounces and complaints put the address on the suppression list in the same transaction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from newsletter.audience.consent import EVERYWHERE, Suppressed, Suppression
from newsletter.audience.proofs import FORMER_ADDRESS
from newsletter.audience.suppression import suppress_many
from newsletter.feedback.service_mail import ServiceMails
from newsletter.feedback.standing import NOTHING, OUTCOME, SETTLED, UNKNOWN_DELIVERY, Standing, rank_of
from newsletter.feedback.vocabulary import Event, Kind, NotAnEvent, parse
from newsletter.store.tables import deliveries, events, proofs, raw_events, subscribers

Key = tuple[str, int]  # send, subscriber

_SUPPRESS = {Kind.BOUNCE: Suppressed.HARD_BOUNCE, Kind.COMPLAINT: Suppressed.COMPLAINT}


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

    @property
    def new(self) -> int:
        """Events heard of for the first time."""
        return self.received - self.duplicates - self.ignored

    def __add__(self, other: Applied) -> Applied:
        return Applied(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Applied)})


def apply_messages(connection: Connection, messages: Sequence[str], *, now: datetime) -> Applied:
    """Store and apply event records, in the caller's transaction."""
    fresh, ignored = _fresh(connection, messages)
    service = ServiceMails(connection, [event for _, event in fresh])
    erased = _erased(connection, {event.dedup: _reader(event, service) for _, event in fresh})
    ids = _store(connection, fresh, erased=erased, now=now)
    # What a receiver says in words may name the person.
    found = [replace(event, detail="") if event.dedup in erased else event for _, event in fresh]
    standings = _standings(connection, found)
    before = {key: (s.state, s.outcome, s.outcome_at, s.detail) for key, s in standings.items()}
    done = Counter[str]()
    rows = []
    for event in found:
        did = service.take(event) if event.service else _take(standings, event)
        done[did] += 1
        rows.append({**_row(event, ids[event.dedup], did), **service.named(event)})
    if rows:
        connection.execute(insert(events), rows)
    changed = {k: s for k, s in standings.items() if before[k] != (s.state, s.outcome, s.outcome_at, s.detail)}
    _write(connection, changed)
    service.write()
    hashes = _hashes(connection, [event for event in found if _key(event) in standings])
    return Applied(
        received=len(messages),
        duplicates=len(messages) - len(fresh) - ignored,
        ignored=ignored,
        settled=done[SETTLED],
        outcomes=done[OUTCOME],
        unknown_deliveries=done[UNKNOWN_DELIVERY],
        suppressed=_suppress(connection, [*hashes, *service.hashes()]),
    )


def _fresh(connection: Connection, messages: Sequence[str]) -> tuple[list[tuple[str, Event]], int]:
    """The events not stored yet, each with its text, and how many messages were no events."""
    found: dict[str, tuple[str, Event]] = {}
    ignored = 0
    for message in messages:
        try:
            event = parse(message)
        except NotAnEvent:
            ignored += 1
        else:
            found.setdefault(event.dedup, (message, event))
    query = select(raw_events.c.dedup).where(raw_events.c.dedup.in_(list(found)))
    known = set(connection.scalars(query))
    return [pair for dedup, pair in found.items() if dedup not in known], ignored


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


def _store(
    connection: Connection, fresh: list[tuple[str, Event]], *, erased: set[str], now: datetime
) -> dict[str, int]:
    """Keep each event as it came, but for what it says of somebody who was erased; the id it got."""
    if not fresh:
        return {}
    rows = [
        {"dedup": event.dedup, "body": "" if event.dedup in erased else message, "received_at": now}
        for message, event in fresh
    ]
    connection.execute(insert(raw_events), rows)
    query = select(raw_events.c.dedup, raw_events.c.id)
    query = query.where(raw_events.c.dedup.in_([event.dedup for _, event in fresh]))
    return {row.dedup: row.id for row in connection.execute(query)}


def _key(event: Event) -> Key | None:
    return (event.delivery.send_id, event.delivery.subscriber_id) if event.delivery else None


def _standings(connection: Connection, found: Iterable[Event]) -> dict[Key, Standing]:
    """The deliveries these events are about, as they stand."""
    wanted = defaultdict(set)
    for event in found:
        if event.delivery:
            wanted[event.delivery.send_id].add(event.delivery.subscriber_id)
    standings: dict[Key, Standing] = {}
    for send_id, readers in wanted.items():
        table, said = deliveries.c, events.c
        hard = select(said.subscriber_id).where(said.send_id == send_id, said.kind == Kind.BOUNCE)
        bounced = set(connection.scalars(hard.where(said.subscriber_id.in_(readers))))
        query = select(deliveries).where(table.send_id == send_id, table.subscriber_id.in_(readers))
        for row in connection.execute(query):
            standings[(send_id, row.subscriber_id)] = Standing(
                state=row.state,
                attempt=row.attempt,
                message_id=row.message_id,
                reason=row.reason,
                rank=rank_of(row.outcome, hard=row.subscriber_id in bounced),
                outcome_at=row.outcome_at,
                detail=row.outcome_detail,
                owner=row.owner,
            )
    return standings


def _take(standings: dict[Key, Standing], event: Event) -> str:
    key = _key(event)
    if key is None or event.delivery is None or key not in standings:
        return UNKNOWN_DELIVERY
    if event.kind is Kind.UNKNOWN:
        return NOTHING
    return standings[key].take(event, event.delivery.attempt)


def _row(event: Event, raw_id: int, did: str) -> dict[str, object]:
    named = event.delivery
    return {
        "raw_id": raw_id,
        "kind": event.kind,
        "send_id": named.send_id if named else None,
        "subscriber_id": named.subscriber_id if named else None,
        "attempt": named.attempt if named else None,
        "message_id": event.message_id,
        "occurred_at": event.occurred_at,
        "applied": did,
    }


_UPDATE = (
    update(deliveries)
    .where(deliveries.c.send_id == bindparam("of_send"), deliveries.c.subscriber_id == bindparam("of_reader"))
    .values(
        state=bindparam("to_state"),
        attempt=bindparam("to_attempt"),
        message_id=bindparam("to_message_id"),
        reason=bindparam("to_reason"),
        owner=bindparam("to_owner"),
        outcome=bindparam("to_outcome"),
        outcome_at=bindparam("to_outcome_at"),
        outcome_detail=bindparam("to_detail"),
    )
)


def _write(connection: Connection, changed: dict[Key, Standing]) -> None:
    rows = [
        {
            "of_send": send_id,
            "of_reader": reader,
            "to_state": standing.state,
            "to_attempt": standing.attempt,
            "to_message_id": standing.message_id,
            "to_reason": standing.reason,
            "to_owner": standing.owner if standing.state == "in_flight" else None,
            "to_outcome": standing.outcome,
            "to_outcome_at": standing.outcome_at,
            "to_detail": standing.detail,
        }
        for (send_id, reader), standing in changed.items()
    ]
    if rows:
        connection.execute(_UPDATE, rows)


def _hashes(connection: Connection, found: Sequence[Event]) -> list[tuple[Event, str]]:
    """Each event with the keyed hash of its reader, whichever address the receiver named."""
    readers = {event.delivery.subscriber_id for event in found if event.delivery}
    query = select(subscribers.c.id, subscribers.c.address_hash).where(subscribers.c.id.in_(readers))
    hashes = {row.id: row.address_hash for row in connection.execute(query)} if readers else {}
    moved = _moved_since(connection, found)
    return [
        (event, hashes[event.delivery.subscriber_id])
        for event in found
        if event.delivery
        and event.delivery.subscriber_id in hashes
        and not (event.kind is Kind.BOUNCE and _key(event) in moved)
    ]


def _moved_since(connection: Connection, found: Sequence[Event]) -> set[Key]:
    """Deliveries to an address their reader has given up since: that it bounces says nothing of her present one."""
    bounced = {key for event in found if event.kind is Kind.BOUNCE and (key := _key(event))}
    if not bounced:
        return set()
    table = deliveries.c
    moves = select(proofs.c.subscriber_id, func.max(proofs.c.at).label("at")).where(proofs.c.kind == FORMER_ADDRESS)
    last = moves.group_by(proofs.c.subscriber_id).subquery()
    query = select(table.send_id, table.subscriber_id).join(last, last.c.subscriber_id == table.subscriber_id)
    query = query.where(table.subscriber_id.in_({reader for _, reader in bounced}), table.handed_over_at < last.c.at)
    return {(row.send_id, row.subscriber_id) for row in connection.execute(query)} & bounced


def _suppress(connection: Connection, found: Sequence[tuple[Event, str]]) -> int:
    """Never again to who is gone or complained; who our own fault hit stays."""
    entries = [
        (address_hash, _suppression(event))
        for event, address_hash in found
        if event.kind in _SUPPRESS and not event.our_fault
    ]
    suppress_many(connection, entries)
    return len({address_hash for address_hash, _ in entries})


def _suppression(event: Event) -> Suppression:
    source = f"{event.kind} {event.detail} of {event.message_id}"
    return Suppression(_SUPPRESS[event.kind], EVERYWHERE, source, event.occurred_at)
