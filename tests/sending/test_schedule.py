"""Scheduling: a build goes out at its hour, once, whoever looks at the clock; or it is held and says why."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from scheduled import ISSUE, Newsroom, local
from sending_rig import ACCEPT, STOP, add_readers, always_accept, frozen, make_build

from newsletter.app import App
from newsletter.errors import InputError, Refused
from newsletter.sending import sends
from newsletter.sending.approvals import approved_by
from newsletter.sending.planning import coming
from newsletter.sending.schedule import NewSchedule, Standing, cancel, due, get, open_schedules, put, skip
from newsletter.sending.sends import NewSend, State
from newsletter.sending.signing import stale_schedule
from newsletter.sending.stops import stop
from newsletter.settings import RhythmSettings
from newsletter.transports.mail import Quota

MINUTE = timedelta(minutes=1)


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    add_readers(app, 20)
    newsroom = Newsroom(app)
    newsroom.set(rhythm=RhythmSettings(at=time(6, 30), holidays="US"))
    newsroom.write()
    return newsroom


# -- when --------------------------------------------------------------------------------------------------------------


def test_without_an_hour_the_rhythm_gives_it_on_the_issues_date(newsroom: Newsroom) -> None:
    made = newsroom.scheduled()
    assert (made.local_at, made.zone) == ("2024-10-10T06:30", "America/New_York")
    assert made.due_at == datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
    assert made.late_until == made.due_at + timedelta(minutes=120)


def test_an_hour_is_meant_on_the_issues_date_and_in_the_newsletters_zone(newsroom: Newsroom) -> None:
    assert newsroom.scheduled(at="9:05").due_at == local("2024-10-10 09:05")
    other = newsroom.scheduled(at="2024-10-10 12:00", zone="Europe/Berlin")
    assert (other.due_at, other.zone) == (datetime(2024, 10, 10, 10, 0, tzinfo=UTC), "Europe/Berlin")


@pytest.mark.parametrize("at", ["half past six", "24:00", "2024-13-10 06:30", "06:30:00", "2024-10-10"])
def test_what_is_no_time_is_refused_with_an_example(newsroom: Newsroom, at: str) -> None:
    with pytest.raises(InputError, match=r"--at: .*is no time.*2024-10-10 06:30"):
        newsroom.plan(at=at)


def test_a_zone_nobody_knows_is_refused_with_the_nearest(newsroom: Newsroom) -> None:
    with pytest.raises(InputError, match="America/New_York"):
        newsroom.plan(at="06:30", zone="New York")


def test_an_hour_that_has_passed_is_refused(newsroom: Newsroom) -> None:
    newsroom.at = local("2024-10-10 06:45")
    with pytest.raises(Refused, match=r"06:30 America/New_York has passed.*06:45.*newsletter send"):
        newsroom.plan(at="06:30")


def test_on_another_day_than_its_own_it_is_a_finding_for_the_day_it_would_go_out(newsroom: Newsroom) -> None:
    found = newsroom.plan(at="2024-10-11 06:30")
    assert found.schedule is None
    assert [finding.rule for finding in found.findings if finding.severity == "error"] == ["DATE"]
    waived = newsroom.scheduled(at="2024-10-11 06:30", waive=["DATE=a day late"])
    assert waived.date_waived


def test_a_holiday_and_a_skipped_day_are_passed_over(newsroom: Newsroom) -> None:
    newsroom.at = local("2024-11-27 07:00")
    with newsroom.app.store.write() as connection:
        skip(connection, "daily", date(2024, 11, 29), reason="the bridge day", person="ann", now=newsroom.at)
    rhythm, found = coming(newsroom.app.store, newsroom.app.workspace, None, now=newsroom.at)
    assert [f"{each.day}" for each in found][:2] == ["2024-12-02", "2024-12-03"]
    assert rhythm.rests(date(2024, 11, 29)) == "it is skipped"
    newsroom.write("2024-11-29")
    assert [finding.rule for finding in newsroom.plan("2024-11-29").findings if finding.severity == "error"] == ["DATE"]


def test_done_by_begins_early_enough_for_the_audience_and_the_rate(newsroom: Newsroom) -> None:
    newsroom.transport.allowed = Quota(rate=0.5, left_today=None)
    found = newsroom.plan(at="07:00", done_by=True)
    assert found.schedule is not None
    assert found.schedule.due_at == local("2024-10-10 06:58")  # 20 readers at one in two seconds, and a minute
    assert found.forecast is not None
    assert found.forecast.in_words == "20 readers at 0.5/s take 1 min; with 1 min in reserve"


def test_when_it_is_too_late_to_be_done_by_then_it_begins_at_once_and_says_so(newsroom: Newsroom) -> None:
    newsroom.at = local("2024-10-10 06:59")
    newsroom.transport.allowed = Quota(rate=0.1, left_today=None)
    found = newsroom.plan(at="07:00", done_by=True)
    assert found.at_once
    assert found.schedule is not None
    assert found.schedule.due_at == newsroom.at
    assert newsroom.ring()[0].held is None


# -- what is due -------------------------------------------------------------------------------------------------------


def test_at_its_hour_and_not_before_the_stored_build_goes_out_whatever_the_files_say_by_then(
    newsroom: Newsroom,
) -> None:
    made = newsroom.scheduled()
    newsroom.write(subject="Something else altogether")
    newsroom.at = made.due_at - MINUTE / 60
    assert newsroom.ring() == []
    newsroom.at = made.due_at
    (begun,) = newsroom.ring()
    (send,) = newsroom.sends()
    assert (begun.schedule.state, begun.schedule.send_id, begun.held) == (Standing.BEGUN, send.id, None)
    assert (send.build, send.detached, send.person, send.state) == (made.build, True, "ann", State.PREPARING)
    assert newsroom.ring() == []
    done = newsroom.send()
    assert done.report is not None
    assert done.report.send.id == send.id
    assert (done.report.account.accepted, {mail.subject for mail in newsroom.transport.mails}) == (
        20,
        {"News of 2024-10-10"},
    )


def test_two_clocks_begin_it_once(newsroom: Newsroom) -> None:
    newsroom.at = newsroom.scheduled().due_at
    both, begun = threading.Barrier(2), []

    def clock() -> None:
        both.wait()
        begun.extend(newsroom.ring())

    threads = [threading.Thread(target=clock) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == len(newsroom.sends()) == 1


def test_a_clock_that_read_before_another_one_began_it_does_nothing(newsroom: Newsroom) -> None:
    """The claim asks the database, not what was read."""
    from newsletter.sending import due as module

    newsroom.at = newsroom.scheduled().due_at
    with newsroom.app.store.read() as connection:
        (stale,) = due(connection, newsroom.at)
    newsroom.ring()
    app = newsroom.app
    assert module._start(app.store, app.workspace, newsroom.transport, stale, newsroom.at) is None
    assert len(newsroom.sends()) == 1


def test_late_but_within_its_time_it_goes_out(newsroom: Newsroom) -> None:
    made = newsroom.scheduled()
    newsroom.at = made.due_at + 119 * MINUTE
    assert newsroom.ring()[0].held is None


def test_later_than_that_it_is_held_says_how_late_and_can_be_sent_or_scheduled_again(newsroom: Newsroom) -> None:
    made = newsroom.scheduled(late_minutes=30)
    newsroom.at = made.due_at + 185 * MINUTE
    (found,) = newsroom.ring()
    assert found.held is not None
    assert "late by 3 h 5 min, and it may be late by 30 min" in found.held
    assert newsroom.sends() == []
    assert newsroom.ring() == []  # said once
    again = newsroom.plan(at="10:00")
    assert again.schedule is not None
    assert again.replaced is not None
    assert again.replaced.id == made.id
    newsroom.at = again.schedule.due_at
    assert newsroom.ring()[0].held is None


def test_scheduling_again_replaces_what_waits(newsroom: Newsroom) -> None:
    first = newsroom.scheduled()
    newsroom.write(subject="A better one")
    found = newsroom.plan(at="07:15")
    assert found.replaced == first
    with newsroom.app.store.read() as connection:
        assert get(connection, first.id).state is Standing.CANCELLED
        assert [each.local_at for each in open_schedules(connection)] == ["2024-10-10T07:15"]


def test_a_cancelled_schedule_does_not_go_out(newsroom: Newsroom) -> None:
    made = newsroom.scheduled()
    assert cancel(newsroom.app.store, ISSUE, person="ben").reason == "cancelled by ben"
    newsroom.at = made.due_at
    assert newsroom.ring() == []
    with pytest.raises(Refused, match="not scheduled"):
        cancel(newsroom.app.store, ISSUE, person="ben")


def test_sending_a_scheduled_issue_goes_at_once_and_takes_the_schedules_place(newsroom: Newsroom) -> None:
    made = newsroom.scheduled()
    newsroom.at = local("2024-10-10 05:00")
    done = newsroom.send(person="ben")
    assert done.report is not None
    with newsroom.app.store.read() as connection:
        found = get(connection, made.id)
    assert (found.state, found.send_id, found.reason) == (
        Standing.BEGUN,
        done.report.send.id,
        "sent before its time by ben",
    )
    newsroom.at = made.due_at
    assert newsroom.ring() == []


def test_an_issue_under_way_or_out_is_not_scheduled(newsroom: Newsroom) -> None:
    newsroom.at = local("2024-10-10 05:00")
    newsroom.transport.answer = lambda _: STOP
    newsroom.send()
    with pytest.raises(Refused, match=r"is under way: send .* is held"):
        newsroom.plan()
    newsroom.transport.answer = always_accept
    newsroom.send()
    with pytest.raises(Refused, match="--rest"):
        newsroom.plan()
    add_readers(newsroom.app, 3, first=50)
    rest = newsroom.scheduled(rest=True)
    newsroom.at = rest.due_at
    assert newsroom.ring()[0].held is None
    done = newsroom.send()
    assert done.report is not None
    assert (done.report.account.accepted, done.report.account.excluded_by) == (3, {"already-had": 20})


# -- what stands in the way --------------------------------------------------------------------------------------------


def test_another_send_of_the_issue_in_the_way_holds_it(newsroom: Newsroom) -> None:
    """It was made beside the verbs, as by an older program: nobody is mailed twice all the same."""
    made = newsroom.scheduled()
    build = frozen(newsroom.app, make_build())
    with newsroom.app.store.write() as connection:
        sends.create(connection, NewSend("daily", ISSUE, build.hash, "memory", "ben", date_waived=False), newsroom.at)
    newsroom.at = made.due_at
    held = newsroom.ring()[0].held
    assert held is not None
    assert "unfinished send" in held


def test_a_stopped_newsletter_holds_it(newsroom: Newsroom) -> None:
    made = newsroom.scheduled()
    with newsroom.app.store.write() as connection:
        stop(connection, "daily", send_id="abc", reason="too many complaints", at=newsroom.at)
    newsroom.at = made.due_at
    held = newsroom.ring()[0].held
    assert held is not None
    assert "newsletter daily is stopped: too many complaints" in held
    assert newsroom.sends() == []


ASKS = '+++\ntitle = "Troops"\n[[asks]]\nid = "troops"\nquestion = "Are there troops?"\n+++\n\nA story.\n'
ANSWERS = (
    '+++\ntitle = "Troops again"\n[[answers]]\nquestion = "troops"\nstatus = "answered"\nanswer = "Yes."\n+++\n\nSo.\n'
)
LEAD = '[[blocks]]\ntype = "lead"\nstory = "lead"\n'
FOLLOW_UP = '[[blocks]]\ntype = "follow-up"\nquestion = "troops"\n'


@pytest.fixture
def asked(newsroom: Newsroom) -> Newsroom:
    """Two days: the ninth asks, the tenth answers; an older issue went out, so there is a record."""
    newsroom.at = local("2024-10-08 06:00")
    newsroom.write("2024-10-08")
    assert newsroom.send("2024-10-08").report
    newsroom.write("2024-10-09", blocks=LEAD)
    (newsroom.app.workspace.issues / "2024-10-09" / "lead.md").write_text(ASKS, encoding="utf-8")
    newsroom.write(ISSUE, blocks=LEAD + FOLLOW_UP)
    (newsroom.app.workspace.issues / ISSUE / "lead.md").write_text(ANSWERS, encoding="utf-8")
    return newsroom


def test_a_build_whose_facts_are_no_longer_so_is_held_until_it_is_built_anew(asked: Newsroom) -> None:
    """Both days are scheduled on the eighth; the ninth is taken back, so nobody was asked."""
    asked.scheduled("2024-10-09")
    made = asked.scheduled(ISSUE)
    cancel(asked.app.store, "2024-10-09", person="ben")
    asked.at = made.due_at
    (found,) = asked.ring()
    assert found.held is not None
    assert "FACTS: it says “Yesterday we asked” of question troops, which was never asked" in found.held
    again = asked.scheduled(ISSUE, at="07:00")
    assert again.build != made.build
    asked.at = again.due_at
    assert asked.ring()[0].held is None


def test_a_build_whose_asking_issue_went_out_as_scheduled_goes_out(asked: Newsroom) -> None:
    first, second = asked.scheduled("2024-10-09"), asked.scheduled(ISSUE)
    asked.at = first.due_at
    assert asked.ring()[0].held is None
    assert asked.send("2024-10-09").report
    asked.at = second.due_at
    assert asked.ring()[0].held is None


def test_while_files_differ_from_the_scheduled_build_it_says_so(newsroom: Newsroom) -> None:
    app = newsroom.app
    assert stale_schedule(app.store, app.workspace, ISSUE, now=newsroom.at) is None
    made = newsroom.scheduled()
    assert stale_schedule(app.store, app.workspace, ISSUE, now=newsroom.at) is None
    newsroom.write(subject="Mended")
    said = stale_schedule(app.store, app.workspace, ISSUE, now=newsroom.at)
    assert said is not None
    assert made.build[:12] in said
    assert "newsletter issue diff 2024-10-10" in said


# -- the whole of it ---------------------------------------------------------------------------------------------------


def test_a_daily_issue_over_the_change_of_clocks_goes_out_once_a_day_at_its_local_hour(newsroom: Newsroom) -> None:
    """Invariant 8, through the verbs: a week of issues across the night the clocks go back, each at 06:30."""
    newsroom.set(rhythm=RhythmSettings(at=time(6, 30), days=("mon", "tue", "wed", "thu", "fri", "sat", "sun")))
    days = [date(2024, 10, 31) + n * timedelta(days=1) for n in range(6)]
    newsroom.at = local("2024-10-30 20:00")
    for day in days:
        newsroom.write(f"{day}")
        newsroom.scheduled(f"{day}")
    begun: list[str] = []
    while newsroom.at < local("2024-11-06 00:00"):
        begun += [f"{newsroom.at.astimezone(newsroom.app.settings.newsletters['daily'].zone):%Y-%m-%d %H:%M}"] * len(
            newsroom.ring()
        )
        newsroom.at += 15 * MINUTE
    assert begun == [f"{day} 06:30" for day in days]


def test_cancelled_at_two_fifths_mended_and_sent_again_nobody_gets_it_twice_and_the_late_joiners_get_the_rest(
    newsroom: Newsroom,
) -> None:
    """The first two fifths have the first build and get nothing more; the others get the mended one."""
    from newsletter.sending.control import cancel as cancel_send

    app, transport = newsroom.app, newsroom.transport
    newsroom.at = local("2024-10-10 06:30")
    transport.connections, transport.batch_size = 1, 4
    first_eight = iter(range(8))
    transport.answer = lambda _: STOP if next(first_eight, None) is None else ACCEPT
    stopped = newsroom.send().report
    assert stopped is not None
    assert (stopped.account.accepted, stopped.account.pending) == (8, 12)
    cancel_send(app.store, stopped.send.id, person="ann", now=newsroom.at)
    had = set(transport.mailed)

    newsroom.write(subject="Mended")
    transport.answer = always_accept
    transport.mails.clear()
    with pytest.raises(Refused, match="--rest"):
        newsroom.send()
    mended = newsroom.send(rest=True).report
    assert mended is not None
    assert (mended.account.accepted, mended.account.excluded_by) == (12, {"already-had": 8})
    assert {mail.subject for mail in transport.mails} == {"Mended"}
    assert set(transport.mailed) - had == set(range(1, 21)) - had

    late = add_readers(app, 3, first=100)
    rest = newsroom.send(rest=True).report
    assert rest is not None
    assert rest.account.accepted == 3
    assert transport.mailed == dict.fromkeys([*range(1, 21), *late], 1)


def test_whoever_schedules_approves(newsroom: Newsroom) -> None:
    made = newsroom.scheduled(person="cleo")
    with newsroom.app.store.read() as connection:
        assert approved_by(connection, made.build) == ["cleo"]


def test_an_issue_has_one_open_schedule(newsroom: Newsroom) -> None:
    build = frozen(newsroom.app, make_build())
    row = NewSchedule(
        "daily", ISSUE, build.hash, "2024-10-10T06:30", "UTC", False, newsroom.at, newsroom.at, person="ann"
    )
    with newsroom.app.store.write() as connection:
        put(connection, row, newsroom.at)
        _, replaced = put(connection, row, newsroom.at)
        assert replaced is not None
        assert len(open_schedules(connection)) == 1
