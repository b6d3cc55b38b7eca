"""Queries over the library: what is chosen, in which order, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from newsroom import Newsroom

from newsletter.app import App
from newsletter.editorial.resolve import resolve
from newsletter.errors import InputError


@pytest.fixture
def library(newsroom: Newsroom) -> Newsroom:
    """Four days of stories, an inbox, and another newsletter."""
    for day in ("2024-10-07", "2024-10-08", "2024-10-09", "2024-10-11"):
        newsroom.issue(day)
        newsroom.story(f"{day}/a", 'tags = ["Watching", "asia"]\nsection = "World"\nsource = "Wire"')
        newsroom.story(f"{day}/b", 'tags = ["watching"]')
        newsroom.story(f"{day}/c")
    newsroom.issue("weekly-7", day="2024-10-07", newsletter="weekly")
    newsroom.story("weekly-7/w", 'tags = ["watching"]')
    newsroom.story("2024-10-10/own", 'tags = ["watching"]')
    newsroom.story("_inbox/dated", 'date = 2024-10-08\ntags = ["watching"]')
    newsroom.story("_inbox/later", 'date = 2024-10-11\ntags = ["watching"]')
    newsroom.story("_inbox/undated", 'tags = ["watching"]')
    return newsroom


@pytest.fixture
def chosen(app: App, library: Newsroom) -> Callable[..., list[str]]:
    def choose(query: str, *, blocks: str = "") -> list[str]:
        library.issue("2024-10-10", f'{blocks}[[blocks]]\ntype = "stories"\nselect = {{ {query} }}\n')
        found = resolve(app.workspace, app.store, "2024-10-10")
        return [story.id for block in found.blocks if block.block.type == "stories" for story in block.stories]

    return choose


def test_the_newest_come_first_then_by_id(chosen: Callable[..., list[str]]) -> None:
    assert chosen('tags = ["watching"], limit = 50') == [
        "2024-10-10/own",
        "2024-10-09/a",
        "2024-10-09/b",
        "2024-10-08/a",
        "2024-10-08/b",
        "_inbox/dated",
        "2024-10-07/a",
        "2024-10-07/b",
        "weekly-7/w",
    ]


def test_later_issues_and_stories_without_a_day_are_never_chosen(chosen: Callable[..., list[str]]) -> None:
    everything = chosen("limit = 50")

    assert not {"2024-10-11/a", "_inbox/later", "_inbox/undated"} & set(everything)
    assert "2024-10-09/c" in everything


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('tags = ["watching", "ASIA"], limit = 2', ["2024-10-09/a", "2024-10-08/a"]),
        ('section = "world", limit = 1', ["2024-10-09/a"]),
        ('source = "wire", since = "1d"', ["2024-10-09/a"]),
        ('tags = ["nothing has this"]', []),
    ],
)
def test_every_key_narrows_and_capitals_do_not_count(
    chosen: Callable[..., list[str]], query: str, expected: list[str]
) -> None:
    assert chosen(query) == expected


def test_since_counts_days_back_from_the_issues_date(chosen: Callable[..., list[str]]) -> None:
    assert chosen('tags = ["watching"], since = "0d"') == ["2024-10-10/own"]
    assert chosen('tags = ["watching"], since = "2d", limit = 50')[-1] == "_inbox/dated"
    assert chosen('tags = ["watching"], since = "9999d", limit = 50')[-1] == "weekly-7/w"


def test_only_issues_in_the_window_are_opened(chosen: Callable[..., list[str]], library: Newsroom) -> None:
    library.write("issues/2024-10-07/a.md", "broken")

    assert chosen('tags = ["watching"], since = "1d"') == ["2024-10-10/own", "2024-10-09/a", "2024-10-09/b"]


def test_a_broken_story_in_the_window_is_a_problem_not_a_silent_gap(
    chosen: Callable[..., list[str]], library: Newsroom
) -> None:
    library.write("issues/2024-10-08/a.md", "broken")

    with pytest.raises(InputError, match=r"issues/2024-10-08/a\.md:1: there is no front matter"):
        chosen('tags = ["watching"], limit = 50')


def test_what_the_issue_has_already_is_not_chosen_again(chosen: Callable[..., list[str]]) -> None:
    lead = '[[blocks]]\ntype = "lead"\nstory = "own"\n'
    first = '[[blocks]]\ntype = "stories"\nselect = { tags = ["watching"], limit = 1 }\n'

    assert chosen('tags = ["watching"], limit = 2', blocks=lead + first) == [
        "2024-10-09/a",
        "2024-10-09/b",
        "2024-10-08/a",
    ]


def test_unsent_leaves_out_what_an_issue_had_that_went_out(
    chosen: Callable[..., list[str]], library: Newsroom, send_row: Callable[..., None]
) -> None:
    library.issue("2024-10-09", '[[blocks]]\ntype = "lead"\nstory = "a"\n')
    library.issue("2024-10-08", '[[blocks]]\ntype = "lead"\nstory = "a"\n')
    for day in (7, 9):
        handed_over = datetime(2024, 10, day, 11, tzinfo=UTC)
        send_row(f"2024-10-{day:02}", handed_over=handed_over, stories=[f"2024-10-{day:02}/b", "_inbox/dated"])

    # The eighth was due and not sent: what it named is unsent. The builds of the others say what they carried.
    assert chosen('tags = ["watching"], unsent = true, limit = 50') == [
        "2024-10-10/own",
        "2024-10-09/a",
        "2024-10-08/a",
        "2024-10-08/b",
        "2024-10-07/a",
        "weekly-7/w",
    ]


def test_before_there_is_a_record_earlier_issues_count_as_sent(
    chosen: Callable[..., list[str]], library: Newsroom
) -> None:
    library.issue("2024-10-09", '[[blocks]]\ntype = "lead"\nstory = "a"\n')

    assert chosen('tags = ["watching"], unsent = true, limit = 2') == ["2024-10-10/own", "2024-10-09/b"]


def test_a_query_that_chooses_nothing_leaves_its_block_out(app: App, library: Newsroom) -> None:
    library.issue("2024-10-10", '[[blocks]]\ntype = "stories"\ntitle = "More"\nselect = { tags = ["none"] }\n')

    found = resolve(app.workspace, app.store, "2024-10-10")

    assert [block.block.type for block in found.blocks] == ["intro"]


def test_what_was_chosen_is_frozen_into_the_facts(app: App, library: Newsroom) -> None:
    library.issue("2024-10-10", '[[blocks]]\ntype = "stories"\nselect = { section = "World", limit = 2 }\n')

    facts = resolve(app.workspace, app.store, "2024-10-10").facts

    assert facts["stories"] == ["2024-10-09/a", "2024-10-08/a"]
    assert facts["blocks"] == [
        {"type": "intro", "stories": []},
        {"type": "stories", "stories": ["2024-10-09/a", "2024-10-08/a"]},
    ]
