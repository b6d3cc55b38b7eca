"""Parking: a held send that needs no person, only time, says until when, and is gone on with by itself.

A quota comes back over the day and is looked at every hour. A provider that is away is tried again after growing
waits; how long it has been away stands in the ledger, so every process that shares the send agrees.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import accumulate

from sqlalchemy import Connection, func, select

from newsletter.sending.answers import Hold, Patience, Why
from newsletter.sending.sends import Send, State, get, move, taken
from newsletter.sending.ways import goes_by
from newsletter.store.engine import Store
from newsletter.store.tables import deliveries, sends
from newsletter.transports.mail import Transport


def park(connection: Connection, send: Send, hold: Hold, *, patience: Patience, now: datetime) -> Send:
    """Hold a send; for as long as it takes when it is no matter for a person."""
    if hold.why is Why.PERSON:
        return move(connection, send, State.HELD, reason=hold.reason)
    minutes = patience.quota_minutes if hold.why is Why.QUOTA else _away(connection, send, patience, now=now)
    return move(connection, send, State.HELD, reason=hold.reason, resume_at=now + timedelta(minutes=minutes))


def resume_due(store: Store, transport: Transport, now: datetime) -> list[Send]:
    """Go on with the parked sends whose time has come and that go out this way; which ones."""
    due = select(sends.c.id).where(sends.c.state == State.HELD.value, sends.c.resume_at <= now)
    with store.read() as connection:
        waiting = list(connection.scalars(due.where(goes_by(transport)).order_by(sends.c.id)))
    return [send for send_id in waiting if (send := _resume(store, send_id, now)) is not None]


def _resume(store: Store, send_id: str, now: datetime) -> Send | None:
    with store.write() as connection:
        send = taken(connection, send_id)
        if send.state is not State.HELD or send.resume_at is None or send.resume_at > now:
            return None
        connection.execute(sends.update().where(sends.c.id == send_id).values(detached=True))
        return move(connection, send, State.SENDING, resume_at=send.resume_at)


def accepted_again(connection: Connection, send_id: str) -> None:
    """The provider takes mail again: what was parked goes on at full speed."""
    connection.execute(sends.update().where(sends.c.id == send_id).values(resume_at=None))


def _away(connection: Connection, send: Send, patience: Patience, *, now: datetime) -> float:
    """Minutes until the next try, by how long nobody was accepted."""
    if get(connection, send.id).resume_at is None:  # it took mail until now
        return patience.away_minutes[0]
    table = deliveries.c
    last = select(func.max(table.handed_over_at)).where(table.send_id == send.id, table.state == "accepted")
    since = connection.scalar(last) or send.first_handover_at or send.created_at
    away = (now - since) / timedelta(minutes=1)
    passed = sum(total <= away for total in accumulate(patience.away_minutes))
    return patience.away_minutes[min(passed, len(patience.away_minutes) - 1)]
