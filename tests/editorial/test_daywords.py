"""Words about days are held to the calendar: right ones pass, wrong ones are named with what is right."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editorial.daywords import TONGUES, moved_words, wrong_dates
from newsletter.editorial.languages import LANGUAGES

THURSDAY = date(2024, 10, 10)
DATES = st.dates(min_value=date(1999, 1, 1), max_value=date(2099, 12, 31))
ENGLISH = LANGUAGES["en"]


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
        ("Le mercredi 10 octobre, le mur", "fr", "is a jeudi"),
        ("le lundi 1er juil. 2024 et le mardi 1er juin 2024", "fr", "is a samedi"),
        ("hier, le 8 octobre,", "fr", "that is mercredi, 2024-10-09"),
        ("El miércoles 10 de octubre", "es-MX", "is a jueves"),
        ("mañana (12 de octubre)", "es", "that is viernes, 2024-10-11"),
        ("Mercoledì 10 ottobre 2024", "it", "is a giovedì"),
        ("ieri, l’8 ottobre,", "it", "that is mercoledì, 2024-10-09"),
        ("op woensdag 10 oktober", "nl-BE", "is a donderdag"),
        ("na quarta-feira, 10 de outubro de 2024,", "pt", "is a quinta-feira"),
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
        ("Le jeudi 10 octobre, et hier (9 octobre), mercredi 9 oct. 2024", "fr"),
        ("El jueves 10 de octubre; ayer, 9 de octubre; mañana, 11 de octubre", "es"),
        ("Giovedì 10 ottobre; ieri, il 9 ottobre", "it"),
        ("donderdag 10 oktober; gisteren, 9 oktober", "nl"),
        ("quinta-feira, 10 de outubro; ontem, 9 de outubro", "pt-BR"),
    ],
)
def test_what_is_right_or_says_nothing_passes(text: str, lang: str) -> None:
    assert list(wrong_dates(text, lang, THURSDAY)) == []


@given(day=DATES, ahead=st.integers(-150, 150), weekday=st.integers(0, 6), year=st.booleans())
def test_a_date_passes_with_its_own_weekday_and_no_other(day: date, ahead: int, weekday: int, year: bool) -> None:
    """Without a year the one nearest to the issue is meant, over the turn of the year as well."""
    meant = day + timedelta(ahead)
    written = f"{ENGLISH.months[meant.month - 1]} {meant.day}" + (f", {meant.year}" if year else "")
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


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("de", ["gestern", "Heute", "sie kommen morgen wieder", "übermorgen", "vorgestern", "gestern Abend"]),
        ("fr", ["Hier,", "aujourd’hui", "ce soir", "Elle viendra demain.", "après-demain", "avant-hier"]),
        ("es", ["Ayer", "hoy", "mañana por la tarde", "pasado mañana", "anteayer", "antes de ayer", "esta noche"]),
        ("it", ["Ieri", "oggi", "verrà domani", "dopodomani", "l’altro ieri", "stasera"]),
        ("nl", ["Gisteren", "vandaag", "morgenochtend", "overmorgen", "eergisteren", "vanavond"]),
        ("pt", ["Ontem", "hoje", "virá amanhã", "depois de amanhã", "anteontem", "esta noite"]),
    ],
)
def test_each_language_has_its_words_for_the_days_around_today(lang: str, words: list[str]) -> None:
    for said in words:
        assert len(list(moved_words(said, lang, written=THURSDAY, read=THURSDAY + timedelta(1)))) == 1, said


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("de", ["Guten Morgen!", "am Morgen", "heute-morgen", "die Welt von morgen", "von gestern", "jeden morgen"]),
        ("fr", ["le monde de demain", "le monde d’hier", "demain-là", "le lendemain", "un mardi"]),
        (
            "es",
            ["la mañana", "por la mañana", "mañana", "el mundo de ayer", "hoy en día", "mañana del lunes", "un lunes"],
        ),
        ("it", ["il mondo di domani", "il mondo di ieri", "al giorno d’oggi", "un martedì"]),
        ("nl", ["goedemorgen", "in de morgen", "morgen", "de wereld van gisteren"]),
        ("pt", ["o mundo de amanhã", "o mundo de ontem", "hoje em dia", "pela manhã"]),
    ],
)
def test_what_may_be_a_morning_or_a_manner_of_speaking_is_left_alone(lang: str, words: list[str]) -> None:
    for said in words:
        assert list(moved_words(said, lang, written=THURSDAY, read=THURSDAY + timedelta(1))) == [], said


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("de", "am Mittwoch"),
        ("fr", "mercredi dernier"),
        ("es", "el miércoles"),
        ("it", "mercoledì scorso"),
        ("nl", "op woensdag"),
        ("pt", "na quarta-feira"),
    ],
)
def test_a_weekday_of_any_language_moves_with_the_week(lang: str, words: str) -> None:
    def found(days: int) -> int:
        return len(list(moved_words(f"So {words}.", lang, written=THURSDAY, read=THURSDAY + timedelta(days))))

    assert [found(days) for days in (0, 1, 5, 6, 7)] == [0, 0, 0, 1, 1]


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
