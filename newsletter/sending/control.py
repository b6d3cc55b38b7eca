"""What a person may do to a send under way: look after it, pause, cancel, and decide about readers in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Update, exists, func, insert, select, update

from newsletter.errors import Refused
from newsletter.sending import ledger, slices
from newsletter.sending.owners import recover
from newsletter.sending.sends import Send, State, get, move, taken, unfinished
from newsletter.sending.stops import refuse_if_stopped
from newsletter.store.engine import Store
from newsletter.store.tables import deliveries, resolutions, sends
from newsletter.transports.outbox import OutboxTransport

CANCELLED = "cancelled"
LEFT = "; left so by "  # and the person's name: the end of the reason of a reader whose doubt is decided


def take_stock(store: Store, locks: Path, send_id: str, *, now: datetime) -> Send:
    """See to what a killed process left in flight, so that a person who looks or decides after a crash sees who is in
    doubt, without having to send first. What living processes have in flight is left alone. Raises NotFound.
    """
    with store.read() as connection:
        send = get(connection, send_id)
    if not recover(store, locks, send.id, idempotent=send.transport == OutboxTransport.name):
        return send
    with store.write() as connection:
        ledger.settle(connection, send.id, now)
        return get(connection, send.id)


def pause(store: Store, send_id: str, *, person: str) -> Send:
    """Stop claiming; what is in flight is finished. `newsletter send ISSUE` goes on. Raises NotFound and Refused.

    A send that is held, perhaps until some hour, goes on no more by itself.
    """
    with store.write() as connection:
        send = taken(connection, send_id)
        if send.state is State.PREPARING:
            raise Refused(
                f"Send {send.id} is being prepared: nobody is handed over yet. Pause it when it sends, or end it with: "
                f"newsletter sends cancel {send.id}"
            )
        was = f"; it was held: {send.reason}" if send.state is State.HELD else ""
        return move(connection, send, State.PAUSED, reason=f"paused by {person}{was}")


def resume(store: Store, send_id: str) -> Send:
    """Let a send go on. One that goes on by itself needs no more; another is to be sent by the caller, issue and all.

    Raises NotFound and Refused.
    """
    with store.write() as connection:
        send = taken(connection, send_id)
        if send.finished:
            raise Refused(f"Send {send.id} is {send.state}: there is nothing to go on with.")
        refuse_if_stopped(connection, send.newsletter)
        if send.detached and send.state is not State.PREPARING:
            send = move(connection, send, State.SENDING)
            slices.defer(connection, send)
        return send


def cancel(store: Store, send_id: str, *, person: str, now: datetime) -> Send:
    """End a send: who is still pending is left out as `cancelled`; what is in flight is written down when it comes."""
    with store.write() as connection:
        send = move(connection, taken(connection, send_id), State.CANCELLED, reason=f"cancelled by {person}")
        ledger.exclude(connection, send.id, CANCELLED)
        connection.execute(update(sends).where(sends.c.id == send.id).values(settled_at=now))
        return get(connection, send.id)


@dataclass(frozen=True)
class Doubt:
    """Readers in doubt for one reason, and between which moments they were handed over; `decided` if they stay so."""

    reason: str
    readers: int
    first: datetime | None
    last: datetime | None

    @property
    def decided(self) -> bool:
        return LEFT in self.reason


def in_doubt_by_reason(store: Store, send_id: str) -> list[Doubt]:
    """Who is left in doubt, counted by why, most first. Raises NotFound."""
    table = deliveries.c
    reason = func.coalesce(table.reason, "")
    query = select(reason, func.count(), func.min(table.handed_over_at), func.max(table.handed_over_at))
    query = query.where(table.send_id == send_id, table.state == "uncertain").group_by(reason)
    with store.read() as connection:
        get(connection, send_id)
        found = [Doubt(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda doubt: (-doubt.readers, doubt.reason))


def resolve_uncertain(
    store: Store, send_id: str, choice: Literal["resend", "leave"], *, person: str, now: datetime
) -> int:
    """Decide about the readers in doubt; how many it concerned. The choice is kept. Raises NotFound and Refused.

    `resend`: they are pending again, each as a new attempt with a new tag; some may get the issue twice, which is why a
    person says so. Who has it from another send is left as is. `leave`: they stay listed, with who decided it; who was
    left so before is not asked about again.
    """
    with store.write() as connection:
        send = taken(connection, send_id)
        number = _leave(connection, send, person) if choice == "leave" else _resend(connection, send, person)
        if number:
            row = {"send_id": send.id, "choice": choice, "readers": number, "person": person, "at": now}
            connection.execute(insert(resolutions).values(row))
        return number


def _doubtful(send: Send) -> Update:
    return update(deliveries).where(deliveries.c.send_id == send.id, deliveries.c.state == "uncertain")


def _leave(connection: Connection, send: Send, person: str) -> int:
    """Whom somebody left in doubt before is left so already."""
    reason = func.coalesce(deliveries.c.reason, "") + f"{LEFT}{person}"
    return connection.execute(_doubtful(send).where(~_left_so()).values(reason=reason)).rowcount


def _left_so() -> ColumnElement[bool]:
    """Whether somebody has decided that this reader in doubt stays listed so."""
    return func.coalesce(deliveries.c.reason, "").contains(LEFT, autoescape=True)


def _resend(connection: Connection, send: Send, person: str) -> int:
    refuse_if_stopped(connection, send.newsletter)
    other = unfinished(connection, send.issue)
    if other is not None and other.id != send.id:
        raise Refused(f"Issue {send.issue} has an unfinished send, {other.id}. Finish or cancel that one first.")
    if send.state is State.CANCELLED:
        raise Refused(f"Send {send.id} is cancelled. What is in doubt stays listed.")
    elsewhere = deliveries.alias("elsewhere")
    query = select(elsewhere.c.subscriber_id).join(sends, sends.c.id == elsewhere.c.send_id)
    query = query.where(
        sends.c.issue == send.issue,
        elsewhere.c.send_id != send.id,
        elsewhere.c.subscriber_id == deliveries.c.subscriber_id,
        elsewhere.c.state.in_(("in_flight", "uncertain", "accepted")),
    )
    again = {"state": "pending", "owner": None, "handed_over_at": None}
    doubtful = _doubtful(send).where(~exists(query.correlate(deliveries)))
    number = connection.execute(doubtful.values(again)).rowcount
    if number and send.state is State.DONE:
        send = move(connection, send, State.SENDING, reason=f"{number} in doubt sent again, by {person}")
    if send.detached and send.state is State.SENDING:
        slices.defer(connection, send)
    return number
