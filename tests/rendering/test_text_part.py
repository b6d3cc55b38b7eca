"""The text part is a letter of its own: 72 columns, headings in capitals, links as footnotes, and how to leave."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from issue_by_hand import ASKED, STORY, build

from newsletter.rendering.dates import long_date, short_date
from newsletter.rendering.readtime import minutes

LEAD = '[[blocks]]\ntype = "lead"\nstory = "walls"\n'
CTA = '[[blocks]]\ntype = "cta"\ntext = "Join"\nurl = "https://example.org/join"\n'


def test_it_begins_with_subject_date_and_where_to_read_online(workspace: Path) -> None:
    assert build(workspace, CTA).text.splitlines()[:5] == [
        "The subject",
        "",
        "THE MERIDIAN",
        "Thursday, October 10, 2024 - 1 min read",
        "View online: https://news.example.org/archive/daily/2024-10-10",
    ]


def test_it_ends_with_the_way_out_and_the_address(workspace: Path) -> None:
    tail = build(workspace, CTA).text.rstrip().splitlines()[-4:]
    links = ["Unsubscribe: {{unsubscribe_url}}", "Preferences: {{preferences_url}}"]
    assert tail == [*links, "", "The Meridian, 1 Example Street, Springfield"]


def test_links_are_footnotes_under_their_section_numbered_through_the_issue(workspace: Path) -> None:
    text = build(workspace, LEAD + LEAD.replace("lead", "story"), {"walls": STORY}).text
    assert "Its second, with a link [1].\n\n[1] https://example.org/second" in text
    assert "Its second, with a link [2].\n\n[2] https://example.org/second" in text


def test_headings_are_in_capitals(workspace: Path) -> None:
    assert "A WALL AT HOME" in build(workspace, LEAD, {"walls": STORY}).text


def test_no_line_is_longer_than_72_but_one_that_holds_an_address(workspace: Path) -> None:
    story = STORY + "\n" + "A long sentence that goes on and on, about nothing. " * 30
    intro = '[[blocks]]\ntype = "intro"\nbody = "See [here](https://example.org/' + "x" * 90 + ')."\n'
    lines = build(workspace, LEAD + intro, {"walls": story}).text.splitlines()
    assert all(len(line) <= 72 for line in lines if "://" not in line)
    assert any(len(line) > 90 for line in lines)


def test_it_has_no_markup_no_padding_and_no_ragged_blank_lines(workspace: Path) -> None:
    text = build(workspace, LEAD, {"walls": STORY}).text
    assert not {"<", "\u034f", "\u200c", "\u00a0", "\r"} & set(text)
    assert "\n\n\n" not in text
    assert text.endswith("Springfield\n")


def test_a_list_in_an_answer_stays_a_list(workspace: Path) -> None:
    qa = '[[blocks]]\ntype = "q-and-a"\nwho = "W"\n[[blocks.items]]\nquestion = "Q?"\nanswer = "- one\\n- two"\n'
    assert "A:\n\n- one\n- two" in build(workspace, qa).text


@pytest.mark.parametrize(("words", "shown"), [(0, 1), (1, 1), (344, 1), (346, 2), (1150, 5)])
def test_read_time_is_whole_minutes_and_at_least_one(words: int, shown: int) -> None:
    assert minutes("word " * words + "[1] https://example.org/not/read ---") == shown


def test_dates_come_from_our_own_table_and_are_iso_where_we_have_none() -> None:
    day = date(2024, 10, 10)
    assert long_date(day, "en") == "Thursday, October 10, 2024"
    assert long_date(day, "en-GB") == "Thursday, October 10, 2024"
    assert long_date(day, "de") == "Donnerstag, 10. Oktober 2024"
    assert long_date(day, "eo") == "2024-10-10"
    assert short_date(date(2024, 10, 9), "en", beside=day) == "October 9"
    assert short_date(date(2023, 1, 31), "en", beside=day) == "January 31, 2023"


def test_a_quotation_loses_only_the_one_pair_of_quotes_around_it(workspace: Path) -> None:
    quote = '[[blocks]]\ntype = "quote"\nspeaker = "A"\ntext = \'{}\'\n'
    assert "“We shall see.”" in build(workspace, quote.format('"We shall see."')).text
    assert "“He said “no””" in build(workspace, quote.format('He said "no"')).text
    for marked in ("„We shall see.“", "« We shall see. »"):
        assert "“We shall see.”" in build(workspace, quote.format(marked)).text


def test_an_expert_without_a_headline_is_named_once(workspace: Path) -> None:
    block = '[[blocks]]\ntype = "q-and-a"\nwho = "Ms. X"\nitems = [{ question = "Why?", answer = "So." }]\n'
    made = build(workspace, block)
    assert (made.text.upper().count("MS. X"), made.html.count("Ms. X")) == (1, 1)


def test_a_dropped_question_does_not_promise_more(workspace: Path) -> None:
    asked = replace(ASKED, status="dropped", answer="", answer_label="")
    text = build(workspace, '[[blocks]]\ntype = "follow-up"\nquestion = "nk-troops"\n', asked=asked).text
    assert "we have stopped looking" in text
    assert "still on it" not in text


def test_a_link_inside_a_related_headline_is_not_put_inside_another(workspace: Path) -> None:
    item = '{ headline = "See [this](https://example.org/in) now", url = "https://example.org/out" }'
    html = build(workspace, f'[[blocks]]\ntype = "related"\nitems = [{item}]\n').html
    assert not re.search(r"<a\b(?:(?!</a>).)*<a\b", html, re.DOTALL)
    assert "https://example.org/out" in html
