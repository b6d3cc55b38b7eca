"""A newsletter's rhythm: "weekdays 06:30 America/New_York", without its holidays and the days it rests once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from newsletter.sending.instants import Change, change_at, has_day, instant, shown
from newsletter.settings import NewsletterSettings, RhythmSettings

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_FAR = 400  # days looked ahead: more than a year, so that every day of the year comes by


@dataclass(frozen=True)
class Occurrence:
    """One time it goes out: the local time that was set, the moment it means, and what the clocks do then."""

    local: datetime  # naive
    zone: str
    at: datetime  # UTC
    change: Change

    @property
    def day(self) -> date:
        return self.local.date()


def occurrence(local: datetime, zone: ZoneInfo) -> Occurrence:
    """A local time in a zone, as the moment it means."""
    return Occurrence(local, str(zone), instant(local, zone), change_at(local, zone))


@dataclass(frozen=True)
class Rhythm:
    """On which days, at which local time."""

    newsletter: str
    settings: RhythmSettings
    zone: ZoneInfo
    skips: Collection[date] = frozenset()

    def on(self, day: date) -> Occurrence:
        """Its time on that day, whether it goes out then or not."""
        return occurrence(datetime.combine(day, self.settings.at), self.zone)

    def rests(self, day: date) -> str | None:
        """Why nothing goes out that day; None when something does."""
        if DAYS[day.weekday()] not in self.settings.days:
            return f"{day:%A} is not one of its days"
        if day in self.skips:
            return "it is skipped"
        if self.settings.holidays and (holiday := self._holiday(day)):
            return f"it is a holiday in {self.settings.holidays} ({holiday})"
        return None if has_day(day, self.zone) else f"{self.zone} has no such day"

    def after(self, moment: datetime) -> Iterator[Occurrence]:
        """Its times from that moment on (not before it), in order, for as far as one can look ahead."""
        first = shown(moment, self.zone).date() - _DAY
        for number in range(_FAR):
            day = first + number * _DAY
            if self.rests(day) is None and (found := self.on(day)).at >= moment:
                yield found

    @property
    def in_words(self) -> str:
        """`weekdays 06:30 America/New_York, not on holidays in US`"""
        settings = self.settings
        known = {DAYS: "daily", DAYS[:5]: "weekdays", DAYS[5:]: "weekends"}
        chosen = tuple(day for day in DAYS if day in settings.days)
        days = known.get(chosen) or ", ".join(chosen)
        words = f"{days} {'done by ' if settings.done_by else ''}{settings.at:%H:%M} {self.zone}"
        return words + (f", not on holidays in {settings.holidays}" if settings.holidays else "")

    def _holiday(self, day: date) -> str | None:
        return _holidays(self.settings.holidays or "", day.year).get(day)


def rhythm_of(newsletter: str, settings: NewsletterSettings, skips: Collection[date] = ()) -> Rhythm | None:
    """The newsletter's rhythm, in its own zone or the newsletter's; None when it has none."""
    if settings.rhythm is None:
        return None
    zone = ZoneInfo(settings.rhythm.zone) if settings.rhythm.zone else settings.zone
    return Rhythm(newsletter, settings.rhythm, zone, frozenset(skips))


def clock_words(found: Occurrence) -> str:
    """What the clocks do then, for a person; nothing on an ordinary day."""
    zone = ZoneInfo(found.zone)
    if found.change is Change.SKIPPED:
        goes = shown(found.at, zone)
        day = f" on {goes:%Y-%m-%d}" if goes.date() != found.day else ""
        return f"clocks go forward over {found.local:%H:%M} that day: it goes out when they have, at {goes:%H:%M}{day}"
    if found.change is Change.TWICE:
        return f"clocks go back that day and show {found.local:%H:%M} twice: it goes out the first time"
    return ""


def clock_change_near(found: Occurrence) -> str:
    """Said where the zone's clocks change within a day of it: the hour in UTC moves, the local one does not."""
    zone = ZoneInfo(found.zone)
    before, after = (instant(found.local + days * _DAY, zone) for days in (-1, 1))
    offsets = {(moment.astimezone(zone)).utcoffset() for moment in (before, found.at, after)}
    return clock_words(found) or (
        f"clocks change around that day: it stays {found.local:%H:%M} there, {found.at.astimezone(UTC):%H:%M} UTC"
        if len(offsets) > 1
        else ""
    )


@lru_cache(maxsize=64)
def _holidays(where: str, year: int) -> dict[date, str]:
    """The public holidays there, by day; the settings were checked for a place the library knows."""
    from holidays import country_holidays  # takes a moment to load, and few need it

    country, _, part = where.partition("-")
    return dict(country_holidays(country, subdiv=part or None, years=year))
