"""Time words are true: the law, and the table editors are promised."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editorial.languages import LANGUAGES
from newsletter.editorial.library import Heading
from newsletter.editorial.sent import Send, sent_record
from newsletter.editorial.timewords import TIMES, answer_label, lead_in

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


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("de", "Gestern fragten wir | Am Dienstag fragten wir | Am Donnerstag, dem 3. Oktober, fragten wir"),
        ("fr", "Hier, nous demandions | Mardi, nous demandions | Le jeudi 3 octobre, nous demandions"),
        ("es", "Ayer preguntamos | El martes preguntamos | El jueves 3 de octubre preguntamos"),
        ("nl", "Gisteren vroegen we | Dinsdag vroegen we | Op donderdag 3 oktober vroegen we"),
        ("it", "Ieri abbiamo chiesto | Martedì abbiamo chiesto | Giovedì 3 ottobre abbiamo chiesto"),
        ("pt", "Ontem perguntamos | Na terça-feira perguntamos | Na quinta-feira, 3 de outubro, perguntamos"),
    ],
)
def test_each_language_says_it_its_own_way(lang: str, said: str) -> None:
    days = (date(2024, 10, 9), date(2024, 10, 8), date(2024, 10, 3))
    assert [lead_in(day, THURSDAY, lang) for day in days] == said.split(" | ")


@pytest.mark.parametrize(
    ("day", "lang", "said"),
    [
        (date(2024, 9, 1), "de-CH", "Am 1. September fragten wir"),
        (date(2023, 10, 8), "de-AT", "Am 8. Oktober 2023 fragten wir"),
        (date(2024, 9, 1), "fr", "Le 1er septembre, nous demandions"),
        (date(2023, 10, 8), "es", "El 8 de octubre de 2023 preguntamos"),
        (date(2024, 9, 8), "it", "L’8 settembre abbiamo chiesto"),
        (date(2023, 8, 11), "it", "L’11 agosto 2023 abbiamo chiesto"),
        (date(2024, 9, 18), "it", "Il 18 settembre abbiamo chiesto"),
        (date(2024, 10, 5), "pt-BR", "No sábado perguntamos"),
        (date(2023, 10, 8), "nl-BE", "Op 8 oktober 2023 vroegen we"),
    ],
)
def test_dates_stand_in_the_order_and_with_the_small_words_of_their_language(day: date, lang: str, said: str) -> None:
    assert lead_in(day, THURSDAY, lang) == said


def test_the_last_weekday_of_a_year_ago_carries_its_year_where_it_carries_its_date() -> None:
    assert lead_in(date(2024, 12, 20), date(2025, 1, 1), "de") == "Am Freitag, dem 20. Dezember 2024, fragten wir"


def test_a_poll_asked_its_readers() -> None:
    assert lead_in(date(2024, 10, 9), THURSDAY, "en", poll=True) == "Yesterday we asked you"
    assert lead_in(date(2024, 10, 8), THURSDAY, "fr", poll=True) == "Mardi, nous vous demandions"


def test_every_language_with_dates_has_its_time_words() -> None:
    assert set(TIMES) == set(LANGUAGES)


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
ZONES = ("UTC", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "Africa/Cairo")
DATE_LINE = ("Pacific/Kiritimati", "Pacific/Apia", "Pacific/Pago_Pago", "Pacific/Kwajalein")
TONGUES = st.sampled_from(sorted(TIMES))


@given(TONGUES, DATES, st.integers(0, 1500))
def test_the_words_are_always_true_and_lead_to_one_day_only(lang: str, issue: date, ago: int) -> None:
    """Reading the words on the issue's date, a reader finds the very day it was asked."""
    asked = issue - timedelta(days=ago)

    assert _day_meant(lead_in(asked, issue, lang), issue, lang) == asked
    assert _day_meant(lead_in(asked, issue, lang, poll=True), issue, lang) == asked


