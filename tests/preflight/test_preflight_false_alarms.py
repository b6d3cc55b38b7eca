"""What is right must not block an issue, and what is wrong is shown at its own line."""

from __future__ import annotations

import pytest
from newsdesk import HTML, ISSUE, STORY, TEXT, a_build, a_resolved_issue, findings

OLD = "The answer appears to be yes"


@pytest.mark.parametrize(
    ("copy", "html", "text"),
    [
        ("An *un*believable day", "An <em>un</em>believable day", "An unbelievable day"),
        ("**None** of them", "<strong>None</strong> of them", "None of them"),
        ("北京市的长文本", "北京市的长文本", "北京市的\n长文本"),
        (
            "A pre[fix](https://www.bbc.com/x)ed word",
            'A pre<a href="https://www.bbc.com/x">fix</a>ed word',
            "A prefix <https://www.bbc.com/x> [2]ed word",
        ),
        (r"The tags \<b> and &lt;i&gt;", "The tags &lt;b&gt; and &lt;i&gt;", "The tags ‹b› and ‹i›"),
    ],
)
def test_copy_that_reaches_readers_whole_is_no_error(copy: str, html: str, text: str) -> None:
    resolved = a_resolved_issue(STORY.replace(OLD, copy))
    found = findings(a_build(html=HTML.replace(OLD, html), text=TEXT.replace(OLD, text)), resolved)
    assert [finding for finding in found if finding.severity == "error"] == []


def test_a_short_issue_is_not_judged_by_its_footer() -> None:
    footer = f'<p style="font-size:13px">{"small print " * 60}'
    found = findings(a_build(html=HTML.replace('<p style="font-size:13px">', footer)))
    assert "TYPE" not in [finding.rule for finding in found]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('"""\nGood morning.\n\nIt was was.\n"""', 11),
        ('"""\nGood \\\n  morning.\nIt was was.\n"""', 11),
        ('"""Good morning.\nIt was was."""', 9),
        ('"It was was."', 8),
    ],
)
def test_a_slip_in_a_block_stands_at_its_line(body: str, line: int) -> None:
    issue = ISSUE.replace('"Good morning. Here is the news."', body)
    found = findings(a_build(), a_resolved_issue(issue=issue))
    assert [finding.place.line for finding in found if finding.rule == "COPY"] == [line]


def test_a_list_in_an_item_set_as_one_paragraph_is_mentioned() -> None:
    issue = ISSUE + '\n[[blocks]]\ntype = "briefs"\n[[blocks.items]]\nbody = """One:\n- two\n- three"""\n'
    found = findings(a_build(), a_resolved_issue(issue=issue))
    assert [finding.place.line for finding in found if "one paragraph" in finding.message] == [18]
