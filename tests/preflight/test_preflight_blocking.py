"""Each blocking rule fires on a build with one thing broken, at the editor's own line, and is silent on a good one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from newsdesk import ADDRESS, HTML, ISSUE, SOURCE, STORY, TEXT, a_build, a_resolved_issue, errors, findings

from newsletter.errors import InputError, Place, Problem
from newsletter.preflight.check import check, source_findings
from newsletter.preflight.findings import Finding, Severity
from newsletter.preflight.rules import RULES

STORY_FILE = "issues/2024-10-10/walls.md"
ISSUE_FILE = "issues/2024-10-10/issue.toml"
IMG = f'<img src="{SOURCE}" alt="Soldiers building a wall" width="600" height="300">'


def in_html(old: str, new: str) -> Callable[[], list[Finding]]:
    """The good build with one piece of its HTML replaced."""
    assert old in HTML
    return lambda: findings(a_build(html=HTML.replace(old, new)))


def in_text(old: str, new: str) -> Callable[[], list[Finding]]:
    assert old in TEXT
    return lambda: findings(a_build(text=TEXT.replace(old, new)))


def in_copy(old: str, new: str) -> Callable[[], list[Finding]]:
    """The story and what is rendered of it say something else."""
    assert old in STORY
    return lambda: findings(
        a_build(html=HTML.replace(old, new), text=TEXT.replace(old, new)), a_resolved_issue(STORY.replace(old, new))
    )


def test_a_good_issue_has_no_findings() -> None:
    assert findings() == []


def test_a_good_build_without_its_sources_has_no_findings() -> None:
    from newsdesk import CONTEXT

    assert check(a_build(), None, CONTEXT) == []


BLOCKING: list[tuple[str, Callable[[], list[Finding]], str, str]] = [
    ("SIZE-HTML", in_html("</body>", "&nbsp;" * 17_500 + "</body>"), "body.html", "102,000"),
    ("SIZE-STYLE", in_html("<style>", "<style>" + ".b{margin:0}" * 1_400), "body.html", "16,384"),
    (
        "STYLE-PARSE",
        in_html("@media (max", "@supports (a:b){@media print{.b{c:d}}} @media (max"),
        "body.html:5",
        "@-rule",
    ),
    ("STYLE-PARSE", in_html("<style>", "<style>@import url(https://www.bbc.com/x);"), "body.html:5", "imported"),
    ("STYLE-PARSE", in_html("<style>", "<style>.b{color:rgb(0 0 0)}"), "body.html:5", "colour syntax"),
    ("STYLE-PARSE", in_html("<style>", "<style>.b{"), "body.html:5", "braces"),
    ("STYLE-PARSE", in_html("font-size:17px", "font-size:17px;color:oklch(1 0 0)"), "body.html:6", "#rrggbb"),
    ("INL-VAR", in_html("font-size:17px", "font-size:17px;color:var(--ink)"), "body.html:6", "variable"),
    ("TOKEN-LEFT", in_html("The Meridian", "The {{ subpage.title }}"), "body.html:10", "{{ subpage.title }}"),
    ("TOKEN-LEFT", in_html("building a wall", "building {% wall %}"), "body.html:13", "{% wall %}"),
    ("TOKEN-LEFT", in_html("/news/report", "/news/*|ID|*"), "body.html:15", "*|ID|*"),
    ("TOKEN-LEFT", in_html("The Meridian", "None"), "body.html:10", "None"),
    ("TOKEN-LEFT", in_text("Walls at home", "%%first%%"), "body.txt", "%%first%%"),
    ("TOKEN-LEFT", lambda: findings(a_build(subject="News for ${name}")), "subject.txt", "${name}"),
    (
        "TOKEN-LEFT",
        lambda: findings(a_build(preheader="Hi {{first_name}}, plus other news today")),
        "preheader.txt",
        "first",
    ),
    ("TOKEN-LEFT", in_copy("several", "TK"), f"{STORY_FILE}:9", "TK"),
    ("TOKEN-LEFT", in_copy("{{first_name|reader}}", "{{first_nam|reader}}"), f"{STORY_FILE}:11", "first_nam"),
    ("TEXT-LOST", in_html("appears to be yes", "appears to be"), f"{STORY_FILE}:9", "HTML"),
    ("TEXT-LOST", in_text("several", ""), f"{STORY_FILE}:9", "plain text"),
    ("TEXT-LOST", in_text("the full report", ""), f"{STORY_FILE}:11", "the full report"),
    ("TEXT-LOST", in_html("Here is the news", ""), f"{ISSUE_FILE}:8", "Good morning. Here is the news."),
    ("DOC", in_html(' lang="en"', ""), "body.html", "language"),
    ("DOC", in_html(' lang="en"', ' lang=""'), "body.html", "language"),
    ("DOC", in_html('<meta charset="utf-8">', ""), "body.html", "character set"),
    ("DOC", in_html("<title>Walls at home, troops abroad</title>", "<title> </title>"), f"{ISSUE_FILE}:3", "title"),
    ("A11Y-ALT", in_html(' alt="Soldiers building a wall"', ""), "body.html:13", "wall.jpg"),
    (
        "A11Y-ALT",
        in_html(IMG, f'<a href="https://www.bbc.com/x">{IMG.replace("Soldiers building a wall", "")}</a>'),
        f"{STORY_FILE}:4",
        "leads",
    ),
    ("TYPE", in_html("font-size:17px", "font-size:13px"), "body.html", "13 px"),
    (
        "OUTLOOK",
        in_html("<!--[if mso]><table", "<!--[if !mso]><!--><!--[if mso]><table"),
        "body.html:8",
        "never closed",
    ),
    ("OUTLOOK", in_html("</body>", "<!--<![endif]--></body>"), "body.html:19", "never opened"),
    ("OUTLOOK", in_html("</body>", "<![if !mso]>x<![endif]></body>"), "body.html:19", "<![if !mso]>"),
    ("OUTLOOK", in_html("<!--[if mso]></td></tr></table><![endif]-->", ""), "body.html", "<table>"),
    ("IMG-DIM", in_html(' width="600"', ""), f"{STORY_FILE}:4", "width"),
    ("IMG-DIM", in_html('width="600"', 'width="auto"'), f"{STORY_FILE}:4", "width"),
    ("IMG-TYPE", in_html(SOURCE, "data:image/png;base64,xx"), "body.html:13", "data:"),
    ("IMG-TYPE", in_html("wall.jpg", "wall.svg"), "body.html:13", "JPEG or PNG"),
    ("IMG-TYPE", in_html(SOURCE, "wall.jpg"), f"{STORY_FILE}:4", "whole address"),
    (
        "LINK",
        in_copy("https://www.bbc.com/news/report", "javascript:alert(1)"),
        f"{STORY_FILE}:11",
        "javascript:alert(1)",
    ),
    ("LINK", in_html("https://www.bbc.com/news/report", "/news/report"), f"{STORY_FILE}:11", "in full"),
    ("LINK", in_html("https://www.bbc.com/news/report", "//www.bbc.com/"), f"{STORY_FILE}:11", "in full"),
    ("LINK", in_html("https://www.bbc.com/news/report", ""), "body.html:15", "no address"),
    ("LINK", in_html("https://www.bbc.com/news/report", "https://www.bbc.com/ne ws"), "body.html:15", "space"),
    ("LINK", in_html("https://www.bbc.com/news/report", "https://www.bbc.com/”x"), "body.html:15", "curly quote"),
    ("LINK", in_copy("www.bbc.com", "www.example.com"), f"{STORY_FILE}:11", "reserved"),
    ("LINK", in_copy("www.bbc.com", "localhost:8000"), f"{STORY_FILE}:11", "this machine"),
    ("LINK", in_copy("www.bbc.com", "192.0.2.7"), f"{STORY_FILE}:11", "bare IP"),
    ("UNSUB", in_html('<a href="{{unsubscribe_url}}">Unsubscribe</a>', ""), "body.html", "no visible link"),
    (
        "UNSUB",
        in_html('<a href="{{unsubscribe_url}}">', '<a style="display:none" href="{{unsubscribe_url}}">'),
        "body.html",
        "visible",
    ),
    ("UNSUB", in_html(">Unsubscribe<", "><"), "body.html", "visible"),
    ("UNSUB", in_html("font-size:13px", "font-size:9px"), "body.html:16", "9 px"),
    ("UNSUB", in_html("<h1>", "<h1>" + "x " * 51_000), "body.html:16", "Gmail"),
    ("UNSUB", in_text("{{unsubscribe_url}}", "see the HTML"), "body.txt", "no link"),
    ("UNSUB", in_html(ADDRESS, ""), "body.html", "postal address"),
    ("UNSUB", in_text(ADDRESS, ""), "body.txt", "postal address"),
    ("UNSUB", lambda: findings(postal_address=""), "body.html", "postal address"),
    ("UNSUB", lambda: findings(transport="ses", public_url="http://news.bbc.com"), "config.toml", "https"),
    ("SUBJ", lambda: findings(a_build(subject="")), f"{ISSUE_FILE}:3", "no subject"),
    ("SUBJ", lambda: findings(previous_subject="Walls at home, troops abroad"), f"{ISSUE_FILE}:3", "last issue"),
    ("PREH", lambda: findings(a_build(preheader=" ")), f"{ISSUE_FILE}:4", "no preheader"),
    ("TEXT-PART", lambda: findings(a_build(text="\n")), "body.txt", "empty"),
    ("TEXT-PART", in_text("Walls at home", "W" * 1_000), "body.txt:1", "998"),
    ("DATE", lambda: findings(a_build(day="2024-10-09")), f"{ISSUE_FILE}:2", "2024-10-09"),
    ("COPY", in_copy("appears", "appearsâ€™"), f"{STORY_FILE}:9", "encoding"),
]


@pytest.mark.parametrize(("rule", "broken", "where", "words"), BLOCKING, ids=[f"{b[0]}-{b[3]}" for b in BLOCKING])
def test_one_thing_broken_is_found_where_it_stands(
    rule: str, broken: Callable[[], list[Finding]], where: str, words: str
) -> None:
    found = [finding for finding in broken() if finding.rule == rule and finding.severity is Severity.ERROR]
    assert found, f"{rule} found nothing"
    told = [finding for finding in found if words in finding.message + finding.remedy]
    assert told, [finding.message for finding in found]
    assert where in [str(finding.place) for finding in told]
    assert all(finding.remedy for finding in found)


@pytest.mark.parametrize("rule", sorted({rule for rule, *_ in BLOCKING}))
def test_a_broken_thing_is_no_other_rules_business(rule: str) -> None:
    """At least one of a rule's cases is found by that rule alone, so a waiver of it would be enough."""
    assert any(errors(broken()) == {rule} for name, broken, *_ in BLOCKING if name == rule)


