"""Rules about single parts of an issue: sponsors and where they stand, lengths, HTML written by hand."""

from __future__ import annotations

from typing import get_args

import pytest
from newsdesk import ISSUE, STORY, a_build, a_resolved_issue, findings

from newsletter.editorial.definition import Block
from newsletter.preflight.findings import Finding, Severity
from newsletter.rendering.handmade import as_markdown, kept, taken_out
from newsletter.settings import BudgetSettings, Measured

SPONSOR = '[[blocks]]\ntype = "sponsor"\nname = "Harbour"\nlabel = "Presented by"\nbody = "Come."\n'
PREVIOUSLY = '[[blocks]]\ntype = "previously"\nstory = "walls"\n'
DIVIDER = '[[blocks]]\ntype = "divider"\n'
HEAD, FIRST, LEAD = ISSUE.partition("[[blocks]]")[0], *ISSUE.partition("[[blocks]]")[2].split("[[blocks]]")
INTRO, LEAD = f"[[blocks]]{FIRST}", f"[[blocks]]{LEAD}"


def of(rule: str, blocks: str, **changes: object) -> list[Finding]:
    found = findings(a_build(), a_resolved_issue(STORY, HEAD + blocks), **changes)
    return [finding for finding in found if finding.rule == rule]


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (INTRO + LEAD + SPONSOR, None),
        (INTRO + LEAD + SPONSOR + DIVIDER + SPONSOR, None),
        (INTRO + SPONSOR + LEAD, None),
        (INTRO + LEAD + PREVIOUSLY + SPONSOR, None),
        (INTRO + LEAD + 'cta = { text = "On", url = "https://example.com" }\n' + SPONSOR + INTRO, None),
        (INTRO + LEAD + SPONSOR * 3, "one sponsor too many: an issue has at most 2"),
        (SPONSOR + INTRO + LEAD, "the issue opens with a sponsor"),
        (INTRO + LEAD + SPONSOR + PREVIOUSLY, "between a story and the block that continues it"),
        (INTRO + LEAD + SPONSOR + DIVIDER + PREVIOUSLY, "between a story and the block that continues it"),
        (INTRO + LEAD + SPONSOR + "from = 2024-10-11\n", "runs from 2024-10-11; the issue is of 2024-10-10"),
        (INTRO + LEAD + SPONSOR + "until = 2024-10-09\n", "ran until 2024-10-09; the issue is of 2024-10-10"),
        (INTRO + LEAD + SPONSOR + "from = 2024-10-10\nuntil = 2024-10-10\n", None),
    ],
)
def test_a_sponsor_runs_when_it_was_booked_and_never_gets_between_a_story_and_its_text(
    blocks: str, said: str | None
) -> None:
    found = of("SPONSOR", blocks)
    assert [finding.severity for finding in found] == ([Severity.ERROR] if said else [])
    assert all(said in finding.message and finding.place.line for finding in found if said)


LONG = "One two three four five six seven eight."
BRIEFS = f'[[blocks]]\ntype = "briefs"\n[[blocks.items]]\nbody = "Short."\n[[blocks.items]]\nbody = "{LONG}"\n'


@pytest.mark.parametrize(
    ("blocks", "budget", "line", "said"),
    [
        (INTRO + LEAD, {"words": {"lead": 10}}, 10, "“Walls go up at home” has 17 words, 7 over the budget of 10"),
        (INTRO + LEAD, {"words": {"lead": 17, "story": 1}}, None, ""),
        (INTRO + LEAD, {"words": {"intro": 5}}, 6, "the intro has 6 words, 1 over"),
        (INTRO + BRIEFS, {"words": {"brief": 7}}, 14, "the brief has 8 words, 1 over"),
        (INTRO + BRIEFS, {"words": {"briefs": 8}}, 10, "the briefs has 9 words, 1 over"),
        (INTRO + LEAD, {"issue": 30}, 6, "over its budget of 30"),
        (INTRO + LEAD, {"issue": 300, "read_minutes": 1}, None, ""),
    ],
)
def test_what_is_longer_than_its_budget_is_said_with_the_words_over(
    blocks: str, budget: dict[str, object], line: int | None, said: str
) -> None:
    found = of("BUDGET", blocks, budgets=BudgetSettings.model_validate(budget))
    assert [(finding.severity, finding.place.line) for finding in found] == ([(Severity.WARNING, line)] if line else [])
    assert all(said in finding.message for finding in found)


