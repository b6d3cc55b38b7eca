"""What is wrong inside an `html` block is said at its line, with what an editor can do; the theme is not to blame."""

from __future__ import annotations

from newsdesk import HTML, ISSUE, TEXT, a_build, a_resolved_issue, findings

from newsletter.preflight.findings import Finding

FILE = "issues/2024-10-10/issue.toml"
BLOCK = '\n[[blocks]]\ntype = "html"\nhtml = """\n<p>Dear all</p>\n%s\n"""\n'
LINE = ISSUE.count("\n") + 5


def by_hand(written: str, said: str) -> list[Finding]:
    """The good issue with a block of HTML, and a table that is the theme's."""
    html = HTML.replace("<h2>", f"<p>Dear all</p>{written}<table><tr><td>Masthead</td></tr></table><h2>")
    text = TEXT.replace("WALLS", f"Dear all\n\n{said}\n\nMasthead\n\nWALLS")
    return findings(a_build(html=html, text=text), a_resolved_issue(issue=ISSUE + BLOCK % written))


def test_a_table_written_by_hand_is_the_editors_and_one_of_the_themes_is_the_themes() -> None:
    found = by_hand("<table><tr><td>A &amp; B</td></tr></table>", "A & B")
    told = {str(f.place): f.remedy for f in found if f.rule == "A11Y-TABLE"}
    assert told.pop(f"{FILE}:{LINE}") == "Mark its headings with <th>, or write it as a block of type table."
    [(place, remedy)] = told.items()
    assert (place.startswith("body.html:"), "theme" in remedy) == (True, True)
    ours = by_hand("<table><tr><th>A</th></tr></table>", "A")
    assert [str(f.place).split(":")[0] for f in ours if f.rule == "A11Y-TABLE"] == ["body.html"]


def test_template_syntax_that_tags_and_references_cut_up_stands_at_the_blocks_line() -> None:
    found = by_hand("<p>&#123;&#123; name }} and T<b>K</b></p>", "{{ name }} and TK")
    left = [(str(f.place), f.message.split("`")[1]) for f in found if f.rule == "TOKEN-LEFT"]
    assert left == [(f"{FILE}:{LINE + 1}", "{{ name }}")]
