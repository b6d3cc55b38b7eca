"""EMBARGO: nothing goes out before it may.

The hour at which an issue goes out is known when it is sent or scheduled. Before that its newsletter's rhythm tells,
and where there is none only its day: what ends in the course of that day is a warning until the hour is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from newsletter.editorial.embargo import embargo_end
from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding


def embargo(examined: Examined) -> Iterator[Finding]:
    """EMBARGO: no story goes out before its embargo ends, and no follow-up quotes it."""
    zone, leaves = examined.context.zone, examined.context.leaves
    for story in examined.resolved.stories if examined.resolved else ():
        end = embargo_end(story, zone)
        if end is None or end <= (leaves or examined.context.now):
            continue
        place = story.front.place(["embargo"])
        until = f"“{shortened(story.meta.title)}” is under embargo until {end.astimezone(zone):%Y-%m-%d %H:%M %Z}"
        if leaves is None and end <= _day_ends(examined):
            yield warning("EMBARGO", place, f"{until}: the issue cannot go out before.", "Schedule it for after that.")
        else:
            said = f"; the issue goes out at {leaves.astimezone(zone):%Y-%m-%d %H:%M %Z}" if leaves else ""
            yield error("EMBARGO", place, f"{until}{said}.", "Send it later, or take the story out.")


def _day_ends(examined: Examined) -> datetime:
    """The last moment at which the issue still goes out on its own day, or now when that is past."""
    following = examined.build.date + timedelta(days=1)
    midnight = datetime.combine(following, time.min, tzinfo=examined.context.zone).astimezone(UTC)
    return max(midnight - timedelta(microseconds=1), examined.context.now)
