"""Warnings an editor is glad of: they never block, and say nothing about a good issue."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from newsdesk import HTML, SOURCE, STORY, TEXT, a_build, a_resolved_issue, findings

from newsletter.preflight.findings import Finding, Severity

Case = tuple[str, Callable[[], list[Finding]], str]


def html(old: str, new: str) -> Callable[[], list[Finding]]:
    assert old in HTML
    return lambda: findings(a_build(html=HTML.replace(old, new)))


def copy(new: str) -> Callable[[], list[Finding]]:
    """The story's first sentence says something else."""
    old = "The answer appears to be yes"
    return lambda: findings(
        a_build(html=HTML.replace(old, new), text=TEXT.replace(old, new)), a_resolved_issue(STORY.replace(old, new))
    )


def subject(text: str) -> Callable[[], list[Finding]]:
    return lambda: findings(a_build(subject=text))


REPORT = '<a href="https://www.bbc.com/news/report">the full report</a>'
ADVICE: list[Case] = [
    ("SIZE-HTML", html("<h1>", "<h1>" + "&nbsp;" * 15_000), "Gmail shows"),
    ("SIZE-STYLE", html("<style>", "<style>" + ".b{margin:0}" * 700), "16,384"),
    ("INL-VAR", html("font-size:17px", "font-size:17px;margin:1rem"), "1rem"),
    ("INL-IMPORTANT", html("font-size:17px", "font-size:17px !important"), "!important"),
    ("DOC", html("<!DOCTYPE html>", ""), "doctype"),
    ("DOC", html(' dir="ltr"', ""), "direction"),
    ("A11Y-ALT", html("Soldiers building a wall", "wall.jpg"), "file name"),
    ("A11Y-ALT", html("Soldiers building a wall", "Image of a wall"), "is an image"),
    ("A11Y-ALT", html("Soldiers building a wall", "w" * 151), "151 characters"),
    ("A11Y-HEAD", html("<h1>The Meridian</h1>", ""), "0 h1"),
    ("A11Y-HEAD", html("h2>", "h4>"), "level 4 follows"),
    ("A11Y-LINKTEXT", html(REPORT, '<a href="https://www.bbc.com/news/report"></a>the full report'), "no words"),
    (
        "A11Y-LINKTEXT",
        html(REPORT, f'{REPORT} <a href="https://www.bbc.com/1">here</a> <a href="https://www.bbc.com/2">Here</a>'),
        "2 links say only",
    ),
    ("A11Y-TABLE", html('<table role="presentation" width="100%">', "<table>"), "role"),
    ("TYPE", html("font-size:17px", "font-size:15px"), "15 px"),
    ("WIDTH", html('<td class="a">', '<td class="a" width="700">'), "700 px"),
    ("WIDTH", html('<td class="a">', '<td class="a" style="width:800px">'), "800 px"),
    ("IMG-DIM", html(' height="300"', ""), "height"),
    ("IMG-TYPE", html(SOURCE, "http://www.bbc.com/wall.jpg"), "https"),
    ("IMG-TYPE", lambda: findings(a_build(image=b"x" * 300_000)), "300 kB"),
    ("LINK", html("https://www.bbc.com/news/report", "http://www.bbc.com/news/report"), "not secured"),
    ("LINK", html("https://www.bbc.com/news/report", "#top"), "within the mail"),
    ("LINK-MISMATCH", html(">the full report<", ">www.reuters.com<"), "says reuters.com and leads to bbc.com"),
    ("LINK-TRACK", html("/news/report", "/news/report?id=1&amp;utm_source=x&amp;fbclid=y"), "fbclid, utm_source"),
    ("SUBJ", subject("W" + "alls at home " * 5), "phones show 35"),
    ("SUBJ", subject("WALLS AT HOME"), "all capitals"),
    ("SUBJ", subject("Walls! At home!"), "exclamation"),
    ("SUBJ", subject("Walls 🧱 at 🏠"), "emoji"),
    ("SUBJ", subject("Re: walls"), "reply"),
    ("PREH", lambda: findings(a_build(preheader="Short")), "5 characters"),
    ("PREH", lambda: findings(a_build(subject="S" * 40, preheader="s" * 40)), "repeats the subject"),
    ("TEXT-PART", lambda: findings(a_build(text=TEXT + "<br>")), "markup"),
    (
        "TEXT-PART",
        lambda: findings(a_build(text=TEXT.replace("https://www.bbc.com/news/report", "x"))),
        "not in the plain",
    ),
    ("COPY", copy("The answer appears to be be yes"), "“be be” stands twice"),
    ("COPY", copy("It was cancelled.Trains run"), "no space between sentences"),
    ("WHEN", copy("On Thursday, October 9, the answer appears to be yes"), "is a Wednesday"),
    ("WHEN", copy("On Monday 10 October 2024 the answer appears to be yes"), "is a Thursday"),
    ("COPY", copy("The answer\u200b appears to be yes"), "U+200B"),
    ("SENSITIVE", lambda: findings(None, a_resolved_issue(STORY.replace('credit = "Staff"\n', ""))), "no credit"),
]


@pytest.mark.parametrize(("rule", "broken", "words"), ADVICE, ids=[f"{case[0]}-{case[2]}" for case in ADVICE])
def test_it_is_mentioned_and_does_not_block(rule: str, broken: Callable[[], list[Finding]], words: str) -> None:
    found = [finding for finding in broken() if finding.rule == rule and words in finding.message + finding.remedy]
    assert found
    assert all(finding.severity is not Severity.ERROR and finding.remedy for finding in found)


@pytest.mark.parametrize(
    "said",
    [
        "He had had it with that that day, in Baden Baden",
        "The U.S.A. and node.js, at www.bbc.com/News.Today, said so",
        "On Wednesday, October 9, and Thursday 10 Oct the answer",
        "See Hong Kong. Trains run e.g. at 5 p.m. daily",
        "None of it was undefined, said the Nonesuch",
    ],
)
def test_what_only_looks_like_a_slip_is_left_alone(said: str) -> None:
    assert copy(said)() == []


def test_slips_stand_at_their_line() -> None:
    story = STORY.replace("on the wall", "on\nthe the wall")
    [finding] = [f for f in findings(None, a_resolved_issue(story)) if f.rule == "COPY"]
    assert str(finding.place) == "issues/2024-10-10/walls.md:12"


def test_a_subject_longer_than_a_header_line_is_information() -> None:
    found = findings(a_build(subject="w " * 45))
    assert {finding.severity for finding in found if finding.rule == "SUBJ"} == {Severity.WARNING, Severity.INFO}


def test_merge_fields_count_as_their_fallback() -> None:
    assert findings(a_build(subject="Good morning, {{first_name|reader}}: the walls of home are up")) == []
