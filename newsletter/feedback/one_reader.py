"""What became of one reader in one send: a sentence that says it, and the record it rests on.

The sentence says only what is known. "Accepted" is the provider's word and no delivery; silence after it is silence.
Why somebody was left out is told as it was then, and beside it what holds now, since the two may differ.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, select

from newsletter.audience import ledger as readers
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.explain import Explanation, explain
from newsletter.config import Workspace
from newsletter.feedback.fates import Told, sentence
from newsletter.sending.sends import Send, get
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import deliveries, events, sends, subscribers, subscriptions, tracked


@dataclass(frozen=True)
class Happened:
    """One event about her mail, in order; `by` says who looked, of an open or click."""

    at: datetime
    kind: str
    attempt: int | None
    message_id: str | None
    did: str  # settled | outcome | nothing
    detail: str | None
    link: str | None = None
    by: str | None = None


@dataclass(frozen=True)
class Fate:
    """What became of her. `row` is her row of the ledger, None when the send has none for her."""

    send: Send
    address: str
    reader: int | None
    sentence: str
    next_steps: tuple[str, ...]
    row: Told | None
    events: tuple[Happened, ...] = ()
    now: Explanation | None = None
    elsewhere: tuple[dict[str, Any], ...] = field(default=())  # her rows in other sends of this issue

    def as_json(self) -> dict[str, Any]:
        row: dict[str, Any] = asdict(self.row) if self.row else dict.fromkeys(Told.__dataclass_fields__)
        for name in ("handed_over_at", "outcome_at"):
            row[name] = row[name].isoformat() if row[name] else None
        return {
            "send": self.send.id,
            "issue": self.send.issue,
            "newsletter": self.send.newsletter,
            "address": self.address,
            "reader": self.reader,
            "sentence": self.sentence,
            "next": list(self.next_steps),
            **row,
            "events": [{**asdict(event), "at": event.at.isoformat()} for event in self.events],
            "now": asdict(self.now) if self.now else None,
            "other_sends": list(self.elsewhere),
        }


def fate(store: Store, workspace: Workspace, keys: KeyRing, send_id: str, address: str, *, now: datetime) -> Fate:
    """What became of the reader with that address. Raises NotFound for the send, InputError for what is no address."""
    written = normalise(address)
    hashed = address_hash(written.normal, keys.hash)
    with store.read() as connection:
        send = get(connection, send_id)
        person = readers.find_subscribers(connection, [hashed]).get(hashed)
        reader = person.id if person else None
        row = _row(connection, send.id, reader) if reader is not None else None
        happened = _events(connection, send.id, reader) if reader is not None else ()
        elsewhere = _elsewhere(connection, send, reader) if reader is not None else ()
        joined = _joined(connection, send.newsletter, reader) if reader is not None else None
    settings = workspace.settings.newsletters.get(send.newsletter)
    present = None
    if settings is not None:
        present = explain(store, keys, address, newsletter=send.newsletter, settings=settings, at=now)
    zone = settings.zone if settings else now.tzinfo
    said, steps = (
        sentence(send, written.spelling, row, zone=zone, elsewhere=elsewhere)
        if row is not None
        else _not_in_it(send, written.spelling, reader, joined=joined, zone=zone)
    )
    return Fate(send, written.spelling, reader, said, steps, row, happened, present, elsewhere)


def _not_in_it(
    send: Send, address: str, reader: int | None, *, joined: datetime | None, zone: tzinfo | None
) -> tuple[str, tuple[str, ...]]:
    """Why a send has no row of somebody: everybody on the list when it began has one."""
    ask = (f"newsletter audience explain {address} --newsletter {send.newsletter}",)
    if reader is None:
        return f"Nobody with the address {address} is on record, so send {send.id} was not for them.", ask
    if joined is None:
        return f"{address} is on record, but has never been on the list of {send.newsletter}.", ask
    said = f"{address} is not in send {send.id}: on the list of {send.newsletter} since "
    said += f"{joined.astimezone(zone):%d %B %Y %H:%M:%S}, and the audience was written down at "
    said += f"{send.created_at.astimezone(zone):%d %B %Y %H:%M:%S}."
    if joined <= send.created_at:
        said = f"{address} is on the list of {send.newsletter}, but send {send.id} has no row of theirs"
        preparing = send.state in {"planned", "preparing"}
        said += ": its audience is being written down." if preparing else "; excluded rows may have been folded."
        return said, ask
    return said, (f"newsletter send {send.issue} --rest", *ask)


def _row(connection: Connection, send_id: str, reader: int) -> Told | None:
    table = deliveries.c
    columns = [table[name] for name in Told.__dataclass_fields__]
    query = select(*columns).where(table.send_id == send_id, table.subscriber_id == reader)
    row = connection.execute(query).one_or_none()
    return Told(**row._mapping) if row is not None else None


def _events(connection: Connection, send_id: str, reader: int) -> tuple[Happened, ...]:
    table = events.c
    columns = (table.occurred_at, table.kind, table.attempt, table.message_id, table.applied, table.detail)
    query = select(*columns, tracked.c.link, tracked.c.by)
    query = query.outerjoin_from(events, tracked, tracked.c.raw_id == table.raw_id)
    query = query.where(table.send_id == send_id, table.subscriber_id == reader)
    rows = connection.execute(query.order_by(table.occurred_at, table.raw_id))
    return tuple(Happened(*row) for row in rows)


def _elsewhere(connection: Connection, send: Send, reader: int) -> tuple[dict[str, Any], ...]:
    table = deliveries.c
    query = select(table.send_id, table.state, table.reason, table.outcome, table.handed_over_at)
    query = query.join(sends, sends.c.id == table.send_id).order_by(sends.c.created_at, sends.c.id)
    rows = connection.execute(query.where(sends.c.issue == send.issue, table.subscriber_id == reader))
    return tuple(_other(row) for row in rows if row.send_id != send.id)


def _other(row: Any) -> dict[str, Any]:
    at = row.handed_over_at.isoformat() if row.handed_over_at else None
    return {"send": row.send_id, "state": row.state, "reason": row.reason, "outcome": row.outcome, "handed_over_at": at}


def _joined(connection: Connection, newsletter: str, reader: int) -> datetime | None:
    table = subscriptions.c
    query = select(table.created_at).join(subscribers, subscribers.c.id == table.subscriber_id)
    found: datetime | None = connection.scalar(query.where(table.newsletter == newsletter, subscribers.c.id == reader))
    return found
