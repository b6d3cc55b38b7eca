"""Every link of a frozen page is known by the block it stands in, without a word more in the mail."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_newsroom import ISSUES, build_sample, furnish

from newsletter.app import App
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import freeze
from newsletter.rendering.links import blocks_of, links_in, links_of, same_address

TYPES_WITHOUT_LINKS = {"intro", "divider", "poll"}


@pytest.fixture
def newsroom(workspace: Path) -> Path:
    furnish(workspace)
    return workspace


def test_the_links_of_a_sample_issue_stand_where_its_reader_sees_them(newsroom: Path) -> None:
    build = build_sample(newsroom, "2024-10-10")
    found = links_in(build.html, blocks_of(build, "default"))
    assert found["https://news.example.org/archive/daily/2024-10-10"] == "masthead"
    assert found["https://example.org/meridian/questions"] == "lead"
    assert found["https://example.org/meridian/video/a-year-on"] == "video"
    assert found["https://example.com/harbour-and-vale/panel"] == "sponsor"
    assert found["https://example.net/almanac/enlist"] == "related"
    assert found["https://example.org/meridian/subscribe"] == "cta"
    assert not any("{{" in address for address in found)


@pytest.mark.parametrize("issue", ISSUES)
def test_the_rows_between_blocks_are_as_many_as_the_manifest_has_blocks(newsroom: Path, issue: str) -> None:
    """Stories within one block are parted by rows that look alike."""
    build = build_sample(newsroom, issue)
    blocks = blocks_of(build, "default")
    where = set(", ".join(links_in(build.html, blocks).values()).split(", "))
    assert where <= {*blocks, "masthead", "footer"}


def test_another_themes_links_go_by_the_heading_above_them() -> None:
    page = (
        '<h1>Daily</h1><a href="https://a.example/">a</a><h2> Hard\nnumbers</h2><p><a href="https://b.example/">b</a>'
    )
    assert links_in(page, ["lead"]) == {"https://a.example/": "Daily", "https://b.example/": "Hard numbers"}


def test_two_blocks_of_a_type_and_blocks_for_some_keep_their_names_in_every_variant() -> None:
    blocks = [
        {"type": "lead", "stories": []},
        {"type": "cta", "stories": [], "audience": "abroad"},
        {"type": "cta", "stories": []},
    ]
    manifest = {"facts": {"blocks": blocks}, "combinations": {"abroad": ["abroad"]}}
    build = Build({"manifest.json": canonical_json(manifest)})
    assert blocks_of(build, "default") == ("lead", "cta-2")
    assert blocks_of(build, "abroad") == ("lead", "cta", "cta-2")


def test_a_frozen_builds_links_come_from_the_store(app: App, newsroom: Path) -> None:
    build = build_sample(newsroom, "2024-10-10")
    freeze(app.store, app.workspace, build, now=app.now())
    with app.store.read() as connection:
        assert links_of(connection, build.hash, "default") == links_in(build.html, blocks_of(build, "default"))
        assert links_of(connection, build.hash, "nobody") == links_of(connection, "0" * 64, "default") == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Example.org", "https://example.org/"),
        ("https://example.org/a%20b?q=%7Ex", "https://example.org/a b?q=~x"),
        ("https://example.org/%e2%82%ac", "https://example.org/€"),
    ],
)
def test_one_place_is_one_address_however_it_is_written(one: str, other: str) -> None:
    assert same_address(one) == same_address(other)


def test_different_places_stay_apart_and_nothing_is_too_odd_to_compare() -> None:
    odd = ["https://example.org/a?b=1", "https://example.org/a?b=2", "https://example.org/A", "http://[x", "\x00", ""]
    assert len({same_address(written) for written in odd}) == len(odd)
