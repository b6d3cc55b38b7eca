"""The law of the pace, on a clock that the test turns: over any ten seconds never more than the account's quota, and on
average nearly all of what is set, however many reserve and however they interleave.

The database's clock is turned too: SQLite lets a connection have another `julianday`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from newsletter.app import App
from newsletter.sending import pace
from newsletter.sending.answers import Patience
from newsletter.sending.tempo import Tempo
from newsletter.transports.mail import Quota

pytestmark = pytest.mark.sqlite

SCOPE = "ses:test"
MARGIN = 0.9
WINDOW = 10.0
_DAY, _JULIAN = 86_400.0, 2_440_587.5


@dataclass
class Time:
    """Steady, shared by the database and everybody, and moved by the test alone."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def turned(app: App) -> Iterator[tuple[Time, Connection]]:
    time = Time()
    with app.store.write() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.create_function("julianday", 1, lambda _now: time.now / _DAY + _JULIAN)
        try:
            yield time, connection
        finally:
            driver.create_function("julianday", 1, None)
        connection.rollback()


@dataclass
class Sender:
    """What a run does with its tempo: sleeps until it may, is late at times, and takes what is granted."""

    tempo: Tempo
    lateness: Iterator[float]
    callers: int = 8
    wakes: float = 0.0
    sent: list[tuple[float, int]] = field(default_factory=list)

    def act(self, connection: Connection, time: Time) -> None:
        wanted = self.tempo.window(self.callers) * self.tempo.call_size
        granted = self.tempo.grant(connection, min(wanted, self.tempo.most or wanted))
        if granted:
            self.sent.append((time.now, granted))
        self.wakes = time.now + self.tempo.wait() + next(self.lateness)


def play(time: Time, connection: Connection, senders: list[Sender], *, seconds: float) -> list[tuple[float, int]]:
    """All begin together, each acts when its time has come; what was handed over when."""
    for sender in senders:
        sender.tempo.start(connection, anew=True)
        sender.wakes = time.now
    return play_on(time, connection, senders, seconds=seconds)


def play_on(time: Time, connection: Connection, senders: list[Sender], *, seconds: float) -> list[tuple[float, int]]:
    end = time.now + seconds
    while (following := min(senders, key=lambda sender: sender.wakes)).wakes < end:
        time.now = max(time.now, following.wakes)
        following.act(connection, time)
    return sorted(one for sender in senders for one in sender.sent)


def worst_window(sent: list[tuple[float, int]]) -> int:
    """The most readers in any ten seconds, their first and last moment included."""
    moments, worst = [at for at, _ in sent], 0
    for index, (at, _) in enumerate(sent):
        worst = max(worst, sum(readers for _, readers in sent[index : bisect_right(moments, at + WINDOW)]))
    return worst


def mean(sent: list[tuple[float, int]]) -> float:
    """Readers a second, the last group not counted: its time comes after it."""
    return sum(readers for _, readers in sent[:-1]) / (sent[-1][0] - sent[0][0])


def tempo(time: Time, rate: float, batch: int, *, apart: bool) -> Tempo:
    return Tempo(SCOPE, Quota(rate, None), batch, Patience(), apart=apart, clock=time)


def cycle(values: list[float]) -> Iterator[float]:
    while True:
        yield from values


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    quota=st.sampled_from([1.0, 2.0, 14.0, 50.0, 200.0]),
    batch=st.sampled_from([1, 10, 50]),
    apart=st.booleans(),
    late=st.lists(st.lists(st.floats(0.0, 0.05), min_size=1, max_size=5), min_size=1, max_size=8),
)
def test_any_number_of_senders_together_keep_to_the_quota_and_use_the_rate(
    app: App, quota: float, batch: int, apart: bool, late: list[list[float]]
) -> None:
    rate = quota * MARGIN
    with turned(app) as (time, connection):
        senders = [Sender(tempo(time, rate, batch, apart=apart), cycle(each)) for each in late]
        sent = play(time, connection, senders, seconds=24)
    assert worst_window(sent) <= quota * WINDOW
    assert mean(sent) >= 0.97 * rate


