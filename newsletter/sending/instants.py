"""From a local time and its zone, which is what people set, to the instant it means, whatever the clocks do that day.

One definition serves every day: the first moment at which the zone's clocks show that time or a later one. So a time
that clocks skip (02:30 on the night they go forward) means the moment they have gone forward, and a time that comes
twice means the first of the two. Later times never come before earlier ones.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

_SECOND = timedelta(seconds=1)
_MIDNIGHT = time()


class Change(StrEnum):
    """What the clocks of a zone do at a local time."""

    NONE = "none"
    SKIPPED = "skipped"  # they never show it
    TWICE = "twice"  # they show it, go back, and show it again


def instant(local: datetime, zone: tzinfo) -> datetime:
    """The first moment, in UTC, at which the clocks of `zone` show the naive `local` or later."""
    early, late = sorted(_readings(local, zone))
    if shown(early, zone) >= local:
        return early
    return _first(local, zone, before=early, after=late)


def change_at(local: datetime, zone: tzinfo) -> Change:
    """Whether that local time comes once, twice or never."""
    early, late = sorted(_readings(local, zone))
    if shown(late, zone) != local:
        return Change.SKIPPED
    return Change.TWICE if early < late and shown(early, zone) == local else Change.NONE


def shown(moment: datetime, zone: tzinfo) -> datetime:
    """What the zone's clocks show then, as a naive time."""
    return moment.astimezone(zone).replace(tzinfo=None)


def has_day(day: date, zone: tzinfo) -> bool:
    """Whether the zone has that day at all: Samoa had no 30 December 2011."""
    return shown(instant(datetime.combine(day, _MIDNIGHT), zone), zone).date() == day


def _readings(local: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The local time read by the offset before a change of clocks and by the one after it; mostly the same."""
    before, after = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return before, after


def _first(local: datetime, zone: tzinfo, *, before: datetime, after: datetime) -> datetime:
    """The moment at which the clocks jump over the local time, which lies in (before, after]."""
    low, high = 0, int((after - before) / _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if shown(before + middle * _SECOND, zone) >= local:
            high = middle
        else:
            low = middle
    return before + high * _SECOND
