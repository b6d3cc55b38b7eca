"""A pause: the reader gets nothing until a day, and everything again from that day on. It is no matter of consent.

A pause ends with the first moment of its day in the newsletter's zone.
"""

from __future__ import annotations

import calendar
from datetime import date as Date
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, update

from newsletter.audience.addresses import printable
from newsletter.errors import InputError, Place, Problem
from newsletter.store.tables import subscriptions


class Length(StrEnum):
    """How long a pause may be without naming a day."""

    WEEK = "1-week"
    MONTH = "1-month"
    QUARTER = "3-months"


def last_day_of(length: Length, zone: ZoneInfo, now: datetime) -> Date:
    """The day on which a pause that begins now ends: the same day of a later month, or that month's last."""
    today = now.astimezone(zone).date()
    if length is Length.WEEK:
        return today + timedelta(days=7)
    return _months_later(today, 1 if length is Length.MONTH else 3)


def shortest(zone: ZoneInfo, now: datetime) -> Date:
    """The first day a pause may end on: tomorrow."""
    return now.astimezone(zone).date() + timedelta(days=1)


def longest(zone: ZoneInfo, now: datetime) -> Date:
    """The last day a pause may end on: a year from now. Who wants longer leaves."""
    return _months_later(now.astimezone(zone).date(), 12)


def day_to_resume(written: str, zone: ZoneInfo, now: datetime) -> Date:
    """The day a reader wrote. Raises InputError when it is none, or none a pause may end on."""
    first, last = shortest(zone, now), longest(zone, now)
    try:
        day = Date.fromisoformat(written.strip())
    except ValueError:
        said = printable(written, 20)
        raise _unusable(f"“{said}” is not a day. Choose one, such as {first:%Y-%m-%d}.") from None
    if not first <= day <= last:
        raise _unusable(f"{day.isoformat()} cannot be chosen. Choose a day from {first:%Y-%m-%d} to {last:%Y-%m-%d}.")
    return day


def pause(
    connection: Connection, subscriber_id: int, newsletter: str, *, until: Date, zone: ZoneInfo, now: datetime
) -> datetime | None:
    """Pause until that day; the moment it ends, or None when there is nothing to pause."""
    ends = datetime.combine(until, time(), zone)
    if ends <= now:
        return None
    return ends if _set(connection, subscriber_id, newsletter, ends) else None


def resume(connection: Connection, subscriber_id: int, newsletter: str) -> bool:
    """End the pause now; whether the reader is listed at all."""
    return _set(connection, subscriber_id, newsletter, None)


def _set(connection: Connection, subscriber_id: int, newsletter: str, until: datetime | None) -> bool:
    this = (subscriptions.c.newsletter == newsletter, subscriptions.c.subscriber_id == subscriber_id)
    own = {"batch_id": None} if until else {}  # who has paused an import's listing has made it hers: see `touched`
    return connection.execute(update(subscriptions).where(*this).values(paused_until=until, **own)).rowcount > 0


def _months_later(day: Date, months: int) -> Date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, calendar.monthrange(year, month + 1)[1]))


def _unusable(problem: str) -> InputError:
    return InputError([Problem(Place("the day"), problem)])