@pytest.mark.parametrize("apart", [False, True])
def test_senders_that_were_all_frozen_for_a_while_make_no_burst_when_they_wake(app: App, apart: bool) -> None:
    quota = 100.0
    with turned(app) as (time, connection):
        senders = [Sender(tempo(time, quota * MARGIN, 50, apart=apart), cycle([0.0])) for _ in range(8)]
        before = play(time, connection, senders, seconds=15)
        for sender in senders:
            sender.wakes = max(sender.wakes, time.now + 3)
        sent = play_on(time, connection, senders, seconds=15)
    assert worst_window(sent) <= quota * WINDOW
    assert sum(readers for _, readers in sent[len(before) :]) >= quota * MARGIN * 10  # they did go on


def test_calls_that_wait_for_a_caller_are_no_burst_when_all_callers_come_free() -> None:
    slow = tempo(Time(), 12.6, 10, apart=True)
    assert (slow.call_size, slow.window(8)) == (6, 8)  # none waits
    quick = tempo(Time(), 10_000.0, 50, apart=True)
    assert (quick.call_size, quick.window(8)) == (50, 16)


# -- "too fast" -------------------------------------------------------------------------------------------------------


def test_one_burst_of_refusals_lowers_the_rate_once_however_many_hear_it(app: App) -> None:
    with turned(app) as (time, connection):
        tempos = [tempo(time, 100.0, 10, apart=False) for _ in range(4)]
        for each in tempos:
            each.start(connection, anew=True)
            each.grant(connection, 10)
            time.now += each.wait()
            each.grant(connection, 10)
        for _ in range(3):  # the burst's answers come in several groups
            for each in tempos:
                each.heard(throttled=True, taken=False, rate=100.0)
                each.write(connection)
                each.written()
        assert pace.rate_of(connection, SCOPE) == pytest.approx(70.0)
        for each in tempos:  # and of slots given at the lower rate too: that is news
            each.heard(throttled=True, taken=False, rate=70.0)
            each.write(connection)
        assert pace.rate_of(connection, SCOPE) == pytest.approx(49.0)


def test_the_rate_falls_by_three_tenths_and_never_to_nothing(app: App) -> None:
    with turned(app) as (_, connection):
        pace.open_pace(connection, SCOPE, 100.0)
        pace.slower(connection, SCOPE)
        assert pace.rate_of(connection, SCOPE) == pytest.approx(70.0)
        for _ in range(30):
            pace.slower(connection, SCOPE)
        assert pace.rate_of(connection, SCOPE) == 1.0
        pace.open_pace(connection, SCOPE, 0.2)  # what the provider itself allows may be less
        pace.slower(connection, SCOPE)
        assert pace.rate_of(connection, SCOPE) == 0.2


@pytest.mark.parametrize("senders", [1, 4])
def test_a_lowered_rate_rises_by_a_twentieth_a_minute_however_many_share_it(app: App, senders: int) -> None:
    with turned(app) as (time, connection):
        sharing = [Sender(tempo(time, 100.0, 50, apart=False), cycle([0.0])) for _ in range(senders)]
        play(time, connection, sharing, seconds=1)
        pace.slower(connection, SCOPE)
        for minute in range(1, 3):
            play_on(time, connection, sharing, seconds=60)
            assert pace.rate_of(connection, SCOPE) == pytest.approx(70.0 + 5.0 * minute, abs=1.5)
        pace.reserve(connection, SCOPE, 100_000, rise=pace.Rise(100.0, 60.0))
        assert pace.rate_of(connection, SCOPE) == 100.0
        pace.reserve(connection, SCOPE, 100_000, rise=pace.Rise(90.0, 60.0))  # one that knows less does not lower it
        assert pace.rate_of(connection, SCOPE) == 100.0
