"""Copy to HTML: what editors meant, and nothing that copy cannot say in mail."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.rendering.markdown import problems_in_copy, problems_of, to_html, to_inline_html


def html(copy: str, lang: str = "en") -> str:
    return str(to_html(copy, lang=lang))


def inline(copy: str, lang: str = "en") -> str:
    return str(to_inline_html(copy, lang=lang))


def test_paragraphs_lists_and_emphasis_come_out_as_such() -> None:
    assert html("A *b* **c** ~~d~~\n\n- e\n- f") == (
        "<p>A <em>b</em> <strong>c</strong> <s>d</s></p>\n<ul>\n<li>e</li>\n<li>f</li>\n</ul>"
    )


def test_headings_in_copy_begin_below_a_blocks_headline() -> None:
    assert html("# One\n\n## Two\n\n###### Six") == "<h3>One</h3>\n<h4>Two</h4>\n<h4>Six</h4>"


def test_a_table_names_its_columns_and_keeps_its_alignment() -> None:
    table = html("| Port | Ships |\n|---|--:|\n| Lisbon | 4 |")
    assert '<th scope="col">Port</th>' in table
    assert '<td align="right">4</td>' in table
    assert "style=" not in table


def test_a_sentence_that_begins_with_a_year_is_no_list() -> None:
    assert html("1986. A year.") == "<p>1986. A year.</p>"
    assert html("3. c") == '<ol start="3">\n<li>c</li>\n</ol>'


@pytest.mark.parametrize(
    ("target", "href"),
    [
        ("www.example.org/a", "https://www.example.org/a"),
        ("example.org", "https://example.org"),
        ("example.org/a?b=1&copy=2", "https://example.org/a?b=1&amp;copy=2"),
        ("desk@example.org", "mailto:desk@example.org"),
        ("http://example.org/é", "http://example.org/%C3%A9"),
        ("tel:+4930123", "tel:+4930123"),
        ("{{unsubscribe_url}}", "{{unsubscribe_url}}"),
        ("<https://example.org/?n={{first_name|a b}}>", "https://example.org/?n={{first_name|a b}}"),
    ],
)
def test_a_link_target_is_made_a_whole_address(target: str, href: str) -> None:
    assert f'<a href="{href}">x</a>' in html(f"[x]({target})")
    assert problems_of(f"[x]({target})") == []


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\u200bscript:alert(1)",
        "&#106;avascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "//evil.example/x",
        "/about",
        "walls.md",
        "#top",
        "file:///etc/passwd",
        "https://",
        "{{first_name|x}}",
        "",
    ],
)
def test_a_link_that_leads_nowhere_leaves_its_words_and_is_reported(target: str) -> None:
    assert html(f"see [these words]({target}) now") == "<p>see these words now</p>"
    [(line, message)] = problems_of(f"first\n\nsee [these words]({target}) now")
    assert line == 3
    assert "address" in message


def test_a_link_with_a_space_in_its_address_is_reported_at_its_line() -> None:
    [problem] = problems_in_copy("one\ntwo\n[b](https://example.org/?q=a b)\n")
    assert (problem.line, problem.rule) == (3, "LINK")
    assert "%20" in problem.message


def test_html_in_copy_is_shown_as_text_and_reported() -> None:
    assert html('a <b onclick="x">c</b> <script>d</script>').count("<") == 2  # the paragraph's own
    assert [p.rule for p in problems_in_copy("a <b>c</b>")] == ["TOKEN-LEFT", "TOKEN-LEFT"]
    assert problems_of("3 < 4 and 5 > 2, a <- b") == []


def test_a_picture_in_copy_is_refused_with_what_to_do() -> None:
    assert html("see ![the wall](wall.jpg)") == "<p>see the wall</p>"
    [problem] = problems_in_copy("see ![the wall](wall.jpg)")
    assert "front matter" in problem.message


def test_merge_fields_come_through_every_construct_unchanged() -> None:
    copy = '**{{first_name|reader}}** `{{first_name|a "b"}}` [x]({{unsubscribe_url}} "t") {{first_name|l\'ami}}'
    out = html(copy)
    assert "<strong>{{first_name|reader}}</strong>" in out
    assert "<code>{{first_name|a &quot;b&quot;}}</code>" in out
    assert 'href="{{unsubscribe_url}}"' in out
    assert "{{first_name|l&#x27;ami}}" in out


def test_a_fallback_cannot_bring_markup() -> None:
    assert html("{{first_name|<b>x</b>}}") == "<p>{{first_name|&lt;b&gt;x&lt;/b&gt;}}</p>"


def test_words_like_our_own_placeholders_are_left_alone() -> None:
    assert html("zq0qz {{first_name|a}} ZQ0QZ zq1qz") == "<p>zq0qz {{first_name|a}} ZQ0QZ zq1qz</p>"


def test_copy_is_never_a_template() -> None:
    assert html("{{ 7*7 }} {% x %}") == "<p>{{ 7*7 }} {% x %}</p>"
    assert len(problems_of("{{ 7*7 }}")) == 1


@pytest.mark.parametrize(
    ("lang", "copy", "said"),
    [
        ("en", "\"Yes,\" she said, 'no'.", "“Yes,” she said, ‘no’."),
        ("en-GB", "It's the '90s' end", "It’s the ’90s’ end"),
        ("en", "5'10\" tall, 6\" long, 6' wide", "5'10\" tall, 6\" long, 6' wide"),
        ("en", '"born in 1990" and "\'quoted\' inside"', "“born in 1990” and “‘quoted’ inside”"),
        ("en", '"**Bold** start" and "a `"code"` b"', '“Bold start” and “a "code" b”'),
        ("en", '("x") —"y"', "(“x”) —“y”"),
        ("en", "dogs' tails, rock 'n' roll", "dogs’ tails, rock ‘n’ roll"),
        ("de", "\"Ja\", sagte sie, 'nein'.", "„Ja“, sagte sie, ‚nein‘."),
        ("de-CH", '"Ja"', "«Ja»"),
        ("fr", '"Oui", dit l\'homme', "«\u202fOui\u202f», dit l’homme"),
        ("it", '"Sì", l\'uomo', "«Sì», l’uomo"),
        ("nl", '"Ja", zei hij', "“Ja”, zei hij"),
        ("pl", '"Tak"', '"Tak"'),
        ("en", "“Already” ‘curly’", "“Already” ‘curly’"),
        ("en", 'see https://example.org/?a="b" "c"', 'see https://example.org/?a="b" “c”'),
    ],
)
def test_quotes_are_those_of_the_language(lang: str, copy: str, said: str) -> None:
    text = re.sub(r"<[^>]+>", "", html(copy, lang)).replace("&quot;", '"').replace("&amp;", "&")
    assert text == said


def test_a_one_line_field_has_no_paragraph_and_no_blocks() -> None:
    assert inline('# A **b** "c" [d](example.org)') == '# A <strong>b</strong> “c” <a href="https://example.org">d</a>'
    assert inline("1. one") == "1. one"


def test_invisible_characters_and_foreign_line_ends_go() -> None:
    assert html("a\u200bb\ufeffc\r\nd\u202ee\x07f") == "<p>abc\ndef</p>"


def test_accents_are_composed() -> None:
    assert html("cafe\u0301") == "<p>café</p>"


def test_a_bare_domain_in_text_stays_text() -> None:
    assert html("see example.org and file.py") == "<p>see example.org and file.py</p>"


_CONSTRUCTS = ["# h", "> q", "- a", "  - b", "1. c", "**b** _i_ `c`", "| a | b |", "|---|---|", "```", "a\\", ""]
_TRICKS = [
    "text {{first_name|a b}}",
    "[l](https://example.org)",
    "[x](javascript:y)",
    "<b>x</b>",
    "&amp; &lt; <",
    '"q"',
]
_LINES = st.lists(st.sampled_from(_CONSTRUCTS + _TRICKS), max_size=12)
_ALLOWED = set(
    re.findall(r"\w+", "p br a strong em s ul ol li blockquote h3 h4 hr pre code table thead tbody tr th td")
)


@settings(deadline=None)
@given(_LINES)
def test_whatever_copy_is_written_only_allowed_markup_comes_out_and_no_field_is_lost(lines: list[str]) -> None:
    """Law: tags balance, every tag and address is allowed, and each merge field that went in comes out."""
    copy = "\n".join(lines)
    out = html(copy)
    tags = re.findall(r"<(/?)([a-z0-9]+)", out)
    assert {name for _, name in tags} <= _ALLOWED
    opened = [name for slash, name in tags if not slash and name not in {"br", "hr"}]
    assert sorted(opened) == sorted(name for slash, name in tags if slash)
    assert set(re.findall(r'href="([^"]*)"', out)) <= {"https://example.org"}
    assert out.count("{{first_name|a b}}") == copy.count("{{first_name|a b}}")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_copy(text: str) -> None:
    out = html(text)
    assert "<script" not in out.lower()
    problems_of(text)


def test_a_quote_that_ends_with_an_inner_quote_is_closed() -> None:
    assert "“she said ‘no’”." in to_html("\"she said 'no'\".", lang="en")
