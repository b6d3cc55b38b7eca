"""Sends, preparing, pace and owners: the pieces the ledger stands on."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from sending_rig import (
    ACCEPT,
    ISSUE,
    LOST,
    MORNING,
    REFUSE,
    Memory,
    account_of,
    add_readers,
    crash,
    entry,
    frozen,
    make_build,
    reader_of,
    reread,
    run,
    start,
    states,
    withdraw,
)
from sqlalchemy import select, update

from newsletter.app import App
from newsletter.config import open_workspace
from newsletter.errors import NotFound, Refused, StoreError
from newsletter.sending import leases, pace, sends
from newsletter.sending.accounts import Account, in_doubt, report, turned_down
from newsletter.sending.control import cancel, pause, resolve_uncertain, resume, take_stock
from newsletter.sending.owners import gone, owner, recover
from newsletter.sending.sends import MOVES, NewSend, State
from newsletter.store.tables import consent, deliveries, subscriptions
from newsletter.store.tables import sends as every_send


def test_preparing_gives_every_subscription_one_row_with_a_batch_or_a_reason(app: App) -> None:
    add_readers(app, 26)
    withdraw(app, [2, 3])
    with app.store.write() as connection:
        connection.execute(consent.insert(), [entry(4, "expired")])
        connection.exec_driver_sql(
            "INSERT INTO suppressions (address_hash, scope, reason, source, at)"
            f" VALUES ('h1:{5:064x}', '*', 'complaint', 'test', '2024-01-01 00:00:00')"
        )
    send = start(app, Memory(batch_size=10))
    found = account_of(app, send)
    assert (found.audience, found.pending) == (26, 22)
    assert found.excluded_by == {"expired": 1, "suppressed-complaint": 1, "unsubscribed": 2}
    with app.store.read() as connection:
        query = select(deliveries.c.subscriber_id, deliveries.c.batch).order_by(deliveries.c.subscriber_id)
        batches = {row.subscriber_id: row.batch for row in connection.execute(query)}
    assert [batches[i] for i in (2, 3, 4, 5)] == [0, 0, 0, 0]
    mailable = [batch for reader, batch in batches.items() if batch]
    assert mailable == [1] * 10 + [2] * 10 + [3] * 2


def test_other_newsletters_readers_are_not_in_the_audience(app: App) -> None:
    add_readers(app, 5)
    add_readers(app, 5, first=100, newsletter="weekly")
    assert account_of(app, start(app, Memory())).audience == 5


def test_a_send_of_the_rest_leaves_out_who_has_or_may_have_the_issue(app: App) -> None:
    """Invariant 2: accepted, uncertain and in flight count as had; refused, cancelled and new readers do not."""
    add_readers(app, 40)
    answers = {1: REFUSE, 2: LOST}
    transport = Memory(lambda r: answers.get(reader_of(r), ACCEPT), batch_size=5, connections=1)
    send = start(app, transport)

    def cancel_once() -> None:
        transport.before_call = lambda: None
        cancel(app.store, send.id, person="ben", now=MORNING)

    transport.before_call = cancel_once
    with owner(app.store, app.workspace.locks) as living:
        crash(app, send, [40], owner=living.name)
        run(app, send, transport)
        first = states(app, send)
        had = {reader for reader, state in first.items() if state in {"accepted", "uncertain", "in_flight"}}
        add_readers(app, 3, first=90)
        rest = start(app, Memory(), build=make_build(word="Mended"))
        second = states(app, rest)
    assert (first[1], first[2], first[40]) == ("refused", "uncertain", "in_flight")
    assert {reader for reader, state in second.items() if state == "excluded"} == had
    assert account_of(app, rest).excluded_by == {"already-had": len(had)}
    assert {second[reader] for reader in (1, 39, 90, 91, 92)} == {"pending"}


def test_an_issue_has_at_most_one_unfinished_send(app: App) -> None:
    add_readers(app, 3)
    first = start(app, Memory())
    with pytest.raises(Refused, match=first.id):
        start(app, Memory())
    cancel(app.store, first.id, person="ben", now=MORNING)
    assert start(app, Memory()).id != first.id


def test_people_who_press_at_once_get_one_send(app: App) -> None:
    build = frozen(app, make_build())
    wanted = NewSend("daily", ISSUE, build.hash, "memory", "ann", date_waived=False)
    made: list[str] = []
    barrier = threading.Barrier(4)

    def press() -> None:
        barrier.wait()
        try:
            with app.store.write() as connection:
                made.append(sends.create(connection, wanted, MORNING).id)
        except Refused:
            pass

    people = [threading.Thread(target=press) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert len(made) == 1


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_a_send_makes_only_the_moves_of_the_table(app: App, before: State, after: State) -> None:
    build = frozen(app, make_build())
    with app.store.write() as connection:
        send = sends.create(
            connection, NewSend("daily", ISSUE, build.hash, "memory", "ann", date_waived=False), MORNING
        )
        connection.execute(update(every_send).values(state=before))
        send = sends.get(connection, send.id)
        if after in MOVES[before] or after is before:
            assert sends.move(connection, send, after, reason="why").state is after
        else:
            with pytest.raises(Refused, match=f"is {before}"):
                sends.move(connection, send, after)


def test_an_unknown_send_is_not_found(app: App) -> None:
    with app.store.read() as connection, pytest.raises(NotFound, match="sends list"):
        report(connection, "nosuchid")


def test_an_account_that_does_not_add_up_cannot_be_made() -> None:
    """Invariant 3."""
    assert Account(3, accepted=2, refused=1).settled == 3
    with pytest.raises(StoreError, match="does not add up"):
        Account(4, accepted=2, refused=1)
    with pytest.raises(StoreError, match="does not add up"):
        Account(1, excluded=1)


def test_the_report_has_the_promised_keys(app: App) -> None:
    add_readers(app, 3)
    withdraw(app, [1])
    send = start(app, Memory())
    with app.store.read() as connection:
        found = report(connection, send.id)
    assert found["send"] == send.id
    assert (found["build"], found["state"]) == (send.build, "sending")
    assert found["account"] == {
        "audience": 3,
        "excluded": 1,
        "pending": 2,
        "in_flight": 0,
        "uncertain": 0,
        "accepted": 0,
        "refused": 0,
    }
    assert found["excluded_by"] == {"unsubscribed": 1}


def test_who_is_in_doubt_is_named_and_a_person_may_send_again_with_a_new_tag(app: App) -> None:
    add_readers(app, 10)
    transport = Memory(lambda r: LOST if reader_of(r) in {3, 4} else ACCEPT)
    send = run(app, start(app, transport), transport)
    with app.store.read() as connection:
        found = in_doubt(connection, send.id)
    assert [row.address for row in found] == ["reader3@example.com", "reader4@example.com"]
    assert resolve_uncertain(app.store, send.id, "leave", person="ben", now=MORNING) == 2
    assert account_of(app, send).uncertain == 2
    transport.answer = lambda _: ACCEPT
    assert resolve_uncertain(app.store, send.id, "resend", person="ben", now=MORNING) == 2
    assert reread(app, send).state is State.SENDING
    assert run(app, send, transport).state is State.DONE
    assert {r.tag for r in transport.taken if reader_of(r) == 3} == {f"{send.id}-3-1", f"{send.id}-3-2"}


def test_after_a_kill_who_is_in_doubt_is_named_before_anything_is_sent_again(app: App) -> None:
    add_readers(app, 4)
    send = start(app, Memory())
    crash(app, send, [1, 2])
    take_stock(app.store, app.workspace.locks, send.id, now=MORNING)
    assert (account_of(app, send).uncertain, account_of(app, send).pending) == (2, 2)
    assert reread(app, send).state is State.SENDING
    crash(app, send, [3, 4])
    assert take_stock(app.store, app.workspace.locks, send.id, now=MORNING).state is State.DONE
    with app.store.read() as connection:
        assert [row.subscriber_id for row in in_doubt(connection, send.id)] == [1, 2, 3, 4]


def test_taking_stock_leaves_what_a_living_process_has_in_flight(app: App) -> None:
    add_readers(app, 2)
    send = start(app, Memory())
    with owner(app.store, app.workspace.locks) as living:
        crash(app, send, [1, 2], owner=living.name)
        take_stock(app.store, app.workspace.locks, send.id, now=MORNING)
        assert account_of(app, send).in_flight == 2


@pytest.mark.sqlite
def test_a_second_workspace_on_the_same_database_file_sees_who_lives(
    app: App, make_workspace: Callable[..., Path]
) -> None:
    add_readers(app, 2)
    send = start(app, Memory())
    beside = make_workspace(f'[store]\nurl = "{app.workspace.store_url}"\n', name="beside")
    with owner(app.store, app.workspace.locks) as living:
        crash(app, send, [1, 2], owner=living.name)
        take_stock(app.store, open_workspace(beside).locks, send.id, now=MORNING)
        assert account_of(app, send).in_flight == 2


def test_who_was_refused_is_named_with_what_the_provider_said(app: App) -> None:
    add_readers(app, 3)
    transport = Memory(lambda r: REFUSE if reader_of(r) == 2 else ACCEPT)
    send = run(app, start(app, transport), transport)
    with app.store.read() as connection:
        found = [(row.address, row.reason) for row in turned_down(connection, send.id)]
    assert found == [("reader2@example.com", REFUSE.reason)]


def test_pausing_and_resuming_say_who_and_refuse_what_is_over(app: App) -> None:
    add_readers(app, 3)
    transport = Memory()
    send = start(app, transport)
    assert pause(app.store, send.id, person="ben").reason == "paused by ben"
    assert resume(app.store, send.id).issue == ISSUE
    run(app, send, transport)
    with pytest.raises(Refused, match="is done"):
        pause(app.store, send.id, person="ben")
    with pytest.raises(Refused, match="is done"):
        resume(app.store, send.id)
    with pytest.raises(Refused, match="is done"):
        cancel(app.store, send.id, person="ben", now=MORNING)


# -- pace -------------------------------------------------------------------------------------------------------------


def test_slots_given_to_many_threads_never_overlap_and_keep_the_rate(app: App) -> None:
    """Computed from the slots: each begins no earlier than the one before ends, which lasts n / rate."""
    with app.store.write() as connection:
        pace.open_pace(connection, "ses:test", 50.0)
    slots: list[pace.Slot] = []

    def take() -> None:
        for _ in range(10):
            with app.store.write() as connection:
                slots.append(pace.reserve(connection, "ses:test", 25))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(slots, key=lambda slot: slot.at)
    assert len(ordered) == 40
    assert all(slot.until - slot.at == pytest.approx(0.5, abs=1e-5) for slot in ordered)
    assert all(later.at >= earlier.until - 1e-5 for earlier, later in pairwise(ordered))
    assert ordered[-1].until - ordered[0].at >= 40 * 25 / 50.0 - 1e-3


def test_a_free_pace_makes_nobody_wait_and_a_busy_one_does(app: App) -> None:
    with app.store.write() as connection:
        pace.open_pace(connection, "ses:test", 1.0)
        first, second = pace.reserve(connection, "ses:test", 30), pace.reserve(connection, "ses:test", 1)
    assert first.wait == 0
    assert 29 < second.wait <= 30
    with app.store.write() as connection:
        pace.open_pace(connection, "ses:test", 5.0)
        assert pace.reserve(connection, "ses:test", 1).at >= second.until


# -- owners -----------------------------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from newsletter.sending.owners import owner
from newsletter.store.engine import Store
with owner(Store(sys.argv[1]), Path(sys.argv[2]), seconds=float(sys.argv[3])) as ours:
    print(ours.name, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.sqlite
def test_an_owner_lives_as_long_as_its_process_and_a_kill_ends_it(app: App, tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    with holding(app, locks) as (process, name):
        assert gone(app.store, locks, [name]) == []
        process.kill()
        process.wait()
        assert gone(app.store, locks, [name]) == [name]
    assert list(locks.glob("*.lock")) == []
    assert gone(app.store, locks, [name]) == [name]


@pytest.mark.postgresql
def test_on_postgresql_an_owner_lives_until_its_lease_runs_out(app: App, tmp_path: Path) -> None:
    with holding(app, tmp_path, seconds=0.6) as (process, name):
        for _ in range(3):  # longer than the lease: it is renewed
            time.sleep(0.3)
            assert gone(app.store, tmp_path, [name]) == []
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 60
        while not gone(app.store, tmp_path, [name]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()


@pytest.mark.postgresql
def test_a_kill_on_this_machine_is_seen_before_the_lease_runs_out(app: App, tmp_path: Path) -> None:
    with holding(app, tmp_path) as (process, name):
        assert gone(app.store, tmp_path, [name]) == []
        process.kill()
        process.wait()
        assert gone(app.store, tmp_path, [name]) == [name]


@pytest.mark.postgresql
def test_who_could_not_renew_in_time_stops_believing_in_its_lease_before_others_do(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    with owner(app.store, app.workspace.locks) as ours:
        assert ours.holds()
        late = leases.steady() + leases.LEASE_SECONDS * 0.95
        monkeypatch.setattr(leases, "steady", lambda: late)
        assert not ours.holds()
        assert gone(app.store, app.workspace.locks, [ours.name]) == []


@contextmanager
def holding(app: App, locks: Path, *, seconds: float = 60) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that is an owner."""
    url = app.store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", HOLD, url, str(locks), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process, process.stdout.readline().strip()


def test_recovering_touches_only_the_batches_of_the_dead(app: App) -> None:
    add_readers(app, 20)
    send = start(app, Memory())
    with owner(app.store, app.workspace.locks) as living:
        crash(app, send, range(1, 6), owner=living.name)
        crash(app, send, range(6, 11), owner="f" * 16)
        assert recover(app.store, app.workspace.locks, send.id, idempotent=False) == 5
        found = states(app, send)
    assert {reader for reader, state in found.items() if state == "in_flight"} == set(range(1, 6))
    assert {reader for reader, state in found.items() if state == "uncertain"} == set(range(6, 11))
    assert reread(app, send).first_handover_at == MORNING


def test_a_reader_without_a_subscription_any_more_is_not_mailed(app: App) -> None:
    add_readers(app, 4)
    transport = Memory()
    send = start(app, transport)
    with app.store.write() as connection:
        connection.execute(subscriptions.delete().where(subscriptions.c.subscriber_id == 2))
    run(app, send, transport)
    assert account_of(app, send).excluded_by == {"not-subscribed": 1}
    assert 2 not in transport.mailed
