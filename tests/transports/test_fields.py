"""Merge fields: one form per place, and nothing a reader's name holds gets out of its place."""

from __future__ import annotations

import html
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import BuildError
from newsletter.transports import fields as merge_fields
from newsletter.transports.fields import FIELDS, Place, archive_values, fill, parse_token, problems_in

URL = "https://news.example.org/u/abc?x=1&y=2"


def test_a_readers_name_stands_where_the_field_stood() -> None:
    assert fill("Hello {{first_name|reader}}.", {"first_name": "Ada"}, Place.TEXT) == "Hello Ada."


@pytest.mark.parametrize("given_fields", [{}, {"first_name": ""}, {"first_name": "  \t"}])
def test_an_unknown_or_blank_name_gives_the_fallback(given_fields: dict[str, str]) -> None:
    assert fill("Hello {{first_name|dear reader}}.", given_fields, Place.TEXT) == "Hello dear reader."


def test_a_name_cannot_become_markup() -> None:
    filled = fill("<p>{{first_name|reader}}</p>", {"first_name": "<img src=x onerror='a()'>&\""}, Place.HTML)
    assert filled == "<p>&lt;img src=x onerror=&#x27;a()&#x27;&gt;&amp;&quot;</p>"


def test_a_fallback_is_escaped_once_whether_it_was_escaped_before_or_not() -> None:
    assert fill("{{first_name|Tom & Co}}", {}, Place.HTML) == "Tom &amp; Co"
    assert fill("{{first_name|Tom &amp; Co}}", {}, Place.HTML) == "Tom &amp; Co"


def test_a_name_cannot_become_a_header() -> None:
    assert (
        fill("{{first_name|x}}", {"first_name": "A\r\nBcc: b@example.org\u2028"}, Place.HEADER)
        == "A Bcc: b@example.org"
    )


def test_a_name_in_a_link_is_percent_encoded_and_a_link_field_only_escaped() -> None:
    template = '<a href="{{unsubscribe_url}}&n={{first_name|a b}}">{{first_name|a b}}</a>'
    filled = fill(template, {"unsubscribe_url": URL, "first_name": 'x" onclick="&'}, Place.HTML)
    assert filled.startswith(f'<a href="{html.escape(URL)}&n=x%22%20onclick%3D%22%26">x&quot;')
    assert fill(template, {"unsubscribe_url": "#"}, Place.HTML) == '<a href="#&n=a%20b">a b</a>'


@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_a_name_that_is_a_whole_link_cannot_run_anything(quote: str) -> None:
    filled = fill(f"<a href={quote}{{{{first_name|x}}}}{quote}>y</a>", {"first_name": "javascript:a()"}, Place.HTML)
    assert "javascript:" not in filled


def test_a_template_for_an_address_percent_encodes_names() -> None:
    filled = fill("https://example.org/?n={{first_name|x}}", {"first_name": "Zoë & co"}, Place.URL)
    assert filled == "https://example.org/?n=Zo%C3%AB%20%26%20co"


def test_a_value_is_never_filled_in_again() -> None:
    filled = fill("{{first_name|x}}", {"first_name": "{{unsubscribe_url}}", "unsubscribe_url": URL}, Place.TEXT)
    assert filled == "{{unsubscribe_url}}"


def test_a_mail_without_a_way_to_unsubscribe_is_refused_loudly() -> None:
    with pytest.raises(BuildError, match="unsubscribe_url"):
        fill("{{unsubscribe_url}}", {"unsubscribe_url": ""}, Place.TEXT)


def test_a_page_without_a_reader_has_fallbacks_and_dead_links() -> None:
    assert fill("{{first_name|reader}} {{unsubscribe_url}}", archive_values(), Place.TEXT) == "reader #"


def test_a_compiled_template_fills_as_the_plain_one() -> None:
    template = "{{first_name|a}}b{{first_name|c}}{{unsubscribe_url}}"
    compiled = merge_fields.compile(template, Place.TEXT)
    assert len(compiled.literals) == len(compiled.slots) + 1
    for fields in ({"unsubscribe_url": URL}, {"unsubscribe_url": URL, "first_name": "N"}):
        assert compiled.fill(fields) == fill(template, fields, Place.TEXT)


def test_a_template_without_fields_is_itself() -> None:
    assert merge_fields.compile("a {{ b }} c", Place.HTML).fill({}) == "a {{ b }} c"


@pytest.mark.parametrize(
    ("copy", "offset", "words"),
    [
        ("Hi {{first_nam|you}}", 3, "Did you mean `first_name`?"),
        ("Hi {{first_name}}", 3, "needs a fallback"),
        ("Hi {{first_name| }}", 3, "needs a fallback"),
        ("Hi {{ first_name|you }}", 3, "without spaces"),
        ("Hi {{ subpage.title }}", 3, "`{{ subpage.title }}` is not a merge field"),
        ("ends with {{", 10, "`{{`"),
        ("begins }} so", 7, "`}}`"),
        ("{{unsubscribe_url|x}}", 0, "takes no fallback"),
    ],
)
def test_each_broken_field_is_named_where_it_stands(copy: str, offset: int, words: str) -> None:
    [(at, message)] = problems_in(copy)
    assert at == offset
    assert words in message


def test_well_formed_fields_have_no_problems() -> None:
    assert problems_in("{{first_name|reader}} {{unsubscribe_url}} { } {a} }{") == []


def test_all_problems_are_found_in_order() -> None:
    assert [at for at, _ in problems_in("}} {{x}} {{first_name|ok}} {{ y }} {{")] == [0, 3, 27, 35]


def test_a_token_is_read_back_as_name_and_fallback() -> None:
    assert parse_token("{{first_name|a b}}") == ("first_name", "a b")
    assert parse_token("{{unsubscribe_url}}") == ("unsubscribe_url", None)
    assert parse_token("x{{unsubscribe_url}}") is None


def test_every_field_says_what_it_is() -> None:
    assert all(field.description and field.name == name for name, field in FIELDS.items())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.hrefs: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.hrefs += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_name_comes_out_as_itself_and_changes_no_structure(name: str) -> None:
    """Law: whatever a reader is called, the page keeps its tags and the name its characters."""
    link = '<a href="https://example.org/?n={{first_name|you}}" title="{{first_name|you}}">x</a>'
    template = f"<p>Hi {{{{first_name|you}}}}{link}</p>"
    page = _Reader()
    page.feed(fill(template, {"first_name": name}, Place.HTML))
    page.close()
    assert page.tags == ["p", "a"]
    shown = fill("{{first_name|you}}", {"first_name": name}, Place.TEXT)
    assert page.text == f"Hi {shown}x"
    assert unquote(page.hrefs[0].removeprefix("https://example.org/?n=")) == shown


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_no_name_ends_a_header_line(name: str) -> None:
    filled = fill("Subject for {{first_name|you}}", {"first_name": name}, Place.HEADER)
    assert len(filled.splitlines()) == 1
