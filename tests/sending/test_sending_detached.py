"""Sends nobody stays with: begun, parked, prepared piece by piece, and gone on with whatever is killed or goes away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sending_rig import (
    ACCEPT,
    IMPATIENT,
    MORNING,
    QUOTA_SPENT,
    RETRY,
    Memory,
    account_of,
    add_readers,
    frozen,
    make_build,
    reader_of,
    reread,
    run,
    start,
    states,
    withdraw,
)
from sqlalchemy import Connection, func, select, text
from test_sending_commands import typed

from newsletter.app import App, open_app
from newsletter.errors import Refused, StoreError
from newsletter.sending import send as verb
from newsletter.sending.control import pause
from newsletter.sending.detached import Detached
from newsletter.sending.interrupts import Stop
from newsletter.sending.parking import resume_due
from newsletter.sending.send import begin
from newsletter.sending.sends import State
from newsletter.sending.slices import cut
from newsletter.store.tables import deliveries, sends
from newsletter.transports.mail import Answer, Recipient
from newsletter.transports.outbox import OutboxTransport

PATIENCE = 120  # seconds until a test gives up on another process


def detached(app: App, transport: Any, *, now: datetime = MORNING) -> Detached:
    return Detached(app.store, app.workspace, app.keys, transport, lambda: now, Stop(), patience=IMPATIENT)


# -- begun and left ---------------------------------------------------------------------------------------------------


def test_a_detached_send_is_prepared_and_nobody_is_handed_over_yet(app: App) -> None:
    add_readers(app, 30)
    transport = Memory()
    build = frozen(app, make_build())
    report = begin(app.store, app.workspace, transport, build, person="ann", now=app.now)
    assert (report.send.state, report.send.detached) == (State.SENDING, True)
    assert (report.account.pending, transport.taken) == (30, [])
    again = begin(app.store, app.workspace, transport, build, person="ann", now=app.now)
    assert again.send.id == report.send.id


@pytest.mark.sqlite
def test_whoever_looks_goes_on_with_every_detached_send_and_leaves_the_others(app: App) -> None:
    add_readers(app, 30)
    transport = Memory()
    begun = begin(app.store, app.workspace, transport, frozen(app, make_build()), person="ann", now=app.now).send
    other = start(app, transport, issue="2024-10-11")
    looking = detached(app, transport)
    assert looking.look() is None
    looking.wait()
    assert reread(app, begun).state is State.DONE
    assert transport.mailed == Counter(range(1, 31))
    assert states(app, other)[1] == "pending"


@pytest.mark.sqlite
def test_a_killed_clock_loses_nobody_and_the_next_one_goes_on(make_workspace: Callable[..., Path]) -> None:
    readers, root = 1_500, make_workspace()
    app = open_app(root)
    add_readers(app, readers)
    transport = OutboxTransport(app.workspace.outbox)
    send = begin(app.store, app.workspace, transport, frozen(app, make_build()), person="ann", now=app.now).send
    folder = app.workspace.outbox / send.id
    command = [sys.executable, "-m", "newsletter", "-w", str(root), "clock"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as clock:
        until(lambda: folder.exists() and len(list(folder.glob("*.eml"))) > 100)
        clock.kill()
    assert reread(app, send).state is State.SENDING
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as clock:
        until(lambda: reread(app, send).state is State.DONE)
        clock.send_signal(signal.SIGTERM)
    assert account_of(app, send).accepted == readers
    assert {file.stem.split("-")[1] for file in folder.glob("*.eml")} == {str(i) for i in range(1, readers + 1)}
    assert len(list(folder.glob("*.eml"))) == readers
    app.store.close()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.sqlite
def test_with_sqlite_a_worker_says_who_does_the_work(app: App) -> None:
    done = typed(app, "worker")
    assert "`newsletter run`" in str(done.exception or done.output)


# -- parked -----------------------------------------------------------------------------------------------------------


def test_a_spent_quota_parks_the_send_for_an_hour_and_then_it_goes_on(app: App) -> None:
    add_readers(app, 30)
    transport = Memory(lambda r: QUOTA_SPENT if reader_of(r) > 10 else ACCEPT)
    parked = run(app, start(app, transport), transport)
    hour = MORNING + timedelta(hours=1)
    assert (parked.state, parked.parked_until) == (State.HELD, hour)
    assert "held until 10 October 11:30 UTC" in typed(app, "sends", "show", parked.id).output
    assert resume_due(app.store, transport, hour - timedelta(seconds=1)) == []
    assert [send.id for send in resume_due(app.store, transport, hour)] == [parked.id]
    transport.answer = lambda _: ACCEPT
    assert follow(app, parked.id, transport).state is State.DONE
    assert transport.mailed == Counter(range(1, 31))


def test_a_parked_send_is_not_woken_by_a_clock_with_another_way_out_which_says_so(app: App) -> None:
    add_readers(app, 3)
    transport = Memory(lambda r: QUOTA_SPENT)
    parked = run(app, start(app, transport), transport)
    assert parked.parked_until is not None
    looking = detached(app, app.transport(), now=parked.parked_until)
    assert f'Send {parked.id} of issue {parked.issue} began with [transport] kind = "memory"' in (looking.look() or "")
    assert reread(app, parked) == parked
    shown = typed(app, "sends", "show", parked.id).output
    assert "Set it back" in shown
    assert "by itself" not in shown


def test_a_detached_send_of_another_way_is_named_by_the_clock_that_leaves_it(app: App) -> None:
    add_readers(app, 3)
    build = frozen(app, make_build())
    send = begin(app.store, app.workspace, Memory(), build, person="ann", now=app.now).send
    assert f"newsletter sends cancel {send.id}" in (detached(app, app.transport()).look() or "")
    assert detached(app, Memory()).look() is None


def test_a_parked_or_held_send_can_be_paused_and_wakes_no_more(app: App) -> None:
    add_readers(app, 3)
    transport = Memory(lambda r: QUOTA_SPENT)
    parked = run(app, start(app, transport), transport)
    paused = pause(app.store, parked.id, person="ben")
    assert (paused.state, paused.resume_at) == (State.PAUSED, None)
    assert paused.reason == f"paused by ben; it was held: {parked.reason}"
    assert resume_due(app.store, transport, MORNING + timedelta(days=2)) == []


def test_a_send_that_is_being_prepared_cannot_be_paused_and_the_way_out_is_named(app: App) -> None:
    add_readers(app, 3)
    send = start(app, Memory())
    with app.store.write() as connection:
        connection.execute(sends.update().values(state=State.PREPARING))
    with pytest.raises(Refused, match=f"being prepared.*newsletter sends cancel {send.id}"):
        pause(app.store, send.id, person="ben")


def test_a_provider_that_is_away_is_tried_again_after_growing_waits_by_one_reader_at_a_time(app: App) -> None:
    add_readers(app, 400)
    transport = Memory(lambda r: RETRY, batch_size=10, connections=1)
    send, now, waits = start(app, transport), MORNING, []
    for _ in range(7):
        asked = len(transport.calls)
        parked = follow(app, send.id, transport, now=now)
        assert parked.parked_until is not None
        waits.append((parked.parked_until - now) / timedelta(minutes=1))
        if len(waits) > 1:
            assert [len(call) for call in transport.calls[asked:]] == [1]
        now = parked.parked_until
        resume_due(app.store, transport, now)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1, 15)
    transport.answer = lambda _: ACCEPT
    assert follow(app, send.id, transport, now=now).state is State.DONE
    assert transport.mailed == Counter(range(1, 401))


def follow(app: App, send_id: str, transport: Memory, *, now: datetime = MORNING) -> Any:
    """Dispatch from where the send stands, without a person who resumes it."""
    from newsletter.sending.course import course_of
    from newsletter.sending.course import follow as follow_course

    course = course_of(app.workspace, transport, make_build())
    follow_course(app.store, app.keys, course, send_id, now=lambda: now, patience=IMPATIENT, stop=Stop())
    with app.store.read() as connection:
        from newsletter.sending.sends import get

        return get(connection, send_id)


# -- prepared piece by piece ------------------------------------------------------------------------------------------


def test_preparing_that_was_killed_half_way_is_gone_on_with_and_nobody_was_handed_over_before(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_readers(app, 95)
    withdraw(app, range(1, 96, 7))
    transport, pieces = Memory(batch_size=10), iter(range(4))
    whole = verb.prepare

    def broken(connection: Connection, *args: Any, **named: Any) -> int:
        if next(pieces, None) is None:
            raise KeyboardInterrupt
        return whole(connection, *args, **named)

    monkeypatch.setattr(verb, "PIECE", 20)
    monkeypatch.setattr(verb, "prepare", broken)
    build = frozen(app, make_build())
    with pytest.raises(KeyboardInterrupt):
        begin(app.store, app.workspace, transport, build, person="ann", now=app.now)
    with app.store.read() as connection:
        assert connection.scalar(select(sends.c.state)) == "preparing"
        assert connection.scalar(select(func.count()).select_from(deliveries)) == 80
    monkeypatch.setattr(verb, "prepare", whole)
    send = begin(app.store, app.workspace, transport, build, person="ann", now=app.now).send
    assert transport.taken == []
    found = account_of(app, send)
    assert (found.audience, found.pending, found.excluded_by) == (95, 81, {"unsubscribed": 14})
    with app.store.read() as connection:
        sizes = select(func.count()).where(deliveries.c.state == "pending").group_by(deliveries.c.batch)
        assert max(connection.scalars(sizes)) <= transport.batch_size
    assert run(app, send, transport).state is State.DONE
    assert len(transport.mailed) == 81


# -- the database goes away -------------------------------------------------------------------------------------------


@pytest.mark.postgresql
def test_connections_lost_in_mid_send_lose_no_answer_and_double_nobody(app: App) -> None:
    add_readers(app, 600)
    transport = Memory(batch_size=5)
    chances = iter([40, 200, 400])
    next_cut = [next(chances)]

    def cut_now_and_then(_recipient: Recipient) -> Answer:
        if len(transport.taken) >= next_cut[0]:
            next_cut[0] = next(chances, 10_000)
            with app.store.engine.connect() as connection:
                others = "pid <> pg_backend_pid() AND datname = current_database()"
                connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
        return ACCEPT

    transport.answer = cut_now_and_then
    send = run(app, start(app, transport), transport)
    assert send.state is State.DONE
    assert transport.mailed == Counter(range(1, 601))
    assert account_of(app, send).accepted == 600


@pytest.mark.sqlite
def test_a_full_disk_is_said_at_once_and_waited_for_and_no_answer_is_lost(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    add_readers(app, 400)
    transport = Memory(batch_size=5)
    send = start(app, transport)
    with full_after(app, transport, 50) as empty:
        threading.Timer(0.5, empty).start()
        assert run(app, send, transport).state is State.DONE
    said = [record.getMessage() for record in caplog.records if "waits for it" in record.getMessage()]
    assert len(said) == 1
    assert "disk is full" in said[0]
    assert transport.mailed == Counter(range(1, 401))
    assert account_of(app, send).accepted == 400


@pytest.mark.sqlite
def test_a_disk_that_stays_full_ends_the_send_in_one_line_and_nobody_is_doubled_later(app: App) -> None:
    add_readers(app, 400)
    transport = Memory(batch_size=5)
    send = start(app, transport)
    with full_after(app, transport, 50):
        with pytest.raises(StoreError, match="disk is full"):
            run(app, send, transport, patience=replace(IMPATIENT, store_seconds=0.2))
    assert run(app, send, transport).state is State.DONE
    found = account_of(app, send)
    assert max(transport.mailed.values()) == 1
    assert (found.audience, found.pending, found.in_flight) == (400, 0, 0)
    assert set(range(1, 401)) - set(transport.mailed) <= {r for r, s in states(app, send).items() if s == "uncertain"}


def full_after(app: App, transport: Memory, number: int) -> Any:
    """A disk that is full once so many were taken, until the function that this gives is called."""
    from contextlib import contextmanager

    from sqlalchemy import event

    @contextmanager
    def filling() -> Iterator[Callable[[], None]]:
        emptied = threading.Event()

        def commit(_connection: Any) -> None:
            if len(transport.taken) >= number and not emptied.is_set():
                raise full()

        event.listen(app.store.engine, "commit", commit)
        try:
            yield emptied.set
        finally:
            event.remove(app.store.engine, "commit", commit)

    return filling()


def full() -> Exception:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    return OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))


# -- slices -----------------------------------------------------------------------------------------------------------


def test_slices_hold_about_a_thousand_readers_and_leave_out_what_has_a_job() -> None:
    batches = [(number, 50) for number in range(1, 61)]
    assert list(cut(batches, [])) == [(1, 20), (21, 40), (41, 60)]
    assert list(cut(batches, [(21, 40)])) == [(1, 20), (41, 60)]
    assert list(cut(batches, [(5, 6)])) == [(1, 4), (7, 26), (27, 46), (47, 60)]
    assert list(cut([], [])) == []


def test_a_choice_about_readers_in_doubt_is_kept(app: App) -> None:
    add_readers(app, 3)
    transport = Memory(lambda r: replace(RETRY, verdict="unknown"), name="ses")
    send = run(app, start(app, transport), transport)
    shown = typed(app, "sends", "resolve", send.id, "--json")
    assert (shown.exit_code, json.loads(shown.stdout)["uncertain"]) == (1, 3)
    assert typed(app, "sends", "resolve", send.id, "--leave", "--as", "ben").exit_code == 0
    with app.store.read() as connection:
        row = connection.exec_driver_sql("SELECT choice, readers, person FROM resolutions").one()
    assert tuple(row) == ("leave", 3, "ben")
