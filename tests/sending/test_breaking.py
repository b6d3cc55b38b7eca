"""Breaking news goes before the other sends, and stays rare."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from scheduled import ISSUE, Newsroom, local
from sending_rig import STOP, Memory, add_readers
from sqlalchemy import Connection, update

from newsletter.app import App
from newsletter.errors import Refused
from newsletter.rendering.freeze import load_build
from newsletter.sending import sends
from newsletter.sending.accounts import account
from newsletter.sending.breaking import BREAKING, outranked_by
from newsletter.sending.course import course_of, follow
from newsletter.sending.send import send_issue
from newsletter.sending.sends import Send, State
from newsletter.settings import RhythmSettings
from newsletter.store.tables import deliveries

BREAKING_NEWS = {"at": "12:00", "breaking": True}


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    add_readers(app, 20)
    newsroom = Newsroom(app)
    newsroom.set(rhythm=RhythmSettings(at=time(6, 30), holidays="US"))
    newsroom.write()
    return newsroom


def test_breaking_news_is_begun_before_what_was_due_earlier(newsroom: Newsroom) -> None:
    newsroom.scheduled()
    newsroom.write("2024-10-10-breaking")
    last = newsroom.scheduled("2024-10-10-breaking", at="06:45", breaking=True)
    newsroom.at = last.due_at
    assert [found.schedule.issue for found in newsroom.ring()] == ["2024-10-10-breaking", ISSUE]
    assert newsroom.sends("2024-10-10-breaking")[0].priority == BREAKING


def test_other_sends_of_the_same_account_stand_aside_while_breaking_news_has_readers_waiting(
    newsroom: Newsroom,
) -> None:
    daily, breaking = breaking_beside_daily(newsroom)
    elsewhere = replace(daily, scope="another account")
    with newsroom.app.store.read() as connection:
        assert outranked_by(connection, daily, now=newsroom.at) == breaking.id
        assert outranked_by(connection, breaking, now=newsroom.at) is None
        assert outranked_by(connection, elsewhere, now=newsroom.at) is None
    assert newsroom.send("2024-10-10-breaking").report
    with newsroom.app.store.read() as connection:
        assert outranked_by(connection, daily, now=newsroom.at) is None


def breaking_beside_daily(newsroom: Newsroom) -> tuple[Send, Send]:
    """Both begun, nobody handed over."""
    newsroom.write("2024-10-10-breaking")
    newsroom.at = local("2024-10-10 06:30")
    daily = newsroom.send(ISSUE, detach=True).report
    breaking = newsroom.send("2024-10-10-breaking", detach=True, breaking=True).report
    assert daily is not None
    assert breaking is not None
    return daily.send, breaking.send


def test_a_send_at_work_waits_until_breaking_news_has_gone_and_then_goes_on(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    daily, breaking = breaking_beside_daily(newsroom)
    asked, app, beside = threading.Event(), newsroom.app, []

    def asks(connection: Connection, send: Send, *, now: datetime) -> str | None:
        found = outranked_by(connection, send, now=now)
        if send.id == daily.id:
            asked.set()
        return found

    def look() -> None:
        with app.store.read() as connection:
            beside.append(outranked_by(connection, daily, now=newsroom.at))

    monkeypatch.setattr("newsletter.sending.run.outranked_by", asks)
    slow = Memory(before_call=look)
    build = load_build(app.store, daily.build)
    work = threading.Thread(
        target=send_issue,
        args=(app.store, app.workspace, app.keys, slow, build),
        kwargs={"person": "ann", "now": newsroom.now},
    )
    work.start()
    assert asked.wait(60)
    assert newsroom.send("2024-10-10-breaking").report
    work.join()
    assert len(slow.taken) == 20
    assert not any(beside)
    assert f"Send {daily.id} stands aside until breaking send {breaking.id} has gone." in caplog.messages


def test_a_job_of_another_send_ends_so_that_its_worker_is_free_for_breaking_news(newsroom: Newsroom) -> None:
    daily, _ = breaking_beside_daily(newsroom)
    app = newsroom.app
    course = course_of(app.workspace, Memory(), load_build(app.store, daily.build))
    follow(app.store, app.keys, course, daily.id, now=newsroom.now, batches=(1, 9))
    with app.store.read() as connection:
        found = account(connection, daily.id)
        assert (found.pending, sends.get(connection, daily.id).state) == (20, State.SENDING)
    assert newsroom.send("2024-10-10-breaking").report
    follow(app.store, app.keys, course, daily.id, now=newsroom.now, batches=(1, 9))
    with app.store.read() as connection:
        assert account(connection, daily.id).accepted == 20


def test_breaking_news_that_nobody_is_sending_keeps_nobody_waiting(newsroom: Newsroom) -> None:
    newsroom.write("2024-10-10-breaking")
    newsroom.at = local("2024-10-10 06:30")
    daily = newsroom.send(ISSUE, detach=True).report
    newsroom.transport.answer = lambda _: STOP
    newsroom.send("2024-10-10-breaking", breaking=True)
    assert daily is not None
    with newsroom.app.store.read() as connection:
        assert outranked_by(connection, daily.send, now=newsroom.at) is None


def test_breaking_news_of_a_killed_or_frozen_process_keeps_nobody_waiting_for_long(newsroom: Newsroom) -> None:
    daily, breaking = breaking_beside_daily(newsroom)
    newsroom.at += timedelta(minutes=5)
    with newsroom.app.store.write() as connection:
        values = {"state": "in_flight", "owner": "0123456789abcdef", "handed_over_at": newsroom.at}
        connection.execute(update(deliveries).where(deliveries.c.send_id == breaking.id).values(values))
        some = deliveries.c.subscriber_id > 5
        connection.execute(update(deliveries).where(some).values(state="pending", handed_over_at=None))
        assert outranked_by(connection, daily, now=newsroom.at + timedelta(seconds=9)) == breaking.id
        assert outranked_by(connection, daily, now=newsroom.at + timedelta(seconds=11)) is None


def test_sends_begun_the_day_before_count_on_the_day_they_are_made_breaking_news(newsroom: Newsroom) -> None:
    newsroom.set(breaking_per_day=1)
    for issue in ("2024-10-10-a", "2024-10-10-b"):
        newsroom.write(issue)
        assert newsroom.send(issue, detach=True, waive=("DATE=early",)).report
    newsroom.at = local("2024-10-10 06:30")
    assert newsroom.send("2024-10-10-a", detach=True, breaking=True).report
    with pytest.raises(Refused, match="1 breaking sends of 2024-10-10"):
        newsroom.send("2024-10-10-b", detach=True, breaking=True)


def test_detached_breaking_news_that_no_clock_goes_on_with_soon_keeps_nobody_waiting(newsroom: Newsroom) -> None:
    daily, breaking = breaking_beside_daily(newsroom)
    with newsroom.app.store.read() as connection:
        assert outranked_by(connection, daily, now=newsroom.at + timedelta(seconds=9)) == breaking.id
        assert outranked_by(connection, daily, now=newsroom.at + timedelta(seconds=11)) is None


def test_a_send_under_way_can_be_made_breaking_news_and_counts_as_one(newsroom: Newsroom) -> None:
    newsroom.set(breaking_per_day=1)
    newsroom.at = local("2024-10-10 06:30")
    begun = newsroom.send(ISSUE, detach=True).report
    assert begun is not None
    assert begun.send.priority == 0
    raised = newsroom.send(ISSUE, detach=True, breaking=True).report
    assert raised is not None
    assert (raised.send.id, raised.send.priority) == (begun.send.id, BREAKING)
    newsroom.write("2024-10-10-breaking")
    other = newsroom.send("2024-10-10-breaking", detach=True).report
    assert other is not None
    with pytest.raises(Refused, match="1 breaking sends of 2024-10-10"):
        newsroom.send("2024-10-10-breaking", detach=True, breaking=True)
    assert newsroom.sends("2024-10-10-breaking")[0].priority == 0


def test_what_means_nothing_to_a_send_under_way_is_said(newsroom: Newsroom) -> None:
    newsroom.at = local("2024-10-10 06:30")
    assert newsroom.send(ISSUE, detach=True).report
    done = newsroom.send(ISSUE, rest=True, waive=("DATE=late",)).report
    assert done is not None
    assert "--waive changed nothing" in " ".join(done.warnings)
    assert f"newsletter send {ISSUE} --rest" in " ".join(done.warnings)


def test_a_newsletter_has_so_many_breaking_sends_a_day(newsroom: Newsroom) -> None:
    newsroom.set(breaking_per_day=2)
    newsroom.at = local("2024-10-10 06:30")
    for name in "abc":
        newsroom.write(f"2024-10-10-{name}")
    assert newsroom.send("2024-10-10-a", breaking=True).report
    newsroom.scheduled("2024-10-10-b", **BREAKING_NEWS)
    newsroom.scheduled("2024-10-10-b", **BREAKING_NEWS)  # the same again
    with pytest.raises(Refused, match="2 breaking sends of 2024-10-10"):
        newsroom.plan("2024-10-10-c", **BREAKING_NEWS)
    with pytest.raises(Refused, match="2 breaking sends of 2024-10-10"):
        newsroom.send("2024-10-10-c", breaking=True)
    assert newsroom.send("2024-10-10-c").report
    newsroom.write("2024-10-11")
    assert newsroom.scheduled("2024-10-11", **BREAKING_NEWS).priority == BREAKING