def test_every_rule_that_can_block_is_tried_here() -> None:
    tried = {rule for rule, *_ in BLOCKING} | {"SOURCE", "EMBARGO", "SPONSOR", "POLL-OPEN", "POLL-OVER"}
    assert tried == {rule.id for rule in RULES.values() if rule.worst is Severity.ERROR}


def under(until: str, **known: object) -> list[Finding]:
    story = STORY.replace("title =", f'embargo = "{until}"\ntitle =')
    return findings(None, a_resolved_issue(story), **known)


def test_a_story_under_embargo_holds_the_issue_until_its_hour() -> None:
    [finding] = under("2024-10-10T12:00", leaves=datetime(2024, 10, 10, 15, 59, tzinfo=UTC))  # New York: 16:00 UTC
    assert (finding.rule, finding.severity, str(finding.place)) == ("EMBARGO", Severity.ERROR, f"{STORY_FILE}:2")
    assert "2024-10-10 12:00 EDT; the issue goes out at 2024-10-10 11:59 EDT" in finding.message
    assert under("2024-10-10T12:00", leaves=datetime(2024, 10, 10, 16, 0, tzinfo=UTC)) == []
    assert errors(under("2024-10-10T10:31+00:00", leaves=datetime(2024, 10, 10, 10, 30, tzinfo=UTC))) == {"EMBARGO"}


