"""The theme's own words: every language has them all, and no template says one by itself."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from issue_by_hand import HEAD, build

from newsletter.editorial.languages import LANGUAGES
from newsletter.rendering.dates import long_date, short_date, until_words
from newsletter.rendering.phrases import ENGLISH, PHRASES, say
from newsletter.sending.correction_phrases import OPENINGS, opening
from newsletter.web.public.archive_phrases import AROUND

THEME = Path(__file__).parents[2] / "templates/default"
TEMPLATES = sorted(path.relative_to(THEME).as_posix() for path in THEME.rglob("*.j2"))
_CODE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|<[^>]*>|&[#\w]+;", re.DOTALL)
_EXPRESSION = re.compile(r"\{[%{](.*?)[%}]\}", re.DOTALL)
_LITERAL = re.compile(r"\"([^\"]*)\"|'([^']*)'")
DAY = date(2024, 10, 10)


@pytest.mark.parametrize("lang", PHRASES)
def test_a_language_has_every_word_of_english_with_the_same_fields(lang: str) -> None:
    assert set(PHRASES[lang]) == set(ENGLISH)
    for key, words in PHRASES[lang].items():
        assert words, key
        assert _fields(words) == _fields(ENGLISH[key]), key


@pytest.mark.parametrize("lang", AROUND)
def test_a_language_has_every_word_that_stands_around_an_issue_in_the_archive(lang: str) -> None:
    assert set(AROUND[lang]) == set(AROUND["en"])
    for key, words in AROUND[lang].items():
        assert words, key
        assert _fields(words) == _fields(AROUND["en"][key]), key


@pytest.mark.parametrize("lang", OPENINGS)
def test_a_correction_begins_in_the_language_of_what_it_puts_right(lang: str) -> None:
    said = opening(lang, date(2024, 10, 8), beside=DAY)
    day = short_date(date(2024, 10, 8), lang, beside=DAY)
    assert day in said.subject
    assert day in said.intro
    assert len(said.subject) <= 60  # as preflight asks of every subject
    assert said.preheader


def test_a_language_with_dates_is_a_language_with_words() -> None:
    assert set(PHRASES) == set(AROUND) == set(OPENINGS) == set(LANGUAGES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_says_a_word_of_its_own(name: str) -> None:
    """Every word comes from the registry, so that a German issue is German all over."""
    source = (THEME / name).read_text(encoding="utf-8").replace("{{vote_url}}", "")
    assert re.findall(r"[^\W\d_]{2,}", _CODE.sub(" ", source)) == []
    spoken = ["".join(found) for code in _EXPRESSION.findall(source) for found in _LITERAL.findall(code)]
    faces = set(re.findall(r"[.]([\w-]+)", (THEME / "style.css").read_text(encoding="utf-8")))
    said = [text for text in spoken if re.search(r"[A-Z][a-z]|[a-z] [a-z]", text) and "=" not in text]
    assert [text for text in said if not set(text.split()) <= faces] == []


BLOCKS = """
[[blocks]]
type = "intro"
body = "1"
[[blocks]]
type = "follow-up"
question = "nk-troops"
[[blocks]]
type = "poll"
id = "ask"
question = "2"
options = ["3", "4"]
[[blocks]]
type = "numbers"
items = [{ value = "5", body = "6" }]
[[blocks]]
type = "correction"
issue = "2024-10-09"
was = "7"
is = "8"
"""


def test_a_german_issue_is_dressed_in_german(workspace: Path) -> None:
    built = build(workspace, BLOCKS, head=HEAD + 'lang = "de-AT"\n')

    for words in ("Donnerstag, 10. Oktober 2024", "Min. Lesezeit", "Abmelden", "Einstellungen", "Online lesen"):
        assert words in built.html
        assert words in built.text
    assert "Aus der Ausgabe vom 9. Oktober" in built.text
    assert "Sie können bis 17. Oktober, 18:00 Uhr (Ortszeit New York) abstimmen" in " ".join(built.text.split())
    assert "HARTE ZAHLEN" in built.text
    assert "In der Ausgabe vom 9. Oktober" in built.html
    for english in ("Unsubscribe", "min read", "October", "Hard numbers", "wrote", "Your vote", "From the issue"):
        assert english.lower() not in re.sub(r"\{\{\w+\}\}", "", built.html + built.text).lower()


def test_an_issue_in_a_language_without_words_is_dressed_in_english_with_plain_dates(workspace: Path) -> None:
    built = build(workspace, BLOCKS, head=HEAD + 'lang = "sv"\n')

    assert "2024-10-10 - 1 min read" in built.text
    assert "Unsubscribe: " in built.text


def test_a_title_left_empty_on_purpose_stays_empty(workspace: Path) -> None:
    silent = BLOCKS.replace('type = "numbers"', 'type = "numbers"\ntitle = ""')

    assert "HARD NUMBERS" in build(workspace, BLOCKS).text
    assert "HARD NUMBERS" not in build(workspace, silent).text


@pytest.mark.parametrize(
    ("lang", "long", "short"),
    [
        ("en", "Thursday, October 10, 2024", "October 8"),
        ("de", "Donnerstag, 10. Oktober 2024", "8. Oktober"),
        ("fr", "jeudi 10 octobre 2024", "8 octobre"),
        ("es", "jueves, 10 de octubre de 2024", "8 de octubre"),
        ("it", "giovedì 10 ottobre 2024", "8 ottobre"),
        ("nl", "donderdag 10 oktober 2024", "8 oktober"),
        ("pt", "quinta-feira, 10 de outubro de 2024", "8 de outubro"),
        ("sv", "2024-10-10", "2024-10-08"),
    ],
)
def test_dates_are_written_as_the_language_writes_them(lang: str, long: str, short: str) -> None:
    assert long_date(DAY, lang) == long
    assert short_date(date(2024, 10, 8), lang, beside=DAY) == short


@pytest.mark.parametrize(
    ("lang", "whole"),
    [
        ("en", "until 18:00 New York time on October 17."),
        ("de", "bis 17. Oktober, 18:00 Uhr (Ortszeit New York) abstimmen"),
        ("fr", "jusqu’au 17 octobre à 18:00 (heure locale, New York)."),
        ("es", "hasta las 18:00 (hora de New York) del 17 de octubre."),
        ("it", "fino alle 18:00 (ora di New York) del 17 ottobre."),
        ("nl", "tot 17 oktober om 18:00 uur (plaatselijke tijd, New York)."),
        ("pt", "até 17 de outubro, 18:00 (hora de New York)."),
    ],
)
def test_the_closing_of_a_poll_fits_into_its_sentence(lang: str, whole: str) -> None:
    closes = datetime(2024, 10, 17, 18, tzinfo=ZoneInfo("America/New_York"))
    said = say(PHRASES[lang]["vote_until"], lang=lang, closes=until_words(closes, lang, beside=DAY))
    assert f" {whole}" in said


def test_a_city_has_its_own_name_in_its_own_language() -> None:
    closes = datetime(2024, 10, 17, 18, tzinfo=ZoneInfo("Europe/Rome"))
    assert "ora di Roma" in until_words(closes, "it", beside=DAY)
    assert until_words(datetime(2024, 10, 17, 18, tzinfo=UTC), "de", beside=DAY) == "17. Oktober, 18:00 UTC"


def test_italian_joins_what_italian_joins() -> None:
    said = [say(PHRASES["it"]["from_issue"], lang="it", date=f"{day} ottobre") for day in (8, 9, 11, 18)]
    assert said == [f"Dal numero {day} ottobre" for day in ("dell’8", "del 9", "dell’11", "del 18")]


def test_a_paragraph_written_from_right_to_left_says_so_in_an_issue_that_is_not(workspace: Path) -> None:
    copy = "She wrote:\n\n> *“مرحبا* بالعالم”\n\nIt means: שלום.\n\n- שלום\n- Peace"
    page = build(workspace, f"[[blocks]]\ntype = \"intro\"\nbody = '''{copy}'''\n").html
    directed = [tag[1] for tag in re.finditer(r"<(\w+)[^>]* dir=\"rtl\"", page)]
    assert directed == ["blockquote", "p", "ul", "li"]


def _fields(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}
