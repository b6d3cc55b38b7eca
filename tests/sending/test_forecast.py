"""When a send must begin for its last reader to have it by an hour."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from sending_rig import MORNING, add_readers, withdraw

from newsletter.app import App
from newsletter.sending import pace
from newsletter.sending.forecast import Forecast, forecast
from newsletter.transports.mail import Quota

MINUTE = timedelta(minutes=1)


def test_a_forecast_in_words_and_when_it_begins() -> None:
    found = Forecast(41_200, 12.6)
    assert found.in_words == "41,200 readers at 12.6/s take 55 min; with 3 min in reserve"
    assert MORNING - found.begins(MORNING) == 58 * MINUTE


def test_a_long_one_is_told_in_hours() -> None:
    assert Forecast(500_000, 50).in_words == "500,000 readers at 50.0/s take 2 h 47 min; with 9 min in reserve"


def test_where_nothing_limits_the_rate_it_begins_a_minute_before() -> None:
    found = Forecast(41_200, None)
    assert MORNING - found.begins(MORNING) == MINUTE
    assert "says nothing of a rate" in found.in_words


@given(st.integers(0, 100_000_000), st.floats(0.1, 100_000))
def test_the_time_it_gets_is_never_less_than_it_takes_and_little_more(readers: int, rate: float) -> None:
    given_time = MORNING - Forecast(readers, rate).begins(MORNING)
    takes = timedelta(seconds=readers / rate)
    assert takes + MINUTE <= given_time <= takes * 1.05 + 3 * MINUTE


def test_a_quota_smaller_than_the_audience_is_said() -> None:
    assert Forecast(200, 14, left_today=200).warning is None
    warning = Forecast(201, 14, left_today=200).warning
    assert warning is not None
    assert "200 left now, fewer than the 201 readers" in warning


def test_it_goes_by_who_may_be_mailed_and_by_the_lower_rate_that_was_learnt(app: App) -> None:
    add_readers(app, 10)
    withdraw(app, [1, 2])
    quota = Quota(rate=14.0, left_today=None)
    _, settings = app.workspace.newsletter("daily")

    def now() -> Forecast:
        with app.store.read() as connection:
            return forecast(connection, "daily", settings, quota=quota, scope="memory", now=MORNING)

    assert now() == Forecast(8, 14.0, None)
    with app.store.write() as connection:
        pace.open_pace(connection, "memory", 14.0)
        pace.slower(connection, "memory")
    assert now().rate == 14.0 * pace.SLOWER
