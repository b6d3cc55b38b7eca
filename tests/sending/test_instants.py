"""Invariant 8: a local time and its zone mean one moment a day, whatever the clocks do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from newsletter.sending.instants import Change, change_at, has_day, instant, shown
from newsletter.sending.rhythm import Rhythm, clock_change_near
from newsletter.settings import RhythmSettings

ZONES = sorted(available_timezones() - {"localtime"})
NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_FIRST, _LAST = datetime(2010, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
_STEP = 5 * DAY  # no zone's clocks have gone there and back within so few days


def clock(shows: str) -> datetime:
    """What clocks show, in no zone."""
    return datetime.fromisoformat(shows)


@cache
def transitions(name: str) -> tuple[datetime, ...]:
    """The moments at which a zone's clocks change, to the second."""
    return tuple(_transitions(ZoneInfo(name)))


def _transitions(zone: ZoneInfo) -> Iterator[datetime]:
    at, offset = _FIRST, _FIRST.astimezone(zone).utcoffset()
    while at < _LAST:
        if (then := (at + _STEP).astimezone(zone).utcoffset()) != offset:
            low, high = 0, int(_STEP.total_seconds())
            while high - low > 1:
                middle = (low + high) // 2
                same = (at + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset
                low, high = (middle, high) if same else (low, middle)
            yield at + timedelta(seconds=high)
        at, offset = at + _STEP, then


@pytest.mark.parametrize("hour", [time(6, 30), time(2, 30), time(0, 0), time(23, 59)])
def test_every_day_of_every_zone_has_one_moment_at_the_time_that_was_set(hour: time) -> None:
    """For every zone and each change of its clocks through 2035: one a day, in order, at the time set or right after
    the gap it fell into; of a time shown twice the first."""
    changes = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        for moment in transitions(name):
            changes += 1
            middle = moment.astimezone(zone).date()
            days = [day for n in range(-3, 4) if has_day(day := middle + n * DAY, zone)]
            found = [instant(datetime.combine(day, hour), zone) for day in days]
            for day, at in zip(days, found, strict=True):
                local = datetime.combine(day, hour)
                if shown(at, zone) == local:
                    assert local.replace(tzinfo=zone, fold=0).astimezone(UTC) == at, (name, day)
                else:
                    assert at == moment, (name, day)
                    assert shown(at, zone) > local > shown(at - timedelta(seconds=1), zone), (name, day)
            assert all(one < next_ for one, next_ in pairwise(found)), (name, moment)
            assert len({shown(at, zone).date() for at in found}) == len(days) or hour > time(22), (name, moment)
    assert changes > 5_000


@given(st.sampled_from(ZONES), st.datetimes(clock("1975-01-01"), clock("2036-01-01")), st.timedeltas(-DAY, DAY))
def test_a_later_local_time_never_means_an_earlier_moment(name: str, local: datetime, apart: timedelta) -> None:
    zone, local, other = ZoneInfo(name), local.replace(microsecond=0), (local + apart).replace(microsecond=0)
    assert (instant(local, zone) <= instant(other, zone)) or local > other
    assert shown(instant(local, zone), zone) >= local


def test_what_clocks_skip_and_what_they_show_twice() -> None:
    """The two nights of New York: forward over 02:30 to 03:00, back from 02:00 to 01:00."""
    assert change_at(clock("2024-03-10 02:30"), NEW_YORK) is Change.SKIPPED
    assert instant(clock("2024-03-10 02:30"), NEW_YORK) == datetime(2024, 3, 10, 7, 0, tzinfo=UTC)
    assert change_at(clock("2024-11-03 01:30"), NEW_YORK) is Change.TWICE
    assert instant(clock("2024-11-03 01:30"), NEW_YORK) == datetime(2024, 11, 3, 5, 30, tzinfo=UTC)
    assert change_at(clock("2024-11-03 06:30"), NEW_YORK) is Change.NONE


def rhythm(zone: ZoneInfo = NEW_YORK, *, skips: frozenset[date] = frozenset(), **settings: object) -> Rhythm:
    return Rhythm("daily", RhythmSettings.model_validate({"at": time(6, 30), **settings}), zone, skips)


ALL_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@given(st.sampled_from(ZONES), st.datetimes(clock("2010-01-01"), clock("2034-01-01")), st.times())
def test_a_daily_rhythm_goes_out_once_on_each_day_and_never_twice(name: str, start: datetime, hour: time) -> None:
    zone = ZoneInfo(name)
    daily = rhythm(zone, days=ALL_DAYS, at=hour.replace(second=0, microsecond=0))
    moment = start.replace(tzinfo=UTC)
    found = [occurrence for occurrence, _ in zip(daily.after(moment), range(40), strict=False)]
    assert all(one.at < next_.at for one, next_ in pairwise(found))
    assert found[0].at >= moment
    days = [found[0].day + n * DAY for n in range(60)]
    assert [occurrence.day for occurrence in found] == [day for day in days if has_day(day, zone)][:40]


def test_it_rests_on_weekends_holidays_and_days_that_are_skipped() -> None:
    weekdays = rhythm(holidays="US", skips=frozenset({date(2024, 11, 29)}))
    found = weekdays.after(datetime(2024, 11, 27, 11, 30, tzinfo=UTC))
    assert [next(found).day for _ in range(3)] == [date(2024, 11, 27), date(2024, 12, 2), date(2024, 12, 3)]
    assert weekdays.rests(date(2024, 11, 28)) == "it is a holiday in US (Thanksgiving Day)"
    assert weekdays.rests(date(2024, 11, 29)) == "it is skipped"
    assert weekdays.rests(date(2024, 11, 30)) == "Saturday is not one of its days"


def test_holidays_of_a_place_nobody_knows_are_an_error_with_a_remedy() -> None:
    with pytest.raises(ValidationError, match=r"`XX`.*DE-BY"):
        rhythm(holidays="XX")
    assert rhythm(BERLIN, holidays="DE-BY").rests(date(2024, 5, 30))
    assert rhythm(BERLIN, holidays="DE-BE").rests(date(2024, 5, 30)) is None


def test_a_rhythm_that_is_skipped_for_good_has_no_next_time() -> None:
    assert list(rhythm(skips=frozenset(_FIRST.date() + n * DAY for n in range(500))).after(_FIRST)) == []


def test_a_rhythm_has_at_least_one_day() -> None:
    with pytest.raises(ValidationError, match="days"):
        rhythm(days=())


def test_what_happens_to_it_on_the_night_is_said() -> None:
    night = rhythm(at=time(2, 30), days=ALL_DAYS)
    assert "at 03:00" in clock_change_near(night.on(date(2024, 3, 10)))
    assert "the first time" in clock_change_near(rhythm(at=time(1, 30)).on(date(2024, 11, 3)))
    assert "it stays 06:30 there, 10:30 UTC" in clock_change_near(rhythm().on(date(2024, 3, 10)))
    assert clock_change_near(rhythm().on(date(2024, 10, 10))) == ""


def test_a_rhythm_in_words() -> None:
    found = rhythm(at=time(7), done_by=True, holidays="US")
    assert found.in_words == "weekdays done by 07:00 America/New_York, not on holidays in US"
