"""Whom events put on the suppression list: who is gone, who complained, and whose mailbox has refused for long.

A permanent bounce or a complaint is enough by itself. A mailbox that is full, or a receiver that says nothing clear, is
given up only after several sends in a row over many days; an automatic reply looks the same, so one is never enough. A
delivery, a new address and a person's lifting each end the row. What blames our content or our configuration never
counts against a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, or_, select

from newsletter.audience.consent import EVERYWHERE, Suppressed, Suppression
from newsletter.audience.proofs import FORMER_ADDRESS
from newsletter.audience.suppression import suppress_many
from newsletter.feedback.delivery_rows import Key, key_of
from newsletter.feedback.vocabulary import OURS, Event, Kind
from newsletter.settings import FeedbackSettings
from newsletter.store.tables import deliveries, proofs, subscribers, suppression_lifts

Entry = tuple[str, Suppression]  # the address's keyed hash, and why

CONTENT = ("MessageTooLarge", "ContentRejected", "AttachmentRejected")  # the receiver blames what we wrote
UNDETERMINED = 3  # bounces in a row that say nothing clear
UNDETERMINED_DAYS = 7
_REASONS = {Kind.BOUNCE: Suppressed.HARD_BOUNCE, Kind.COMPLAINT: Suppressed.COMPLAINT}


def suppress_by(
    connection: Connection,
    found: Sequence[Event],
    settings: FeedbackSettings,
    *,
    service: Iterable[tuple[Event, str]],
) -> int:
    """Suppress whom these events, already written down, say must not be mailed; how many addresses they name.

    `found` are events of deliveries in the ledger; `service` those of service mail, each with its address's hash.
    """
    told = [*_with_hashes(connection, [event for event in found if event.kind in _REASONS]), *service]
    entries = [(hashed, _at_once(event)) for event, hashed in told if event.kind in _REASONS and not event.our_fault]
    soft = {e.delivery.subscriber_id for e in found if e.kind is Kind.SOFT_BOUNCE and not e.our_fault and e.delivery}
    entries += _worn_out(connection, soft, settings)
    suppress_many(connection, entries)
    return len({hashed for hashed, _ in entries})


def _at_once(event: Event) -> Suppression:
    source = f"{event.kind} {event.detail} of {event.message_id}"
    return Suppression(_REASONS[event.kind], EVERYWHERE, source, event.occurred_at)


def _with_hashes(connection: Connection, found: Sequence[Event]) -> list[tuple[Event, str]]:
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
        and not (event.kind is Kind.BOUNCE and key_of(event) in moved)
    ]


def _moved_since(connection: Connection, found: Sequence[Event]) -> set[Key]:
    """Deliveries to an address their reader has given up since: that it bounces says nothing of her present one."""
    bounced = {key for event in found if event.kind is Kind.BOUNCE and (key := key_of(event))}
    if not bounced:
        return set()
    table, last = deliveries.c, _moves().subquery()
    query = select(table.send_id, table.subscriber_id).join(last, last.c.subscriber_id == table.subscriber_id)
    query = query.where(table.subscriber_id.in_({reader for _, reader in bounced}), table.handed_over_at < last.c.at)
    return {(row.send_id, row.subscriber_id) for row in connection.execute(query)} & bounced


def _moves() -> Select[Any]:
    """When each reader last changed her address."""
    moves = select(proofs.c.subscriber_id, func.max(proofs.c.at).label("at")).where(proofs.c.kind == FORMER_ADDRESS)
    return moves.group_by(proofs.c.subscriber_id)


# -- mailboxes that go on refusing ------------------------------------------------------------------------------------


def _worn_out(connection: Connection, readers: set[int], settings: FeedbackSettings) -> list[Entry]:
    """Those among these readers whose mailbox has refused for long enough."""
    if not readers:
        return []
    found = []
    for row in connection.execute(_runs(readers)):
        verdict = _soft(row, settings) or _unclear(row)
        if verdict is not None:
            words, at = verdict
            found.append((str(row.address_hash), Suppression(Suppressed.HARD_BOUNCE, EVERYWHERE, words, at)))
    return found


def _soft(row: Row[Any], settings: FeedbackSettings) -> tuple[str, datetime] | None:
    """The rule of soft bounces: so many sends in a row, so many days since the last delivery, or since the first."""
    if row.soft < settings.soft_bounces:
        return None
    resets = [at for at in (row.moved_at, row.lifted_at) if at is not None]
    begun = row.delivered_at if row.delivered_at and all(row.delivered_at >= at for at in resets) else row.soft_first
    days = settings.soft_bounce_days
    if row.soft_last - begun < timedelta(days=days):
        return None
    return f"soft bounces of {row.soft} sends in a row over {days} days or more", row.soft_last


def _unclear(row: Row[Any]) -> tuple[str, datetime] | None:
    """The rule of bounces that say nothing clear."""
    if row.unclear < UNDETERMINED or row.unclear_last - row.unclear_first < timedelta(days=UNDETERMINED_DAYS):
        return None
    days = UNDETERMINED_DAYS
    return f"undetermined bounces of {row.unclear} sends in a row over {days} days or more", row.unclear_last


def _runs(readers: set[int]) -> Select[Any]:
    """For each reader the bounces since her mailbox last took a mail: how many sends, the first and the last."""
    table, reader = deliveries.c, subscribers.c
    hers = table.subscriber_id.in_(readers)
    taken = select(table.subscriber_id, func.max(table.outcome_at).label("at")).where(hers)
    delivered = taken.where(table.outcome == "delivered").group_by(table.subscriber_id).subquery()
    moved = _moves().where(proofs.c.subscriber_id.in_(readers)).subquery()
    lift = suppression_lifts.c
    lifts = select(lift.address_hash, func.max(lift.lifted_at).label("at")).group_by(lift.address_hash)
    lifted = lifts.where(lift.reason == Suppressed.HARD_BOUNCE.value).subquery()
    said = table.outcome_detail
    unclear = said.startswith("Undetermined/")
    soft = and_(said.startswith("Transient/"), *(~said.startswith(f"Transient/{word}") for word in CONTENT))
    query = select(
        table.subscriber_id,
        reader.address_hash,
        func.max(delivered.c.at).label("delivered_at"),
        func.max(moved.c.at).label("moved_at"),
        func.max(lifted.c.at).label("lifted_at"),
        *_run("soft", soft),
        *_run("unclear", unclear),
    )
    query = query.join(subscribers, reader.id == table.subscriber_id)
    query = query.outerjoin(delivered, delivered.c.subscriber_id == table.subscriber_id)
    query = query.outerjoin(moved, moved.c.subscriber_id == table.subscriber_id)
    query = query.outerjoin(lifted, lifted.c.address_hash == reader.address_hash)
    query = query.where(hers, table.outcome == "bounced", ~said.endswith(OURS))
    sent = func.coalesce(table.handed_over_at, table.outcome_at)  # a late bounce may be of her former address
    for at, reset in ((table.outcome_at, delivered), (sent, moved), (table.outcome_at, lifted)):
        query = query.where(or_(reset.c.at.is_(None), at > reset.c.at))
    return query.group_by(table.subscriber_id, reader.address_hash)


def _run(name: str, which: ColumnElement[bool]) -> list[ColumnElement[Any]]:
    at = case((which, deliveries.c.outcome_at))
    return [
        func.count(at).label(name),
        func.min(at).label(f"{name}_first"),
        func.max(at).label(f"{name}_last"),
    ]
