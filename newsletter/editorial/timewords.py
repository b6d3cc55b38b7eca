"""The words for when something was asked: "Yesterday we asked", "On Tuesday we asked".

They are a statement about two dates, the day the asking issue went out and the date of the issue that looks back, so
they are true for every reader and on every day the mail is read. One small table holds a language; in a language
without one nothing is said, because English words in a Swedish letter, or a guess, would be worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Phrases:
    """One language's words. Fields: {weekday}, {month}, {day}, {year}."""

    same_day: str
    yesterday: str
    this_week: str  # two to six days ago
    last_week: str  # seven to thirteen days ago
    this_year: str
    other_year: str
    never: str  # it did not go out, or not before this issue
    today: str  # in front of an answer this issue gives
    earlier: str  # in front of an answer given before
    weekdays: tuple[str, ...]  # Monday first
    months: tuple[str, ...]


ENGLISH = Phrases(
    same_day="Earlier today we asked",
    yesterday="Yesterday we asked",
    this_week="On {weekday} we asked",
    last_week="Last {weekday} we asked",
    this_year="On {month} {day} we asked",
    other_year="On {month} {day}, {year} we asked",
    never="The question",
    today="Today",
    earlier="The answer",
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
)

LANGUAGES = {"en": ENGLISH}


def phrases(lang: str) -> Phrases | None:
    """The words of a language, by its first subtag: `en-GB` reads English."""
    return LANGUAGES.get(lang.split("-")[0].lower())


def lead_in(asked_on: date | None, issue_date: date, lang: str) -> str:
    """The words in front of a question asked on that day; "" in a language without words."""
    words = phrases(lang)
    if words is None:
        return ""
    if asked_on is None or asked_on > issue_date:
        return words.never
    return _phrase(words, asked_on, issue_date).format(
        weekday=words.weekdays[asked_on.weekday()],
        month=words.months[asked_on.month - 1],
        day=asked_on.day,
        year=asked_on.year,
    )


def _phrase(words: Phrases, asked_on: date, issue_date: date) -> str:
    ago = (issue_date - asked_on).days
    if ago == 0:
        return words.same_day
    if ago == 1:
        return words.yesterday
    if ago <= 6:
        return words.this_week
    if ago <= 13:
        return words.last_week
    return words.this_year if asked_on.year == issue_date.year else words.other_year


def answer_label(*, here: bool, lang: str) -> str:
    """The words in front of an answer: "Today" only when this very issue gives it."""
    words = phrases(lang)
    if words is None:
        return ""
    return words.today if here else words.earlier