@given(
    lang=TONGUES,
    zone=st.sampled_from(ZONES + DATE_LINE),
    handed_over=st.datetimes(datetime(1993, 1, 1), datetime(2098, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    dated=st.integers(-3, 3),
    later=st.integers(0, 800),
    unsent_between=st.integers(0, 3),
)
def test_the_words_are_true_in_the_newsletters_zone_however_late_it_went_and_whatever_was_skipped(
    lang: str, zone: str, handed_over: datetime, dated: int, later: int, unsent_between: int
) -> None:
    """A send near midnight counts on its local day, not on the day its issue was meant for, nor on the server's."""
    local = handed_over.astimezone(ZoneInfo(zone)).date()
    asking = Heading(local + timedelta(dated), "asking", "daily")
    issue_date = local + timedelta(later)
    rows = [Send("asking", asking.date, "b", "done", False, handed_over)]
    rows += [Send(f"s{n}", local + timedelta(n), "b", "cancelled", False, None) for n in range(unsent_between)]

    asked_on = sent_record(rows, ZoneInfo(zone)).went_out(asking, as_of=issue_date)

    assert asked_on == local
    assert _day_meant(lead_in(asked_on, issue_date, lang), issue_date, lang) == local


# What became of an issue, and how many hours after six in the morning of its date its first reader had it.
FATES = st.one_of(
    st.tuples(st.sampled_from(["done", "cancelled", "paused", "sending"]), st.integers(-6, 60)),
    st.tuples(st.just("rehearsed"), st.integers(200, 40_000)),
    st.tuples(st.sampled_from(["left out", "cancelled", "planned"]), st.none()),
)
CADENCES = [(0,), (1,), (7,), (0, 1), (1, 1, 1, 1, 3), (14,), (31,)]  # two on a day, daily, weekly, weekdays, …


@given(
    lang=TONGUES,
    zone=st.sampled_from(ZONES + DATE_LINE),
    start=st.dates(date(1994, 12, 1), date(2060, 1, 1)),
    every=st.sampled_from(CADENCES),
    fates=st.lists(FATES, min_size=1, max_size=8),
)
def test_over_any_calendar_of_issues_each_later_one_says_of_each_earlier_one_what_is_true(
    lang: str, zone: str, start: date, every: tuple[int, ...], fates: list[tuple[str, int | None]]
) -> None:
    """Dailies, weeklies, two issues on a day; sent early, late, in part, not at all, or rehearsed years after."""
    here = ZoneInfo(zone)
    days = [start + timedelta(sum(every[n % len(every)] for n in range(count))) for count in range(len(fates))]
    rows, went_out = [], []
    for number, ((fate, hours), day) in enumerate(zip(fates, days, strict=True)):
        morning = datetime.combine(day, time(6), here).astimezone(UTC)
        handed = None if hours is None else morning + timedelta(hours=hours)
        state = "done" if fate == "rehearsed" else fate
        if fate != "left out":
            rows.append(Send(f"i{number}", day, "b", state, fate == "rehearsed", handed))
        went_out.append(day if handed is None or fate == "rehearsed" else handed.astimezone(here).date())
    record = sent_record(rows, here)
    for number, (day, known) in enumerate(zip(days, went_out, strict=True)):
        fate, hours = fates[number]
        for later in days[number + 1 :]:
            before_the_record = record.begins is None or day < record.begins
            asked = hours is not None or fate == "planned" or before_the_record or day == later
            words = lead_in(record.went_out(Heading(day, f"i{number}", "daily"), as_of=later), later, lang)
            if asked and known <= later:
                assert _day_meant(words, later, lang) == known
            else:
                assert words == TIMES[lang].never


# How a careful reader hears each language, apart from the program's own rules.
TODAY = {
    "en": "Earlier today",
    "de": "Früher am heutigen Tag",
    "es": "Hoy mismo",
    "fr": "Plus tôt dans la journée",
    "it": "Oggi stesso",
    "nl": "Eerder vandaag",
    "pt": "Hoje mais cedo",
}
YESTERDAY = ("Yesterday", "Gestern", "Ayer", "Hier", "Ieri", "Gisteren", "Ontem")
THE_WEEK_BEFORE = "Last "


def _day_meant(words: str, issue: date, lang: str) -> date:
    """What a careful reader would take the words to mean, worked out without the program's own rules."""
    if words.startswith(TODAY[lang]):
        return issue
    if words.startswith(YESTERDAY):
        return issue - timedelta(days=1)
    language = LANGUAGES[lang]
    months = "|".join(language.months)
    if lang == "en":
        found = re.search(rf"(?P<month>{months}) (?P<day>\d+)(?:, (?P<year>\d{{4}}))?", words)
    else:
        found = re.search(rf"(?P<day>\d+)\D{{0,3}} (?:de )?(?P<month>{months})(?: (?:de )?(?P<year>\d{{4}}))?", words)
    named = [number for number, name in enumerate(language.weekdays) if name.lower() in words.lower()]
    if found:
        month = language.months.index(found["month"]) + 1
        day = date(int(found["year"] or issue.year), month, int(found["day"]))
        assert named in ([], [day.weekday()])
        return day
    # A bare weekday lies in the six days before today; English's "Last Tuesday" in the seven before those.
    start, end = (7, 14) if words.startswith(THE_WEEK_BEFORE) else (1, 7)
    (day,) = [day for ago in range(start, end) if [(day := issue - timedelta(ago)).weekday()] == named]
    return day
