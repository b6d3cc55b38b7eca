"""Embargoes: until when a story must not be out, and when an issue is taken to go out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo

from newsletter.editorial.story import Story
from newsletter.settings import NewsletterSettings


def embargo_end(story: Story, zone: tzinfo) -> datetime | None:
    """When a story may be out, in UTC; `zone` is the newsletter's. None where nothing holds it."""
    written = story.meta.embargo
    if written is None:
        return None
    if written.tzinfo is not None:
        return written.astimezone(UTC)
    # Of an hour that comes twice, or is skipped, the later reading: an embargo errs on the side of silence.
    return max(written.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def earliest(settings: NewsletterSettings, day: date) -> datetime:
    """When an issue of that day goes out at the earliest, as far as settings tell: its hour, else the day's beginning.

    In UTC. Never the clock: the same issue selects the same stories whenever it is built.
    """
    return its_hour(settings, day) or datetime.combine(day, time.min, tzinfo=settings.zone).astimezone(UTC)


def its_hour(settings: NewsletterSettings, day: date) -> datetime | None:
    """When an issue of that day goes out by the newsletter's rhythm, in UTC; None where that sets no beginning."""
    rhythm = settings.rhythm
    if rhythm is None or rhythm.done_by:
        return None
    zone = ZoneInfo(rhythm.zone) if rhythm.zone else settings.zone
    return datetime.combine(day, rhythm.at, tzinfo=zone).astimezone(UTC)