def test_where_only_its_day_is_known_an_embargo_of_that_day_warns_and_a_later_one_blocks() -> None:
    assert under("2024-10-10T06:30") == []  # it is past: the check is made at 06:30 in New York
    assert [finding.severity for finding in under("2024-10-10T23:59")] == [Severity.WARNING]
    assert errors(under("2024-10-11T00:00")) == {"EMBARGO"}


def test_the_day_is_that_of_the_newsletters_zone() -> None:
    assert findings(now=datetime(2024, 10, 11, 3, 59, tzinfo=UTC)) == []  # 23:59 in New York
    assert errors(findings(now=datetime(2024, 10, 11, 4, 0, tzinfo=UTC))) == {"DATE"}


def test_unreachable_links_are_one_warning_where_no_real_mail_leaves() -> None:
    issue = a_resolved_issue(STORY.replace("www.bbc.com", "www.example.com"))
    build = a_build(
        html=HTML.replace("www.bbc.com", "www.example.com"), text=TEXT.replace("www.bbc.com", "www.example.com")
    )
    for changes in ({"transport": "outbox"}, {"endpoint_override": True}):
        [finding] = findings(build, issue, **changes)
        assert (finding.rule, finding.severity) == ("LINK", Severity.WARNING)
        assert "www.example.com" in finding.message
    assert errors(findings(build, issue)) == {"LINK"}


