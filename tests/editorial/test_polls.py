"""A poll closes at one moment of the newsletter's own zone, whatever its clocks do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from newsroom import Newsroom
from sqlalchemy import update

from newsletter.app import App
from newsletter.editorial.polls import Poll, closing, polls_in
from newsletter.editorial.resolve import resolve
from newsletter.errors import InputError
from newsletter.rendering.build import canonical_json
from newsletter.rendering.dates import until_words
from newsletter.store.tables import build_files

NEW_YORK = ZoneInfo("America/New_York")
SOON = timedelta(microseconds=1)
POLL = '[[blocks]]\ntype = "poll"\nid = "wall"\nquestion = "Will it last?"\noptions = ["Yes", "No"]\n'


def at(written: str) -> datetime:
    return datetime.fromisoformat(written)


@pytest.mark.parametrize(
    ("written", "zone", "instant"),
    [
        (None, "America/New_York", "2024-10-18T04:00+00:00"),  # the end of the seventh day after October 10
        (date(2024, 10, 10), "America/New_York", "2024-10-11T04:00+00:00"),
        (date(2024, 11, 2), "America/New_York", "2024-11-03T04:00+00:00"),
        (date(2024, 11, 3), "America/New_York", "2024-11-04T05:00+00:00"),  # the day of 25 hours
        (date(2025, 3, 9), "America/New_York", "2025-03-10T04:00+00:00"),  # the day of 23 hours
        (at("2024-11-03T01:30"), "America/New_York", "2024-11-03T05:30+00:00"),  # there twice: the first counts
        (at("2025-03-09T03:00"), "America/New_York", "2025-03-09T07:00+00:00"),
        (date(2025, 4, 24), "Africa/Cairo", "2025-04-24T22:00+00:00"),  # the clocks skip the next day's midnight
        (date(2024, 10, 10), "Pacific/Kiritimati", "2024-10-10T10:00+00:00"),
    ],
)
def test_a_day_means_its_end_and_a_time_is_the_newsletters_own(
    written: date | datetime | None, zone: str, instant: str
) -> None:
    closes = closing(written, issued=date(2024, 10, 10), zone=ZoneInfo(zone))
    assert closes.astimezone(UTC) == at(instant)


@pytest.mark.parametrize("written", ["2025-03-09T02:00", "2025-03-09T02:59:59"])
def test_a_time_that_the_clocks_skip_is_refused_by_name(written: str) -> None:
    with pytest.raises(ValueError, match=r"the clocks of America/New_York skip 2025-03-09 02"):
        closing(at(written), issued=date(2024, 10, 10), zone=NEW_YORK)


def test_a_poll_cannot_close_before_its_issues_day_begins() -> None:
    for written in (date(2024, 10, 9), at("2024-10-10T00:00")):
        with pytest.raises(ValueError, match="before the issue's own day"):
            closing(written, issued=date(2024, 10, 10), zone=NEW_YORK)
    assert closing(at("2024-10-10T00:01"), issued=date(2024, 10, 10), zone=NEW_YORK)


@given(
    written=st.one_of(st.none(), st.dates(min_value=date(1990, 1, 1), max_value=date(2037, 12, 31))),
    zone=st.sampled_from(["America/New_York", "Europe/Lisbon", "Africa/Cairo", "Australia/Lord_Howe", "UTC"]),
)
def test_a_poll_is_open_until_the_last_moment_of_its_day_and_not_a_moment_longer(
    written: date | None, zone: str
) -> None:
    issued = date(1989, 12, 31)
    closes = closing(written, issued=issued, zone=ZoneInfo(zone))
    last = written or issued + timedelta(days=7)
    poll = Poll("p", "?", ("a", "b"), closes)
    before = closes.astimezone(UTC) - SOON
    assert poll.is_open(before)
    assert before.astimezone(ZoneInfo(zone)).date() == last
    assert not poll.is_open(closes)
    assert closes.astimezone(UTC).astimezone(ZoneInfo(zone)).date() == last + timedelta(days=1)
    assert until_words(closes, "en", beside=last).startswith("the end of ")


def test_around_a_closing_in_the_hour_that_comes_twice_the_instant_decides_and_not_the_clock() -> None:
    poll = Poll("p", "?", ("a", "b"), closing(at("2024-11-03T01:30"), issued=date(2024, 10, 10), zone=NEW_YORK))
    second_time_0115 = datetime(2024, 11, 3, 1, 15, tzinfo=NEW_YORK, fold=1)
    assert poll.is_open(datetime(2024, 11, 3, 5, 29, 59, tzinfo=UTC))
    assert not poll.is_open(datetime(2024, 11, 3, 5, 30, tzinfo=UTC))
    assert not poll.is_open(second_time_0115.astimezone(UTC))


def test_until_when_is_said_in_the_newsletters_zone() -> None:
    noon = datetime(2024, 10, 17, 12, tzinfo=NEW_YORK)
    assert until_words(noon, "en", beside=date(2024, 10, 10)) == "12:00 New York time on October 17"
    midnight = datetime(2025, 1, 1, tzinfo=NEW_YORK)
    assert until_words(midnight, "en", beside=date(2024, 10, 10)) == "the end of December 31"
    assert until_words(noon.astimezone(UTC), "en", beside=date(2023, 1, 1)) == "16:00 UTC on October 17, 2024"


def test_the_poll_in_the_facts_is_the_poll_that_was_written(newsroom: Newsroom, app: App) -> None:
    newsroom.issue("2024-10-10", POLL)
    facts = resolve(app.workspace, app.store, "2024-10-10").facts
    assert facts["polls"] == [
        {"id": "wall", "question": "Will it last?", "options": ["Yes", "No"], "closes": "2024-10-18T04:00:00+00:00"}
    ]
    assert [poll.facts() for poll in polls_in(facts)] == facts["polls"]
    assert list(polls_in({})) == []


@pytest.mark.parametrize(
    "edit", [("Will it last?", "Has it lasted?"), ('"Yes", "No"', '"No", "Yes"'), ('id = "wall"', "")]
)
def test_a_poll_that_went_out_cannot_come_back_as_another_under_its_id(
    newsroom: Newsroom, app: App, send_row: Callable[..., None], edit: tuple[str, str]
) -> None:
    newsroom.issue("2024-10-10", POLL)
    asked = resolve(app.workspace, app.store, "2024-10-10").facts
    send_row("2024-10-10", handed_over=datetime(2024, 10, 10, 11, tzinfo=UTC))
    with app.store.write() as connection:
        connection.execute(update(build_files).values(data=canonical_json({"facts": dict(asked)})))
    assert resolve(app.workspace, app.store, "2024-10-10").facts == asked
    other = POLL.replace(*edit) if edit[1] else POLL + "closes = 2024-12-24\n"
    newsroom.issue("2024-10-10", other)
    with pytest.raises(InputError, match='poll "wall" went out with other words or another closing'):
        resolve(app.workspace, app.store, "2024-10-10")
    newsroom.issue("2024-10-10", other.replace('"wall"', '"wall-2"'))
    assert resolve(app.workspace, app.store, "2024-10-10").facts["polls"]


def test_a_correction_names_the_day_its_issue_went_out(
    newsroom: Newsroom, app: App, send_row: Callable[..., None]
) -> None:
    newsroom.issue("2024-10-07")
    newsroom.issue("2024-10-08")
    newsroom.issue("2024-10-09", newsletter="weekly")
    for number, issue in enumerate(("2024-10-07", "2024-10-08")):
        block = f'[[blocks]]\ntype = "correction"\nissue = "{issue}"\nwas = "Long."\nis = "Short."\n'
        newsroom.issue("2024-10-10", block)
        if number == 0:
            send_row(issue, handed_over=datetime(2024, 10, 8, 3, tzinfo=UTC))  # the evening of the 7th in New York
        found = resolve(app.workspace, app.store, "2024-10-10")
        assert found.facts["corrections"] == [{"issue": issue, "was": "Long.", "is": "Short."}]
        corrected = found.blocks[-1].corrected
        assert corrected
        assert (corrected.day.isoformat(), corrected.went_out) == (issue, number == 0)
    newsroom.issue("2024-10-10", block.replace("2024-10-08", "2024-10-09"))
    with pytest.raises(InputError, match='this newsletter has no earlier issue "2024-10-09"'):
        resolve(app.workspace, app.store, "2024-10-10")
