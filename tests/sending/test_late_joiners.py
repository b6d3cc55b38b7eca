"""A new reader gets today's issue from the send it went out with: once, and the account still adds up."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sending_rig import (
    ISSUE,
    LOST,
    MORNING,
    RETRY,
    Memory,
    account_of,
    add_readers,
    crash,
    make_build,
    reread,
    run,
    start,
    states,
    withdraw,
)
from service_rig import ask_for, go
from sqlalchemy import update

from newsletter.app import App, make_workspace, open_app
from newsletter.audience.mail_owed import MailKind
from newsletter.sending import control
from newsletter.sending.interrupts import Stop
from newsletter.sending.late import LATE, continue_late, join_latest
from newsletter.sending.sends import Send, State
from newsletter.store.tables import sends
from newsletter.transports.mail import Answer, Recipient

READERS = 4


@pytest.fixture
def newsroom(make_workspace: Callable[..., Path]) -> Iterator[App]:
    app = open_app(make_workspace("welcome_issue = true\n"), now=lambda: MORNING)
    add_readers(app, READERS)
    yield app
    app.store.close()


def sent(app: App, transport: Memory) -> Send:
    return run(app, start(app, transport), transport)


def join(app: App, reader: int, transport: Memory) -> str | None:
    known = app.settings.newsletters
    with app.store.write() as connection:
        return join_latest(connection, "daily", reader, newsletters=known, transport=transport, now=app.now())


def go_on(app: App, transport: Memory) -> list[str]:
    return continue_late(app.store, app.workspace, app.keys, transport, app.now)


def test_with_her_welcome_a_new_reader_joins_todays_send_and_gets_its_frozen_build(newsroom: App) -> None:
    transport = Memory()
    send = sent(newsroom, transport)
    [late] = add_readers(newsroom, 1, first=READERS + 1)
    ask_for(newsroom, MailKind.WELCOME, late)
    go(newsroom, transport)
    joined = reread(newsroom, send)
    assert (joined.state, joined.reason) == (State.SENDING, LATE)
    assert account_of(newsroom, send).audience == READERS + 1
    mails = len(transport.mails)
    assert go_on(newsroom, transport) == [send.id]
    assert transport.mails[mails].html == make_build(ISSUE).html
    assert transport.mailed[late] == 1
    assert reread(newsroom, send).state is State.DONE
    assert go_on(newsroom, transport) == []
    assert account_of(newsroom, send).accepted == READERS + 1


def test_only_where_the_newsletter_says_so(newsroom: App) -> None:
    quiet = newsroom.settings.newsletters["daily"].model_copy(update={"welcome_issue": False})
    found = newsroom.settings.model_copy(update={"newsletters": {"daily": quiet}})
    app = dataclasses.replace(newsroom, workspace=dataclasses.replace(newsroom.workspace, settings=found))
    transport = Memory()
    send = sent(app, transport)
    [late] = add_readers(app, 1, first=READERS + 1)
    ask_for(app, MailKind.WELCOME, late)
    go(app, transport)
    assert late not in states(app, send)


def test_who_is_in_the_ledger_of_the_issue_joins_no_second_time(newsroom: App) -> None:
    transport = Memory()
    sent(newsroom, transport)
    [late] = add_readers(newsroom, 1, first=READERS + 1)
    assert join(newsroom, 1, transport) is None
    assert join(newsroom, late, transport)
    assert join(newsroom, late, transport) is None


def test_yesterdays_issue_is_not_given_to_todays_reader(newsroom: App) -> None:
    transport = Memory()
    sent(newsroom, transport)
    [late] = add_readers(newsroom, 1, first=READERS + 1)
    in_new_york_it_is_still_the_tenth = dataclasses.replace(newsroom, now=lambda: MORNING + timedelta(hours=17))
    tomorrow = dataclasses.replace(newsroom, now=lambda: MORNING + timedelta(hours=18))
    assert join(tomorrow, late, transport) is None
    assert join(in_new_york_it_is_still_the_tenth, late, transport)


def test_before_the_first_issue_there_is_nothing_to_join(newsroom: App) -> None:
    assert join(newsroom, 1, Memory()) is None


@pytest.mark.parametrize("state", ["paused", "held", "cancelled"])
def test_a_send_that_somebody_stopped_is_not_joined(newsroom: App, state: str) -> None:
    transport = Memory()
    send = sent(newsroom, transport)
    with newsroom.store.write() as connection:
        connection.execute(update(sends).where(sends.c.id == send.id).values(state=state))
    [late] = add_readers(newsroom, 1, first=READERS + 1)
    assert join(newsroom, late, transport) is None


def test_a_send_through_another_transport_or_to_a_segment_is_not_joined(newsroom: App) -> None:
    transport = Memory()
    send = sent(newsroom, transport)
    [late] = add_readers(newsroom, 1, first=READERS + 1)
    assert join(newsroom, late, Memory(name="outbox")) is None
    with newsroom.store.write() as connection:
        connection.execute(update(sends).where(sends.c.id == send.id).values(segment="press"))
    assert join(newsroom, late, transport) is None


def test_a_send_under_way_takes_her_along_and_one_that_crashed_is_left_for_a_person(newsroom: App) -> None:
    transport = Memory()
    send = sent(newsroom, transport)
    more = add_readers(newsroom, 3, first=READERS + 1)
    rest = [join(newsroom, reader, transport) for reader in more[:1]]
    assert rest == [send.id]
    with newsroom.store.write() as connection:  # as it stands in the middle of its first run
        connection.execute(update(sends).where(sends.c.id == send.id).values(settled_at=None, state_reason=None))
        connection.exec_driver_sql(f"UPDATE deliveries SET state = 'pending' WHERE subscriber_id = {1}")
    assert join(newsroom, more[1], transport) == send.id
    assert go_on(newsroom, transport) == []
    run(newsroom, send, transport)
    assert {transport.mailed[reader] for reader in more[:2]} == {1}


def test_who_joins_in_the_last_moment_of_a_run_is_not_forgotten(newsroom: App) -> None:
    """The run has looked for the last time; its send stays `sending`, with her alone to do."""
    transport = Memory()
    send = sent(newsroom, transport)
    [late] = add_readers(newsroom, 1, first=READERS + 1)
    with newsroom.store.write() as connection:
        values = {"settled_at": None, "state_reason": None, "state": "sending"}
        connection.execute(update(sends).where(sends.c.id == send.id).values(values))
    assert join(newsroom, late, transport) == send.id
    assert go_on(newsroom, transport) == [send.id]
    assert reread(newsroom, send).state is State.DONE


def test_who_leaves_again_before_it_goes_out_is_left_out(newsroom: App) -> None:
    transport = Memory()
    send = sent(newsroom, transport)
    [late] = add_readers(newsroom, 1, first=READERS + 1)
    join(newsroom, late, transport)
    withdraw(newsroom, [late])
    go_on(newsroom, transport)
    assert account_of(newsroom, send).excluded_by == {"unsubscribed": 1}
    assert reread(newsroom, send).state is State.DONE


def test_a_clock_told_to_stop_finishes_what_is_in_flight_and_leaves_the_rest_for_the_next(
    newsroom: App,
) -> None:
    transport = Memory(batch_size=1, connections=1)
    send = sent(newsroom, transport)
    late = add_readers(newsroom, 6, first=READERS + 1)
    for reader in late:
        join(newsroom, reader, transport)
    stop, calls = Stop(), len(transport.calls)
    transport.before_call = stop.set
    continue_late(newsroom.store, newsroom.workspace, newsroom.keys, transport, newsroom.now, stop=stop)
    assert 1 <= len(transport.calls) - calls < len(late)
    assert (reread(newsroom, send).state, account_of(newsroom, send).in_flight) == (State.SENDING, 0)
    transport.before_call = lambda: None
    assert go_on(newsroom, transport) == [send.id]
    assert {transport.mailed[reader] for reader in late} == {1}


ACTIONS = st.one_of(
    st.tuples(st.just("join"), st.integers(READERS + 1, READERS + 4)),
    st.tuples(st.just("go on"), st.sampled_from(["accept", "lost", "retry"])),
    st.tuples(st.just("be killed"), st.booleans()),
    st.tuples(st.just("resend the rest"), st.just(0)),
)


@pytest.mark.sqlite
@settings(max_examples=10, derandomize=True)
@given(st.lists(ACTIONS, max_size=12))
def test_however_it_goes_nobody_gets_the_issue_twice_and_nobody_is_lost(actions: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = make_workspace(Path(folder) / "newsroom", now=lambda: MORNING)
        script: list[Answer] = []
        transport = Memory(lambda _r: script.pop() if script else ACCEPTED, batch_size=3, connections=2)
        add_readers(app, READERS)
        send = sent(app, transport)
        late = add_readers(app, 4, first=READERS + 1)
        asked = set()
        for action, value in actions:
            if action == "join":
                asked |= {value} if join(app, value, transport) else set()
            elif action == "go on":
                script[:] = {"accept": [], "lost": [LOST], "retry": [RETRY, RETRY]}[str(value)]
                go_on(app, transport)
            elif action == "be killed" and reread(app, send).state is State.SENDING:
                pending = [reader for reader, state in states(app, send).items() if state == "pending"]
                crash(app, send, pending[:1])
                if value:
                    transport.taken += [Recipient("", {}, f"{send.id}-{reader}-1") for reader in pending[:1]]
            else:
                control.take_stock(app.store, app.workspace.locks, send.id, now=MORNING)
        script.clear()
        go_on(app, transport)
        found = account_of(app, send)
        assert max(transport.mailed.values()) == 1
        assert found.audience == READERS + len(asked) == found.accepted + found.uncertain
        assert set(transport.mailed) <= set(states(app, send)) <= {*range(1, READERS + 1), *late}
        app.store.close()


ACCEPTED = Memory().answer(Recipient("", {}, "x-1-1"))
