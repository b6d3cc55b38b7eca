"""Copy from elsewhere: each trouble mended or reported, each mend in the list, none without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editorial.incoming.repairs import repair
from newsletter.editorial.incoming.symptoms import IN_WORDS, Kind
from newsletter.editorial.incoming.trackers import without_trackers

MENDED = [
    (Kind.SENTENCES, "It builds walls.Von der Leyen spoke.", "It builds walls. Von der Leyen spoke."),
    (Kind.SENTENCES, "He said “yes.”And left.", "He said “yes.” And left."),
    (Kind.LINK_SPACES, "noted a[warning](https://x.example/)", "noted a [warning](https://x.example/)"),
    (Kind.LINK_SPACES, "a [warning](https://x.example/)about it", "a [warning](https://x.example/) about it"),
    (Kind.INVISIBLE, "zero\u200bwidth\ufeff", "zerowidth"),
    (Kind.ACCENTS, "Cafe\u0301", "Café"),
    (Kind.ENTITIES, "Marks &amp;amp; Spencer", "Marks & Spencer"),
    (Kind.SPACES, "a\tb and c\u00a0\u00a0d", "a b and c d"),
    (Kind.LISTS, "·\tItem", "- Item"),
    (Kind.LISTS, "1)\tItem", "1. Item"),
    (Kind.BOILERPLATE, "Text.\nRead moreShow less\nMore.", "Text.\n\nMore."),
    (Kind.BOILERPLATE, "Text.\n**Advertisement**\nMore.", "Text.\n\nMore."),
    (Kind.TRACKERS, "[a](https://x.example/?id=3&utm_source=t)", "[a](https://x.example/?id=3)"),
    (Kind.PARAGRAPHS, "One ended.\nTwo began.", "One ended.\n\nTwo began."),
    (Kind.INVISIBLE, "left\u200e to\u202e right", "left to right"),
    (Kind.SPACES, "one line\u2028another", "one line another"),
    (Kind.PARAGRAPHS, "One ended.\u2029Two began.", "One ended.\n\nTwo began."),
    (Kind.DASHES, "walls -- and more--walls", "walls – and more—walls"),
    (Kind.DASHES, "And then ... nothing", "And then … nothing"),
    (Kind.TABLES, "Year\tWalls\n2023\t4", "| Year | Walls |\n| --- | --- |\n| 2023 | 4 |"),
    (Kind.TABLES, "So:\nA\tB\n1\t2\nIt is.", "So:\n\n| A | B |\n| --- | --- |\n| 1 | 2 |\n\nIt is."),
    (Kind.BOILERPLATE, "Text.\nLire la suite\nMehr.", "Text.\n\nMehr."),
    (Kind.TRACKERS, "https://x.example/a/amp/", "https://x.example/a"),
]

LEFT_ALONE = [
    "The U.S.A. and node.js, e.g. here; J.R.R. Tolkien; 3.Five",
    "`walls.Von` and https://example.org/walls.Von and [x](https://example.org/a.B)",
    "```\nwalls.Von\n·\tItem\n```",
    "Several [link](https://x.example/)s and [walk](https://x.example/)ing",
    "見[警告](https://x.example/)は",
    "5\u00a0euros, «\u00a0oui\u00a0»\u00a0!",
    "{{first_name|reader}} is one of ours",
    "https://x.example/file?X-Amz-Signature=abc&utm_source=t",
    "- One ended.\n- Two began.",
    "Text broken at a\nfixed width. It goes on for\nsome lines and it ends.\nWhat is here is one\nparagraph only.",
    "He asked to read more about it.",
    "שלום\u200f עולם",
    "A `--flag` and a\n\n---\n\nrule, to ten....",
    "| A | B |\n| -- | -- |\n| 1 | 2 |",
    "Reuters asked (and the AFP as well) for pictures. The photo shows it.",
]


@pytest.mark.parametrize(("kind", "before", "after"), MENDED)
def test_a_trouble_is_mended_and_listed(kind: Kind, before: str, after: str) -> None:
    done = repair(before)
    assert done.text == after
    assert kind in {found.kind for found in done.repairs}


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_is_right_is_left_as_it_is(text: str) -> None:
    done = repair(text)
    assert (done.text, done.repairs) == (text, ())


@pytest.mark.parametrize(("kind", "before", "after"), MENDED)
def test_a_refused_kind_is_not_touched(kind: Kind, before: str, after: str) -> None:
    assert kind not in {found.kind for found in repair(before, refuse={kind}).repairs}


def test_one_line_of_a_kind_can_be_refused() -> None:
    text = "The walls.Von spoke\nand rose.Then fell"
    assert repair(text, refuse={"sentences:1"}).text == "The walls.Von spoke\nand rose. Then fell"


@pytest.mark.parametrize(
    "token", ["{{ subpage.title }}", "*|FNAME|*", "%%name%%", "${name}", "[[name]]", "<%= x %>", "{{ half"]
)
def test_a_token_nobody_filled_in_is_reported_and_stays(token: str) -> None:
    done = repair(f"Dear {token}, hello")
    assert (done.text, [(r.kind, r.after) for r in done.repairs]) == (f"Dear {token}, hello", [(Kind.TOKENS, None)])


def test_a_broken_encoding_is_reported_and_not_guessed_at() -> None:
    done = repair("It wasnâ€™t")
    assert (done.text, done.repairs[0].kind, done.repairs[0].after) == ("It wasnâ€™t", Kind.ENCODING, None)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.WALLS, "word " * 130),
        (Kind.CREDITS, "Photo: Jane Doe"),
        (Kind.CREDITS, "Soldiers march in October. Kim Hong-ji/REUTERS"),
        (Kind.HOSTS, "[a](https://exаmple.com/x)"),
        (Kind.HOSTS, "https://xn--exmple-cua.example/"),
    ],
)
def test_what_only_a_person_can_judge_is_reported_and_stays(kind: Kind, text: str) -> None:
    done = repair(text)
    assert done.text == text
    assert [(found.kind, found.after) for found in done.repairs] == [(kind, None)]


def test_each_repair_says_its_line_of_the_text_as_it_came() -> None:
    text = "Fine.\n\nRead more\n\nThe walls.Von spoke."
    assert [(found.kind, found.line) for found in repair(text).repairs] == [(Kind.BOILERPLATE, 3), (Kind.SENTENCES, 5)]


def test_every_kind_has_its_words() -> None:
    assert set(IN_WORDS) == set(Kind)


PIECES = st.sampled_from(
    [each for _, each, _ in MENDED] + LEFT_ALONE + ["\n", "\n\n", " ", "A b.", "{{ x }}", "“", "](", "`"]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_repairing_again_changes_nothing_and_nothing_changes_without_a_repair(text: str) -> None:
    once = repair(text)
    assert repair(once.text).text == once.text
    assert once.text == text or any(found.after is not None for found in once.repairs)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://x.example/a?fbclid=1#top", "https://x.example/a#top"),
        ("https://www.google.com/url?q=https://y.example/b&sa=D", "https://y.example/b"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fy.example%2Fb%3Fa%3D1&h=x", "https://y.example/b?a=1"),
        ("https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fy.example%2F&data=x", "https://y.example/"),
        ("https://www.google.com/url?q=javascript:alert(1)", "https://www.google.com/url?q=javascript:alert(1)"),
        ("https://x.example/?q=a%20b&page=2", "https://x.example/?q=a%20b&page=2"),
        ("https://x.example/unsub?token=t&utm_source=a", "https://x.example/unsub?token=t&utm_source=a"),
        ("https://[::1", "https://[::1"),
        ("https://www.google.com/amp/s/y.example/b?c=1", "https://y.example/b?c=1"),
        ("https://y-example.cdn.ampproject.org/c/s/y.example/b", "https://y.example/b"),
        ("https://x.example/story/amp", "https://x.example/story"),
        ("https://x.example/amp", "https://x.example/amp"),
    ],
)
def test_a_tracker_goes_and_the_page_stays(url: str, bare: str) -> None:
    assert without_trackers(url) == bare
