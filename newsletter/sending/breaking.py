"""Breaking news goes before the others: while it has readers waiting, what else goes out the same way stands aside.

So that it stays rare, a newsletter has a number of such sends a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, or_, select

from newsletter.errors import Refused
from newsletter.sending.instants import instant, shown
from newsletter.sending.schedule import Standing
from newsletter.sending.sends import FINISHED, Send, State
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import deliveries, schedules, sends

BREAKING = 10  # its priority; everything else has 0
_DAY = timedelta(days=1)
_GETTING_ON = timedelta(seconds=10)  # longer than a clock or a worker takes to see it, or to make two calls


def outranked_by(connection: Connection, send: Send, *, now: datetime) -> str | None:
    """A send of higher priority that has readers waiting at the same account, if there is one.

    It must be getting on: somebody was handed over a moment ago, or it goes on by itself and has just begun. One that a
    killed or frozen process left behind, or that waits for a clock that does not run, keeps nobody waiting.
    """
    ours = {"of_priority": send.priority, "of_transport": send.transport, "of_scope": send.scope or ""}
    return connection.scalar(_HIGHER, {**ours, "since": now - _GETTING_ON})


def _higher() -> Select[str]:
    other, table = sends.alias("other"), deliveries.c
    rows = select(table.subscriber_id).where(table.send_id == other.c.id)
    since = bindparam("since", type_=table.handed_over_at.type)
    higher = select(other.c.id).where(
        other.c.state == State.SENDING,
        other.c.priority > bindparam("of_priority"),
        other.c.transport == bindparam("of_transport"),
        func.coalesce(other.c.scope, "") == bindparam("of_scope"),
        exists(rows.where(table.state == "pending")),
        or_(and_(other.c.detached, other.c.created_at >= since), exists(rows.where(table.handed_over_at >= since))),
    )
    return higher.limit(1)


_HIGHER = _higher()  # asked with every claim: made once


def refuse_beyond_cap(
    connection: Connection, newsletter: str, settings: NewsletterSettings, *, issue: str, at: datetime
) -> None:
    """Raises Refused when the newsletter has its number of breaking sends on that local day, under way or waiting.

    One begun earlier counts while it goes on, and if its first reader was handed over that day: it may have been made
    breaking news only then. What is scheduled of this very issue does not count: it is being replaced.
    """
    day = shown(at, settings.zone).date()
    start, end = (instant(datetime.combine(d, time()), settings.zone).astimezone(UTC) for d in (day, day + _DAY))
    that_day = [and_(moment >= start, moment < end) for moment in (sends.c.created_at, sends.c.first_handover_at)]
    begun = select(func.count()).where(
        sends.c.newsletter == newsletter, sends.c.priority > 0, or_(*that_day, sends.c.state.not_in(FINISHED))
    )
    waiting = select(func.count()).where(
        schedules.c.newsletter == newsletter,
        schedules.c.priority > 0,
        schedules.c.state == Standing.WAITING,
        schedules.c.issue != issue,
        schedules.c.due_at >= start,
        schedules.c.due_at < end,
    )
    number = (connection.scalar(begun) or 0) + (connection.scalar(waiting) or 0)
    if number >= settings.breaking_per_day:
        raise Refused(
            f"Newsletter {newsletter} has its {settings.breaking_per_day} breaking sends of {day} already "
            "(`breaking_per_day` in config.toml). Send this one without --breaking."
        )
