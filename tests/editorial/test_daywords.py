"""Words about days are held to the calendar: right ones pass, wrong ones are named with what is right."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editorial.daywords import ENGLISH, TONGUES, moved_words, wrong_dates

THURSDAY = date(2024, 10, 10)
DATES = st.dates(min_value=date(1999, 1, 1), max_value=date(2099, 12, 31))
MONTHS = ("January February March April May June July August September October November December").split()  # noqa: SIM905


@pytest.mark.parametrize(
    ("text", "lang", "right"),
    [
        ("On Wednesday, October 10, the wall", "en", "is a Thursday"),
        ("On Monday 10 Oct. 2024 the wall", "en-GB", "is a Thursday"),
        ("on Thursday,\nthe 9th of October", "en", "is a Wednesday"),
        ("October 10 (Wednesday)", "en", "is a Thursday"),
        ("yesterday, October 8, they", "en", "that is Wednesday, 2024-10-09"),
        ("tomorrow (October 12)", "en", "that is Friday, 2024-10-11"),
        ("Am Mittwoch, den 10. Oktober, kam", "de", "is a Donnerstag"),
        ("am Mittwoch, 10.10.2024", "de", "is a Donnerstag"),
        ("gestern, am 8. Oktober", "de-AT", "that is Mittwoch, 2024-10-09"),
    ],
)
def test_a_wrong_day_is_named_with_the_right_one(text: str, lang: str, right: str) -> None:
    [slip] = wrong_dates(text, lang, THURSDAY)
    assert right in slip.message


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("On Thursday, October 10, and on Wednesday 9 October 2024", "en"),
        ("On October 9, Wednesday's papers; ten on Monday", "en"),
        ("yesterday (October 9); the day before yesterday, 8 October; tomorrow, October 11", "en"),
        ("Monday, March 50; Tuesday marched 8", "en"),
        ("Am Donnerstag, dem 10. Oktober; gestern, 9.10.2024", "de"),
        ("On Wednesday, October 10", "sv"),
    ],
)
def test_what_is_right_or_says_nothing_passes(text: str, lang: str) -> None:
    assert list(wrong_dates(text, lang, THURSDAY)) == []


@given(day=DATES, ahead=st.integers(-150, 150), weekday=st.integers(0, 6), year=st.booleans())
def test_a_date_passes_with_its_own_weekday_and_no_other(day: date, ahead: int, weekday: int, year: bool) -> None:
    """Without a year the one nearest to the issue is meant, over the turn of the year as well."""
    meant = day + timedelta(ahead)
    written = f"{MONTHS[meant.month - 1]} {meant.day}" + (f", {meant.year}" if year else "")
    text = f"On {ENGLISH.weekdays[weekday]}, {written}, they"
    assert (list(wrong_dates(text, "en", day)) == []) == (weekday == meant.weekday())


@pytest.mark.parametrize(
    "words",
    ["Yesterday they", "tomorrow's vote", "tonight", "this morning", "24 hours ago", "last night", "today"],
)
def test_a_relative_word_is_wrong_on_every_other_day_and_only_there(words: str) -> None:
    for read in (THURSDAY - timedelta(1), THURSDAY + timedelta(1), THURSDAY + timedelta(7)):
        assert len(list(moved_words(words, "en", written=THURSDAY, read=read))) == 1
    assert list(moved_words(words, "en", written=THURSDAY, read=THURSDAY)) == []


def test_the_remedy_says_which_day_was_meant() -> None:
    [slip] = moved_words("They came yesterday.", "en", written=THURSDAY, read=THURSDAY + timedelta(1))
    assert "Wednesday, 2024-10-09" in slip.remedy
    assert slip.at == 10


def test_the_day_before_yesterday_is_not_yesterday() -> None:
    [slip] = moved_words("the day before yesterday", "en", written=THURSDAY, read=THURSDAY + timedelta(1))
    assert "2024-10-08" in slip.remedy


@given(written=DATES, moved=st.integers(-20, 20), weekday=st.integers(0, 6))
def test_a_weekday_passes_exactly_as_long_as_it_means_the_same_day(written: date, moved: int, weekday: int) -> None:
    """A careful reader takes the nearest such day behind her, today included, or the nearest ahead."""

    def meant(on: date) -> tuple[date, date]:
        behind = next(on - timedelta(ago) for ago in range(7) if (on - timedelta(ago)).weekday() == weekday)
        return behind, behind + timedelta(7)

    read = written + timedelta(moved)
    found = list(moved_words(f"It was on {ENGLISH.weekdays[weekday]}.", "en", written=written, read=read))
    assert (found == []) == (meant(written) == meant(read))


@pytest.mark.parametrize("lang", TONGUES)
@given(text=st.text(alphabet=st.sampled_from("october10,.() 9mittwochyesterday’'\n"), max_size=80))
def test_any_text_can_be_looked_at(lang: str, text: str) -> None:
    list(wrong_dates(text, lang, THURSDAY))
    list(moved_words(text, lang, written=THURSDAY, read=THURSDAY + timedelta(3)))
