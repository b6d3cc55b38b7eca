"""Several workers on one send, real processes on PostgreSQL: killed, frozen, paused, and still each reader once.

What really happened is read from the simulator's own record.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sending_rig import add_readers, frozen, make_build
from sqlalchemy import select
from test_sending_kill import ask, received, the_send, through

from newsletter.app import open_app, system_clock
from newsletter.feedback.feed import pull
from newsletter.sending import control
from newsletter.sending.accounts import account, in_doubt
from newsletter.sending.send import begin, send_issue
from newsletter.sending.sends import State
from newsletter.simulator.server import Running, start
from newsletter.store.clock import epoch_seconds
from newsletter.store.tables import deliveries, owners, pace

pytestmark = [pytest.mark.postgresql, pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")]

CHILD = Path(__file__).with_name("worker_child.py")
PATIENCE = 180  # seconds until a test gives up on other processes
LEASE = 2.0


class Newsroom:
    """A workspace whose sends go to a simulator, and its workers."""

    def __init__(self, root: Path, simulator: Running) -> None:
        self.root, self.simulator = root, simulator
        self.app = open_app(root)
        self.processes: list[subprocess.Popen[bytes]] = []

    def worker(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, str(CHILD), str(self.root), str(LEASE)])
        self.processes.append(process)
        return process

    def begin(self, readers: int) -> None:
        """Everything is in the ledger, nobody handed over."""
        add_readers(self.app, readers)
        build = frozen(self.app, make_build())
        begin(self.app.store, self.app.workspace, self.app.transport(), build, person="ann", now=self.app.now)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, the_send(self.app)
            time.sleep(0.02)

    def until_accepted(self, number: int) -> None:
        self.until(lambda: ask(self.simulator, "health")["accepted"] >= number)

    def until_busy(self, process: subprocess.Popen[bytes]) -> None:
        """Until readers are in flight there, whatever the others do."""
        theirs = deliveries.join(owners, owners.c.name == deliveries.c.owner)
        query = select(deliveries.c.subscriber_id).select_from(theirs).where(owners.c.process == process.pid)

        def busy() -> bool:
            with self.app.store.read() as connection:
                return connection.scalar(query.where(deliveries.c.state == "in_flight").limit(1)) is not None

        self.until(busy)

    def until_in(self, state: State) -> None:
        self.until(lambda: the_send(self.app).state is state)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.app.store.close()


@pytest.fixture
def newsroom(
    make_workspace: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Newsroom]]:
    made: list[Newsroom] = []

    @contextmanager
    def simulators() -> Iterator[Callable[[float], Running]]:
        begun: list[Running] = []

        def begin_one(rate: float) -> Running:
            begun.append(start(tmp_path / "simulator", rate=rate, keep_messages=False))
            return begun[-1]

        try:
            yield begin_one
        finally:
            for simulator in begun:
                simulator.stop()

    with simulators() as begin_simulator:

        def make(rate: float = 1_000.0, mode: str = "bulk") -> Newsroom:
            simulator = begin_simulator(rate)
            through(simulator, mode, monkeypatch)
            made.append(Newsroom(make_workspace(), simulator))
            return made[-1]

        try:
            yield make
        finally:
            for room in made:
                room.end()


def adds_up(room: Newsroom, readers: int) -> Counter[int]:
    """Nobody twice, nobody missing, who may be missing in doubt, and the account says so; who got it."""
    got, send = received(room.simulator), the_send(room.app)
    with room.app.store.read() as connection:
        found = account(connection, send.id)
        doubtful = {row.subscriber_id for row in in_doubt(connection, send.id)}
    assert max(got.values()) == 1
    assert found.audience == readers == found.accepted + found.uncertain
    assert set(range(1, readers + 1)) - set(got) <= doubtful
    return got


@pytest.mark.parametrize("workers", [2, 4])
def test_several_workers_mail_everybody_once_and_never_faster_than_the_account_may(
    workers: int, newsroom: Callable[..., Newsroom]
) -> None:
    readers, rate = 2_000, 1_000.0
    room = newsroom(rate)
    with room.app.store.read() as connection:
        begun: float = connection.execute(select(epoch_seconds())).scalar_one()
    room.begin(readers)
    for _ in range(workers):
        room.worker()
    room.until_in(State.DONE)
    assert adds_up(room, readers) == Counter(range(1, readers + 1))
    with room.app.store.read() as connection:
        row = connection.execute(select(pace)).one()
    assert row.rate <= rate
    # Had two workers ever been given the same stretch of time, the last slot would end earlier than this.
    assert row.next_slot >= begun + readers / rate


def test_a_killed_workers_readers_are_found_and_nobody_is_mailed_twice(newsroom: Callable[..., Newsroom]) -> None:
    readers, room = 2_000, newsroom(500.0)
    room.begin(readers)
    victim = room.worker()
    room.until_accepted(300)
    room.until_busy(victim)
    victim.kill()
    room.worker()
    room.until_in(State.DONE)
    adds_up(room, readers)
    pull(room.app.store, room.app.settings, room.app.keys, now=system_clock)
    got = adds_up(room, readers)
    with room.app.store.read() as connection:
        assert not {row.subscriber_id for row in in_doubt(connection, the_send(room.app).id)} & set(got)


def test_a_worker_that_was_frozen_past_its_lease_hands_over_nobody_whom_others_took_for_lost(
    newsroom: Callable[..., Newsroom],
) -> None:
    readers, room = 2_000, newsroom(500.0)
    room.begin(readers)
    sleeper = room.worker()
    room.until_accepted(300)
    room.until_busy(sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    room.worker()
    room.until_in(State.DONE)
    sleeper.send_signal(signal.SIGCONT)
    sleeper.send_signal(signal.SIGTERM)
    assert sleeper.wait(PATIENCE) == 0
    room.until_in(State.DONE)  # whom it had not begun with is pending again, and sent by the others
    adds_up(room, readers)


def test_a_pause_stops_every_worker_and_a_cancel_leaves_the_rest_out(newsroom: Callable[..., Newsroom]) -> None:
    readers, room = 2_000, newsroom()
    room.begin(readers)
    workers = [room.worker(), room.worker()]
    room.until_accepted(200)
    send = control.pause(room.app.store, the_send(room.app).id, person="ben")
    room.until(lambda: standing(room)[1] == 0)
    paused = received(room.simulator)
    assert sum(paused.values()) == standing(room)[0] < readers
    control.resume(room.app.store, send.id)
    room.until_accepted(sum(paused.values()) + 200)
    control.cancel(room.app.store, send.id, person="ben", now=system_clock())
    room.until(lambda: standing(room)[1] == 0)
    with room.app.store.read() as connection:
        found = account(connection, send.id)
    assert found.excluded_by == {"cancelled": readers - found.accepted}
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(PATIENCE) for worker in workers] == [0, 0]
    got = received(room.simulator)
    assert max(got.values()) == 1
    assert sum(got.values()) == found.accepted < readers


def test_somebody_who_stays_sends_beside_the_workers(newsroom: Callable[..., Newsroom]) -> None:
    readers, room = 2_000, newsroom(20_000.0)
    app = room.app
    room.worker()
    add_readers(app, readers)
    send_issue(
        app.store, app.workspace, app.keys, app.transport(), frozen(app, make_build()), person="ann", now=app.now
    )
    room.until_in(State.DONE)
    assert adds_up(room, readers) == Counter(range(1, readers + 1))


def test_a_worker_that_is_told_to_stop_finishes_what_is_in_flight_and_the_next_goes_on(
    newsroom: Callable[..., Newsroom],
) -> None:
    readers, room = 1_500, newsroom()
    room.begin(readers)
    first = room.worker()
    room.until_accepted(200)
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0
    assert standing(room)[1] == 0
    assert the_send(room.app).state is State.SENDING
    room.worker()
    room.until_in(State.DONE)
    assert adds_up(room, readers) == Counter(range(1, readers + 1))


def standing(room: Newsroom) -> tuple[int, int]:
    """How many were accepted, and how many are in flight."""
    with room.app.store.read() as connection:
        found = account(connection, the_send(room.app).id)
    return found.accepted, found.in_flight