def test_the_minutes_are_those_of_the_issue_between_its_rules() -> None:
    rule = f"\n{'-' * 72}\n"
    text = f"HEAD\n{rule}{'word ' * 400}{rule}{'word ' * 400}{rule}{'foot ' * 900}"
    [found] = [
        finding
        for finding in findings(a_build(text=text), budgets=BudgetSettings(read_minutes=2))
        if finding.rule == "BUDGET"
    ]
    assert "takes 3 minutes to read; its budget is 2" in found.message


def test_whatever_stands_in_an_issue_may_have_a_budget() -> None:
    types = {tag for model in get_args(get_args(Block)[0]) for tag in get_args(model.model_fields["type"].annotation)}
    assert set(get_args(Measured)) == types - {"include"} | {"brief"}


def html(markup: str) -> str:
    return f"[[blocks]]\ntype = \"html\"\nhtml = '''\n{markup}\n'''\n"


def test_html_by_hand_is_a_note_and_a_warning_that_names_what_was_taken_out() -> None:
    [plain] = of("HTML-BLOCK", INTRO + html("<p>Fine, <b>bold</b>.</p>"))
    assert (plain.severity, plain.place.line) == (Severity.INFO, 13)
    hostile = (
        '<p style="color:red" onclick="x()">Hi <img src="https://example.org/p.gif">'
        '<a href="javascript:x()">there</a></p><script>x()</script>'
    )
    [found] = of("HTML-BLOCK", INTRO + html(hostile))
    assert found.severity is Severity.WARNING
    for gone in ("`style`", "`onclick`", "<img>", "`javascript:x()`", "<script>"):
        assert gone in found.message


def test_html_by_hand_keeps_merge_fields_and_says_the_same_in_plain_text() -> None:
    written = '<p>Dear {{first_name|rea_der}}, 2 * 3 &lt; 7, <a href="{{preferences_url}}">choose</a> {{7*7}}.</p>'
    assert taken_out(written) == []
    assert '<a href="{{preferences_url}}">choose</a>' in kept(written)
    assert "{{first_name|rea_der}}" in kept(written)
    assert "[choose]({{preferences_url}})" in as_markdown(written)
    assert "{{first_name|rea_der}}" in as_markdown(written)
    assert "href" not in kept('<a href="{{first_name|x}}">no address</a>')


BY_HAND = """\
<table><tr><td>Berlin</td>
<td>Berlin</td></tr></table>
<p>It was the
<b>the</b> end.Then came Wednesday, October 10,
   and a <a href="https://example.org">link</a>.</p><!-- not
said --><style>p {
  color: red }</style><p>â€œMended&nbsp;words.</p>"""


def test_copy_written_as_html_is_read_as_copy_is_at_its_own_lines() -> None:
    first = (HEAD + INTRO + LEAD).count("\n") + 4
    blocks = INTRO + LEAD + html(BY_HAND)
    said = {(found.message, found.place.line) for found in of("COPY", blocks)}
    assert said == {
        ("“the the” stands twice.", first + 2),
        ("“end.Then” has no space between sentences.", first + 3),
        ("“â€œ” is a character that was read in the wrong encoding.", first + 6),
    }
    [when] = of("WHEN", blocks)
    assert ("Wednesday, October 10" in when.message, when.place.line) == (True, first + 3)


def test_every_word_of_copy_written_as_html_must_reach_readers_but_scripts_and_comments() -> None:
    blocks = (
        INTRO + LEAD + html("<p>Good morning.</p>\n<script>x()</script><!-- or not -->\n<p>Not in the <b>mail</b></p>")
    )
    line = (HEAD + INTRO + LEAD).count("\n") + 6
    found = of("TEXT-LOST", blocks)
    assert [(each.message, each.place.line) for each in found] == [
        (f"“Not in the mail” is not in the {where}.", line) for where in ("HTML", "plain text")
    ]
