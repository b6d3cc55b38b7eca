"""What a person may do to a send under way: look after it, pause, cancel, and decide about readers in doubt."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import exists, select, update

from newsletter.errors import Refused
from newsletter.sending import ledger
from newsletter.sending.owners import recover
from newsletter.sending.sends import Send, State, get, move, unfinished
from newsletter.store.engine import Store
from newsletter.store.tables import deliveries, sends
from newsletter.transports.outbox import OutboxTransport

CANCELLED = "cancelled"


def take_stock(store: Store, locks: Path, send_id: str, *, now: datetime) -> Send:
    """See to what a killed process left in flight, so that a person who looks or decides after a crash sees who is in
    doubt, without having to send first. What living processes have in flight is left alone. Raises NotFound.
    """
    with store.read() as connection:
        send = get(connection, send_id)
    if not recover(store, locks, send.id, now=now, idempotent=send.transport == OutboxTransport.name):
        return send
    with store.write() as connection:
        ledger.settle(connection, send.id, now)
        return get(connection, send.id)


def pause(store: Store, send_id: str, *, person: str) -> Send:
    """Stop claiming; what is in flight is finished. `newsletter send ISSUE` goes on. Raises NotFound and Refused."""
    with store.write() as connection:
        return move(connection, get(connection, send_id), State.PAUSED, reason=f"paused by {person}")


def issue_to_resume(store: Store, send_id: str) -> str:
    """The issue whose send goes on when this one is resumed. Raises NotFound and Refused."""
    with store.read() as connection:
        send = get(connection, send_id)
    if send.finished:
        raise Refused(f"Send {send.id} is {send.state}: there is nothing to go on with.")
    return send.issue


def cancel(store: Store, send_id: str, *, person: str, now: datetime) -> Send:
    """End a send: who is still pending is left out as `cancelled`; what is in flight is written down when it comes."""
    with store.write() as connection:
        send = move(connection, get(connection, send_id), State.CANCELLED, reason=f"cancelled by {person}")
        ledger.exclude(connection, send.id, CANCELLED)
        connection.execute(update(sends).where(sends.c.id == send.id).values(settled_at=now))
        return get(connection, send.id)


def resolve_uncertain(store: Store, send_id: str, choice: Literal["resend", "leave"], *, person: str) -> int:
    """Decide about the readers in doubt; how many it concerned. Raises NotFound and Refused.

    `resend`: they are pending again, each as a new attempt with a new tag; some may get the issue twice, which is why a
    person says so. Who has it from another send is left as is. `leave`: they stay listed, with who decided it.
    """
    with store.write() as connection:
        send = get(connection, send_id)
        table = deliveries.c
        doubtful = update(deliveries).where(table.send_id == send_id, table.state == "uncertain")
        if choice == "leave":
            return connection.execute(doubtful.values(reason=table.reason + f"; left so by {person}")).rowcount
        other = unfinished(connection, send.issue)
        if other is not None and other.id != send.id:
            raise Refused(f"Issue {send.issue} has an unfinished send, {other.id}. Finish or cancel that one first.")
        if send.state is State.CANCELLED:
            raise Refused(f"Send {send.id} is cancelled. What is in doubt stays listed.")
        elsewhere = deliveries.alias("elsewhere")
        query = select(elsewhere.c.subscriber_id).join(sends, sends.c.id == elsewhere.c.send_id)
        query = query.where(
            sends.c.issue == send.issue,
            elsewhere.c.send_id != send_id,
            elsewhere.c.subscriber_id == table.subscriber_id,
            elsewhere.c.state.in_(("in_flight", "uncertain", "accepted")),
        )
        again = {"state": "pending", "owner": None, "handed_over_at": None}
        number = connection.execute(doubtful.where(~exists(query.correlate(deliveries))).values(again)).rowcount
        if number and send.state is State.DONE:
            move(connection, send, State.SENDING, reason=f"{number} in doubt sent again, by {person}")
        return number
