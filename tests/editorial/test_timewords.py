"""Time words are true: the law, and the table editors are promised."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editorial.library import Heading
from newsletter.editorial.sent import Send, sent_record
from newsletter.editorial.timewords import ENGLISH, answer_label, lead_in

THURSDAY = date(2024, 10, 10)


@pytest.mark.parametrize(
    ("asked_on", "words"),
    [
        (date(2024, 10, 10), "Earlier today we asked"),
        (date(2024, 10, 9), "Yesterday we asked"),
        (date(2024, 10, 8), "On Tuesday we asked"),
        (date(2024, 10, 4), "On Friday we asked"),
        (date(2024, 10, 3), "Last Thursday we asked"),
        (date(2024, 9, 27), "Last Friday we asked"),
        (date(2024, 9, 26), "On September 26 we asked"),
        (date(2024, 1, 1), "On January 1 we asked"),
        (date(2023, 10, 8), "On October 8, 2023 we asked"),
        (None, "The question"),
        (date(2024, 10, 11), "The question"),
    ],
)
def test_the_words_on_thursday_the_tenth_of_october(asked_on: date | None, words: str) -> None:
    assert lead_in(asked_on, THURSDAY, "en") == words


def test_the_turn_of_the_year_is_no_edge() -> None:
    assert lead_in(date(2024, 12, 31), date(2025, 1, 1), "en") == "Yesterday we asked"
    assert lead_in(date(2024, 12, 20), date(2025, 1, 1), "en") == "Last Friday we asked"
    assert lead_in(date(2024, 12, 10), date(2025, 1, 1), "en") == "On December 10, 2024 we asked"


@pytest.mark.parametrize("lang", ["en", "en-GB", "EN-us"])
def test_any_english_reads_english(lang: str) -> None:
    assert lead_in(date(2024, 10, 9), THURSDAY, lang) == "Yesterday we asked"


def test_a_language_without_words_says_nothing_rather_than_something_foreign() -> None:
    assert lead_in(date(2024, 10, 9), THURSDAY, "sv") == ""
    assert answer_label(here=True, lang="sv") == ""


def test_today_is_said_only_of_an_answer_this_issue_gives() -> None:
    assert answer_label(here=True, lang="en") == "Today"
    assert answer_label(here=False, lang="en") == "The answer"


DATES = st.dates(min_value=date(1999, 1, 1), max_value=date(2099, 12, 31))


@given(DATES, st.integers(0, 1500))
def test_the_words_are_always_true_and_lead_to_one_day_only(issue: date, ago: int) -> None:
    """Reading the words on the issue's date, a reader finds the very day it was asked."""
    asked = issue - timedelta(days=ago)

    assert _day_meant(lead_in(asked, issue, "en"), issue) == asked


@given(
    zone=st.sampled_from(
        ["UTC", "America/New_York", "Pacific/Auckland", "Pacific/Kiritimati", "Asia/Kathmandu", "Africa/Cairo"]
    ),
    handed_over=st.datetimes(datetime(2000, 1, 1), datetime(2098, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    dated=st.integers(-3, 3),
    later=st.integers(0, 800),
    unsent_between=st.integers(0, 3),
)
def test_the_words_are_true_in_the_newsletters_zone_however_late_it_went_and_whatever_was_skipped(
    zone: str, handed_over: datetime, dated: int, later: int, unsent_between: int
) -> None:
    """A send near midnight counts on its local day, not on the day its issue was meant for, nor on the server's."""
    local = handed_over.astimezone(ZoneInfo(zone)).date()
    asking = Heading(local + timedelta(dated), "asking", "daily")
    issue_date = local + timedelta(later)
    rows = [Send("asking", asking.date, "b", "done", False, handed_over)]
    rows += [Send(f"s{n}", local + timedelta(n), "b", "cancelled", False, None) for n in range(unsent_between)]

    asked_on = sent_record(rows, ZoneInfo(zone)).went_out(asking, as_of=issue_date)

    assert asked_on == local
    assert _day_meant(lead_in(asked_on, issue_date, "en"), issue_date) == local


def _day_meant(words: str, issue: date) -> date:
    """What a careful reader would take the words to mean, worked out without the program's own rules."""
    said = words.removesuffix(" we asked")
    if said == "Earlier today":
        return issue
    if said == "Yesterday":
        return issue - timedelta(days=1)
    first, name = said.split(" ", 1)
    if name in ENGLISH.weekdays:
        # "On Tuesday" lies in the six days before today; "Last Tuesday" in the seven before those.
        start = 7 if first == "Last" else 1
        days = [issue - timedelta(days=ago) for ago in range(start, start + 7)]
        (day,) = [day for day in days if ENGLISH.weekdays[day.weekday()] == name]
        return day
    month, _, rest = name.partition(" ")
    day_number, _, year = rest.partition(", ")
    return date(int(year or issue.year), ENGLISH.months.index(month) + 1, int(day_number))
