"""A newsletter that is stopped: too much came back of its last sends, and a person has to look before it goes on.

The breaker stops it; only a person lifts that, and says why. Until then nothing of it begins or goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from newsletter.errors import InputError, Place, Problem, Refused
from newsletter.sending.sends import State, get, move
from newsletter.store.engine import Store
from newsletter.store.tables import newsletter_stops, sends


@dataclass(frozen=True)
class Stop:
    """One stop, and who lifted it."""

    id: int
    newsletter: str
    send_id: str | None
    reason: str
    at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    why: str | None = None


def refuse_if_stopped(connection: Connection, newsletter: str) -> None:
    """Raises Refused while the newsletter is stopped."""
    stop = open_stop(connection, newsletter)
    if stop is not None:
        when = stop.at.strftime("%d %B %Y %H:%M UTC")
        raise Refused(
            f"Newsletter {newsletter} is stopped since {when}: {stop.reason}. Find out why, then lift it with: "
            f"newsletter stops lift {newsletter} --why 'what was done about it'"
        )


def open_stop(connection: Connection, newsletter: str) -> Stop | None:
    """The newsletter's stop that nobody has lifted yet."""
    table = newsletter_stops.c
    query = select(newsletter_stops).where(table.newsletter == newsletter, table.lifted_at.is_(None))
    row = connection.execute(query.order_by(table.id).limit(1)).one_or_none()
    return Stop(**row._mapping) if row is not None else None


def all_stops(connection: Connection) -> list[Stop]:
    """Every stop there was, newest first."""
    query = select(newsletter_stops).order_by(newsletter_stops.c.id.desc())
    return [Stop(**row._mapping) for row in connection.execute(query)]


def under_way() -> ColumnElement[bool]:
    """Sends that go on by themselves: at work, or parked until some moment."""
    parked = and_(sends.c.state == State.HELD, sends.c.resume_at.is_not(None))
    return or_(sends.c.state == State.SENDING, parked)


def stop(connection: Connection, newsletter: str, *, send_id: str, reason: str, at: datetime) -> bool:
    """Stop the newsletter, and hold what it has under way; False when it is stopped already.

    Call it with the write lock, and with the rows of its sends under way locked.
    """
    if open_stop(connection, newsletter) is not None:
        return False
    row = {"newsletter": newsletter, "send_id": send_id, "reason": reason, "at": at}
    connection.execute(insert(newsletter_stops).values(row))
    theirs = select(sends.c.id).where(sends.c.newsletter == newsletter, under_way())
    for other in list(connection.scalars(theirs.order_by(sends.c.id))):
        move(connection, get(connection, other), State.HELD, reason=f"newsletter {newsletter} is stopped: {reason}")
    return True


def lift_stop(store: Store, newsletter: str, *, person: str, why: str, now: datetime) -> bool:
    """Let the newsletter go on, and keep on record who said so and why; False when it was not stopped."""
    words = why.strip()
    if not words or not words.isprintable():
        raise InputError([Problem(Place("--why"), "must say in plain words why.", "It is kept on record.")])
    table = newsletter_stops.c
    open_ones = update(newsletter_stops).where(table.newsletter == newsletter, table.lifted_at.is_(None))
    with store.write() as connection:
        return connection.execute(open_ones.values(lifted_at=now, lifted_by=person, why=words)).rowcount > 0
