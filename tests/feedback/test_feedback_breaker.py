"""The breaker: what comes back badly is held at once, and goes on only after a person has looked."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from feedback_rig import NOW, add_send, hear, said, state_of
from sqlalchemy import delete, select, update

from newsletter.app import App
from newsletter.errors import InputError, Refused
from newsletter.feedback.breaker import warnings_of
from newsletter.feedback.figures import Figures, count, kept
from newsletter.sending.sends import State, get, move
from newsletter.sending.stops import all_stops, lift_stop, open_stop, refuse_if_stopped
from newsletter.settings import BreakerSettings, Settings
from newsletter.store.tables import feed_positions, sends

SEND, NEXT = "abcdefgh", "bcdefghi"


def strict(app: App, *, after: int = 10, hard_bounces: float = 0.2, complaints: float = 0.1) -> Settings:
    breaker = BreakerSettings(after=after, hard_bounces=hard_bounces, complaints=complaints)
    daily = app.settings.newsletters["daily"].model_copy(update={"breaker": breaker})
    return app.settings.model_copy(update={"newsletters": {"daily": daily}})


def each(kind: str, readers: range, send: str = SEND) -> list[str]:
    return [said(kind, send, reader) for reader in readers]


@pytest.fixture
def going(app: App) -> App:
    """A send to forty readers, under way."""
    add_send(app, SEND, readers=40)
    return app


def test_a_send_with_too_many_hard_bounces_is_held_in_the_transaction_that_says_so(going: App) -> None:
    rules = strict(going)
    assert hear(going, *each("Delivery", range(1, 9)), *each("Bounce", range(9, 11)), settings=rules).held == 0
    assert state_of(going, SEND) == ("sending", None)  # exactly a fifth
    assert hear(going, said("Bounce", SEND, 11), settings=rules).held == 1
    state, reason = state_of(going, SEND)
    assert state == "held"
    assert reason == "3 hard bounces among 11 outcomes heard of (27.27%; the breaker's limit is 20.00%)"


def test_complaints_have_a_limit_of_their_own(going: App) -> None:
    done = hear(going, *each("Delivery", range(1, 12)), *each("Complaint", range(10, 12)), settings=strict(going))
    assert done.held == 1
    assert "2 complaints among 11" in str(state_of(going, SEND)[1])


def test_it_does_not_judge_before_enough_was_heard_nor_by_what_is_no_ones_fault(going: App) -> None:
    rules = strict(going)
    assert hear(going, *each("Bounce", range(1, 10)), settings=rules).held == 0  # nine of nine
    with going.store.write() as connection:
        connection.execute(delete(feed_positions))
    add_send(going, NEXT, readers=40)
    quiet = [
        *each("Full", range(1, 11), NEXT),
        *each("Listed", range(11, 31), NEXT),
        *each("NotSpam", range(1, 20), NEXT),
    ]
    assert hear(going, *quiet, settings=rules).held == 0
    assert state_of(going, NEXT) == ("sending", None)


def test_the_figures_at_hand_are_those_of_the_ledger_however_the_events_came(going: App) -> None:
    kinds = ["Delivery", "Full", "Bounce", "Listed", "Complaint", "Send", "NotSpam", "Unclear"]
    for turn in range(4):
        hear(going, *(said(kinds[(reader + turn) % 8], SEND, reader) for reader in range(1, 41)))
        with going.store.read() as connection:
            found = count(connection, SEND)
            assert kept(connection, [SEND])[SEND].figures == found
    assert found.hard_bounces > 0
    assert found.complaints > 0
    with going.store.write() as connection:
        connection.execute(delete(feed_positions))  # lost: counted anew
    hear(going, said("Complaint", SEND, 8))
    with going.store.read() as connection:
        assert kept(connection, [SEND])[SEND].figures == count(connection, SEND)


def test_half_of_what_is_allowed_is_said_once_and_shown(going: App, caplog: pytest.LogCaptureFixture) -> None:
    rules = strict(going)
    with caplog.at_level(logging.WARNING):
        hear(going, *each("Delivery", range(1, 12)), *each("Bounce", range(12, 14)), settings=rules)
        hear(going, *each("Delivery", range(14, 16)), settings=rules)
    [line] = [line for line in caplog.messages if "more than half" in line]
    assert "2 hard bounces among 13 outcomes heard of (15.38%; the breaker's limit is 20.00%)" in line
    with going.store.read() as connection:
        [warning] = warnings_of(connection, SEND, rules)
    assert warning.startswith("More than half of what the breaker allows: 2 hard bounces among 15")


def test_a_person_who_goes_on_gets_as_many_outcomes_again_before_the_next_judgement(going: App) -> None:
    rules = strict(going)
    hear(going, *each("Bounce", range(1, 11)), settings=rules)
    lift_stop(going.store, "daily", person="ann", why="a list was mended", now=NOW + timedelta(minutes=1))
    with going.store.write() as connection:
        move(connection, get(connection, SEND), State.SENDING)
    assert hear(going, *each("Bounce", range(11, 20)), settings=rules).held == 0
    assert hear(going, said("Bounce", SEND, 20), settings=rules).held == 1


def test_a_newsletter_is_stopped_by_its_sends_of_a_week_together_until_a_person_lifts_it(app: App) -> None:
    rules = strict(app)
    for number, send in enumerate(("aaaaaaaa", "cccccccc", "dddddddd")):
        add_send(app, send, readers=6, state="done", at=NOW - timedelta(days=number))
    add_send(app, "eeeeeeee", readers=6, state="done", at=NOW - timedelta(days=8))
    add_send(app, NEXT, state="sending")
    for send in ("aaaaaaaa", "eeeeeeee"):
        hear(app, *each("Bounce", range(1, 7), send), settings=rules)
    with app.store.read() as connection:
        refuse_if_stopped(connection, "daily")  # six outcomes in these days: too few to judge
    hear(app, *each("Bounce", range(1, 5), "cccccccc"), settings=rules)
    with app.store.read() as connection:
        with pytest.raises(Refused, match=r"daily is stopped since .*10 hard bounces among 10.*newsletter stops lift"):
            refuse_if_stopped(connection, "daily")
        refuse_if_stopped(connection, "weekly")
    assert state_of(app, NEXT)[0] == "held"  # what is under way stops with it
    with pytest.raises(InputError, match="must say in plain words"):
        lift_stop(app.store, "daily", person="ann", why="  ", now=NOW)
    assert lift_stop(app.store, "daily", person="ann", why="an old list", now=NOW + timedelta(hours=1))
    assert not lift_stop(app.store, "daily", person="ann", why="an old list", now=NOW + timedelta(hours=1))
    hear(app, *each("Bounce", range(1, 7), "dddddddd"), settings=rules, now=NOW + timedelta(hours=2))
    with app.store.read() as connection:
        refuse_if_stopped(connection, "daily")  # who lifted it has seen what began before
        [only] = all_stops(connection)
    assert (only.lifted_by, only.why) == ("ann", "an old list")


def test_a_parked_send_is_held_for_a_person_too(going: App) -> None:
    with going.store.write() as connection:
        move(connection, get(connection, SEND), State.HELD, reason="quota", resume_at=NOW + timedelta(hours=1))
    assert hear(going, *each("Bounce", range(1, 12)), settings=strict(going)).held == 1
    with going.store.read() as connection:
        assert connection.scalar(select(sends.c.resume_at)) is None


def test_a_finished_send_is_not_moved_but_its_newsletter_is_stopped(going: App) -> None:
    with going.store.write() as connection:
        connection.execute(update(sends).values(state="done"))
    assert hear(going, *each("Bounce", range(1, 12)), settings=strict(going)).held == 0
    assert state_of(going, SEND)[0] == "done"
    with going.store.read() as connection:
        assert open_stop(connection, "daily") is not None


def test_a_mail_amazon_refuses_for_its_content_holds_the_send_at_once(going: App) -> None:
    assert hear(going, said("Reject", SEND, 1)).held == 1
    assert "refused the mail for its content" in str(state_of(going, SEND)[1])


def test_the_same_events_again_count_nothing(going: App) -> None:
    page = [*each("Delivery", range(1, 9)), *each("Bounce", range(9, 11))]
    for _ in range(3):
        assert hear(going, *page, *page, settings=strict(going)).held == 0
    with going.store.read() as connection:
        assert kept(connection, [SEND])[SEND].figures == Figures(10, 2, 0)


def test_what_receivers_blame_on_the_issue_is_shown_to_editors(going: App) -> None:
    hear(going, *each("TooLarge", range(1, 4)), said("Full", SEND, 5))
    with going.store.read() as connection:
        assert warnings_of(connection, SEND, going.settings) == [
            "3 receivers refused it for what it holds or its size (Transient/MessageTooLarge): the issue is at fault."
        ]