def test_our_own_unreachable_address_is_a_matter_of_the_settings() -> None:
    html = HTML.replace("https://www.bbc.com", "http://127.0.0.1:8000")
    found = findings(
        a_build(html=html, text=TEXT.replace("https://www.bbc.com", "http://127.0.0.1:8000")),
        public_url="http://127.0.0.1:8000",
    )
    assert "config.toml" in {str(finding.place) for finding in found if finding.rule == "LINK"}


def test_copy_shown_only_as_a_summary_need_not_be_there_whole() -> None:
    stories = ISSUE.replace('type = "lead"\nstory = "walls"', 'type = "stories"\nstories = ["walls"]')
    shorter = re.sub(r"<p>The answer.*?</p>", "", HTML)
    text = TEXT.replace("The answer appears to be yes, “several” sources say.", "")
    assert errors(findings(a_build(html=shorter, text=text), a_resolved_issue(issue=stories))) == set()


def test_wrapping_quotes_capitals_and_footnotes_are_no_loss() -> None:
    text = TEXT.replace("The answer appears to be yes", "> The answer\n> appears  to\n> be YES")
    assert errors(findings(a_build(text=text))) == set()


def test_problems_of_sources_become_findings() -> None:
    problem = Problem(Place("issues/x/issue.toml", 7), "unknown key `storys`.", "Did you mean `story`?")
    [finding] = source_findings(InputError([problem]))
    assert finding == Finding("SOURCE", Severity.ERROR, problem.place, problem.message, problem.remedy)


def test_findings_come_worst_first_and_then_by_place() -> None:
    found = findings(a_build(html=HTML.replace(' lang="en"', "").replace("<h1>The Meridian</h1>", ""), subject=""))
    ranks = [list(Severity).index(finding.severity) for finding in found]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    "html", ["", "<", "<p", "<a href=", "\ufffd\x00", "</p></div>" * 50, "<a>" * 3000, "<!--[if", "<style>{"]
)
def test_no_page_is_too_broken_to_be_checked(html: str) -> None:
    assert errors(findings(a_build(html=html)))
