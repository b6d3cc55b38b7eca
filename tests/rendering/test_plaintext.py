"""The text twin: all of the copy, readable, 72 columns, addresses whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.rendering.plaintext import WIDTH, Footnotes, to_inline_text, to_text, wrap


def text(copy: str, lang: str = "") -> tuple[str, str]:
    links = Footnotes()
    return to_text(copy, links, lang=lang), links.render()


def test_paragraphs_are_wrapped_at_72_columns() -> None:
    said, _ = text("word " * 40)
    assert all(len(line) <= WIDTH for line in said.splitlines())
    assert said.split() == ["word"] * 40


def test_a_long_address_is_never_broken() -> None:
    url = "https://example.org/" + "a" * 100
    said, _ = text(f"Some words before it {url} and some after it which are long enough to be wrapped again")
    assert url in said.splitlines()


def test_a_merge_field_is_never_broken_even_with_spaces_in_it() -> None:
    field = "{{first_name|" + "dear " * 8 + "reader}}"
    said, _ = text("Some words that fill the line almost to its end and then " + field + " and more")
    assert field in said.splitlines()[1]


def test_links_become_numbers_and_each_address_is_listed_once() -> None:
    said, notes = text("[a](example.org/1), [b](https://example.org/2) and [c](https://example.org/1)")
    assert said == "a [1], b [2] and c [1]"
    assert notes == "[1] https://example.org/1\n[2] https://example.org/2"


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        ("<https://example.org/a>", "https://example.org/a"),
        ("[https://example.org/a/](https://example.org/a)", "https://example.org/a"),
        ("[example.org](https://example.org)", "https://example.org"),
        ("[desk@example.org](mailto:desk@example.org)", "desk@example.org"),
        ("[the desk](mailto:desk@example.org)", "the desk <desk@example.org>"),
        ("[call](tel:+4930123)", "call <+4930123>"),
    ],
)
def test_an_address_that_says_itself_is_not_said_twice(copy: str, said: str) -> None:
    assert text(copy) == (said, "")


def test_a_merge_field_can_be_a_link() -> None:
    assert text("[leave]({{unsubscribe_url}})") == ("leave [1]", "[1] {{unsubscribe_url}}")


def test_footnotes_can_go_on_from_an_earlier_block() -> None:
    links = Footnotes(7)
    assert to_text("[a](example.org)", links) == "a [7]"
    assert links.render() == "[7] https://example.org"


def test_lists_are_numbered_indented_and_nested() -> None:
    said, _ = text("3. three\n4. four\n   - inner " + "long " * 14 + "\n   - second\n\nafter")
    assert said == ("3. three\n4. four\n   - inner " + "long " * 11 + "long\n     long long\n   - second\n\nafter")


def test_a_loose_list_keeps_its_air() -> None:
    assert text("- a\n\n  b\n\n- c")[0] == "- a\n\n  b\n\n- c"


def test_quotes_headings_rules_code_and_breaks_are_readable() -> None:
    copy = "# Head\n\n> said\n> > inner\n\n---\n\n```\nx  = 1\n```\n\none\\\ntwo"
    assert text(copy)[0] == "Head\n----\n\n> said\n>\n> > inner\n\n* * *\n\n    x  = 1\n\none\ntwo"


def test_a_table_is_one_line_a_row() -> None:
    said, notes = text("| Port | Status |\n|---|---|\n| Lisbon | [Closed](example.org) |")
    assert said == "Port | Status\n-------------\nLisbon | Closed [1]"
    assert notes == "[1] https://example.org"


def test_text_has_the_same_quotes_as_the_html() -> None:
    assert text('"**Yes**," she said', "en")[0] == "“Yes,” she said"
    assert to_inline_text('"x" [y](example.org)', Footnotes(), lang="de") == "„x“ y [1]"


def test_scripts_without_spaces_are_wrapped_by_columns() -> None:
    said, _ = text("新聞" * 60)
    assert all(len(line) * 2 <= WIDTH for line in said.splitlines())
    assert said.replace("\n", "") == "新聞" * 60


def test_wrapping_can_hang() -> None:
    assert wrap("one two three", 9, indent="- ", hanging="  ") == "- one two\n  three"
    assert wrap("", 9) == ""
    assert wrap("a\n\nb", 9, indent="> ") == "> a\n>\n> b"


_WORDS = st.lists(
    st.sampled_from(["alpha", "b", "**bold**", "`code`", "{{first_name|dear reader}}", "[link](https://example.org/x)"])
    | st.from_regex(r"[a-z]{1,90}", fullmatch=True),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(_WORDS)
def test_every_word_is_there_in_order_and_no_line_is_longer_than_its_longest_word(words: list[str]) -> None:
    """Law: wrapping loses nothing, moves nothing, and exceeds 72 columns only for a word that is longer itself."""
    said, _ = text(" ".join(words))
    bare = [re.sub(r"\[link\]\([^)]*\)", "link [1]", word).strip("*`") for word in words]
    assert said.split() == " ".join(bare).split()
    for line in said.splitlines():
        assert len(line) <= WIDTH or " " not in line.replace("dear reader", "")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_copy_can_be_written_as_text(copy: str) -> None:
    assert isinstance(text(copy, "en")[0], str)


def test_latin_words_inside_unspaced_scripts_are_not_broken() -> None:
    said = wrap("字" * 34 + "KOREA" + "字" * 40)
    assert "KOREA" in said
    assert "".join(said.split()) == "字" * 34 + "KOREA" + "字" * 40
    assert all(len(line) <= WIDTH // 2 + 3 for line in said.splitlines())
