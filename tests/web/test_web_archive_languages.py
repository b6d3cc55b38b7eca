"""An issue's page in the archive speaks the language of the issue, and so does what puts an issue right."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta

import pytest
from web_issues import INTRO, POLL, Newsroom
from web_newsroom import subscribe

from newsletter.app import App
from newsletter.sending.corrections import add_correction, correction_issue
from newsletter.web.public.archive_phrases import Speech

TENTH = "2024-10-10"
PAGE = f"/archive/daily/{TENTH}"
ASKS = 'tags = []\n[[asks]]\nid = "wall"\nquestion = "Hält sie?"\n'
ANSWERS = f'follows = ["{TENTH}/asking"]\n[[answers]]\nquestion = "wall"\nstatus = "still-open"\n'
ENGLISH = re.compile(
    r"\b(issues?|sign|correction|wrote|it is|taken|again|continue[sd]|previous|next|votes?|poll|answer|october)\b",
    re.IGNORECASE,
)


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    found = Newsroom(app)
    subscribe(app, "ada@example.org")
    return found


def block(story: str) -> str:
    return f'[[blocks]]\ntype = "story"\nstory = "{story}"\n'


def wrong(newsroom: Newsroom) -> None:
    add_correction(newsroom.app.store, TENTH, was="30 km", is_="13 km", person="ed", now=newsroom.clock.at)


def test_around_a_german_issue_there_is_no_english(newsroom: Newsroom) -> None:
    newsroom.story(f"{TENTH}/asking", ASKS)
    newsroom.story("2024-10-11/answering", ANSWERS)
    german = 'lang = "de"\n'
    newsroom.send("2024-10-09", german + INTRO)
    newsroom.send(TENTH, german + INTRO + block("asking") + POLL)
    follow_up = '[[blocks]]\ntype = "follow-up"\nquestion = "wall"\n'
    newsroom.send("2024-10-11", german + INTRO + block("answering") + follow_up, waive="SENSITIVE")
    wrong(newsroom)
    open_page = newsroom.site().get(PAGE).text
    newsroom.clock.at += timedelta(days=8)
    closed_page = newsroom.site().get(PAGE).text

    ours = re.findall(r'<div class="archived.*?</div>', open_page + closed_page, re.DOTALL)
    assert len(ours) == 6
    spoken = " ".join(re.sub(r"<[^>]*>", " ", " ".join(ours)).split())
    assert ENGLISH.findall(spoken) == []
    for words in (
        "Korrektur vom 11. Oktober: wir schrieben: „30 km“ Richtig ist: „13 km“",
        "Wieder aufgegriffen am 11. Oktober: Hält sie?",
        "Fortgesetzt am 11. Oktober: A story",
        "Vorige Ausgabe News of 2024-10-09 Nächste Ausgabe",
        "Anmelden , um The Meridian per E-Mail zu bekommen.",
        "Abgestimmt wird über den Link in der Mail. Die Umfrage läuft bis",
        "Diese Umfrage ist beendet. Stimmen zählten bis",
        "0 Stimmen Antwort Anteil Stimmen",
    ):
        assert words in spoken
    assert all('lang="de"' in piece for piece in ours)
    assert ">Sign up<" not in open_page
    assert "Setzt eine Ausgabe vom 10. Oktober fort:" in newsroom.site().get("/archive/daily/2024-10-11").text


def test_an_issue_that_puts_a_german_one_right_is_german(newsroom: Newsroom) -> None:
    newsroom.send(TENTH, 'lang = "de-AT"\n' + INTRO)
    wrong(newsroom)
    app = newsroom.app
    folder = correction_issue(app.store, app.workspace, TENTH, name=None, now=newsroom.clock.at)
    made = tomllib.loads((folder / "issue.toml").read_text(encoding="utf-8"))
    assert (made["lang"], made["subject"]) == ("de-AT", "Korrektur zu unserer Ausgabe vom 10. Oktober")
    assert made["blocks"][0]["body"].startswith("In unserer Ausgabe vom 10. Oktober war etwas falsch.")


def test_around_an_issue_whose_language_we_do_not_speak_the_page_is_english_and_says_so() -> None:
    speech = Speech("sv")
    assert (speech.lang, speech("sign_up"), speech.quotes.open) == ("en", "Sign up", "“")
    assert Speech("fr-CH").lang == "fr-CH"
