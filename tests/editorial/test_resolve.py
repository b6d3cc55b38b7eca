"""An issue resolved: everything it names found, everything it rests on kept, every problem at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from newsroom import Newsroom

from newsletter.app import App
from newsletter.editorial.resolve import resolve
from newsletter.errors import InputError, NotFound

EVERY_BLOCK = """\
[[blocks]]
type = "lead"
story = "walls"
image = "left"
notes = "not rendered"

[[blocks]]
type = "watching"
stories = ["hearings"]

[[blocks]]
type = "stories"
stories = ["2024-10-10/rail", "2024-10-09/really"]

[[blocks]]
type = "q-and-a"
who = "A former minister"
story = "talk"

[[blocks]]
type = "sponsor"
name = "Example"
label = "Presented by"
body = "Buy."
from = 2024-10-10
until = "2024-10-10"

[[blocks]]
type = "divider"
"""


@pytest.fixture
def issue(newsroom: Newsroom) -> Newsroom:
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-09/really")
    newsroom.issue("2024-10-10", EVERY_BLOCK)
    for name in ("walls", "hearings", "rail", "talk", "unused"):
        newsroom.story(f"2024-10-10/{name}")
    return newsroom


def test_every_block_gets_the_stories_it_names_in_order(issue: Newsroom, app: App) -> None:
    found = resolve(app.workspace, app.store, "2024-10-10")

    assert [(block.block.type, [story.id for story in block.stories]) for block in found.blocks] == [
        ("lead", ["2024-10-10/walls"]),
        ("watching", ["2024-10-10/hearings"]),
        ("stories", ["2024-10-10/rail", "2024-10-09/really"]),
        ("q-and-a", ["2024-10-10/talk"]),
        ("sponsor", []),
        ("divider", []),
    ]
    assert str(found.blocks[1].place) == "issues/2024-10-10/issue.toml:9"


def test_the_sources_are_the_definition_and_the_stories_used_byte_for_byte(issue: Newsroom, app: App) -> None:
    sources = resolve(app.workspace, app.store, "2024-10-10").sources

    assert list(sources) == [
        "issues/2024-10-10/issue.toml",
        "issues/2024-10-09/really.md",
        "issues/2024-10-10/hearings.md",
        "issues/2024-10-10/rail.md",
        "issues/2024-10-10/talk.md",
        "issues/2024-10-10/walls.md",
    ]
    assert all((issue.root / path).read_bytes() == source for path, source in sources.items())


def test_the_facts_are_json(issue: Newsroom, app: App) -> None:
    facts = resolve(app.workspace, app.store, "2024-10-10").facts

    assert json.loads(json.dumps(facts)) == facts


def test_resolving_twice_gives_the_same(issue: Newsroom, app: App) -> None:
    first, second = (resolve(app.workspace, app.store, "2024-10-10") for _ in range(2))

    assert first == second


def test_an_unknown_issue_is_not_found(app: App) -> None:
    with pytest.raises(NotFound, match="There is no issue `2024-10-10`"):
        resolve(app.workspace, app.store, "2024-10-10")


def test_a_broken_story_in_the_folder_is_said_though_no_block_names_it(issue: Newsroom, app: App) -> None:
    issue.write("issues/2024-10-10/unused.md", "+++\n")

    with pytest.raises(InputError, match=r"^issues/2024-10-10/unused\.md:1: the front matter opened here"):
        resolve(app.workspace, app.store, "2024-10-10")


def test_problems_of_the_definition_and_of_the_stories_come_together(issue: Newsroom, app: App) -> None:
    issue.write("issues/2024-10-10/issue.toml", "date = soon\n")
    issue.write("issues/2024-10-10/unused.md", "+++\n")

    with pytest.raises(InputError) as caught:
        resolve(app.workspace, app.store, "2024-10-10")

    assert [str(problem.place) for problem in caught.value.problems] == [
        "issues/2024-10-10/issue.toml:1",
        "issues/2024-10-10/unused.md:1",
    ]


def test_a_named_story_that_leaves_the_issues_by_a_link_is_refused(issue: Newsroom, app: App, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text('+++\ntitle = "x"\n+++\nSecret.\n', encoding="utf-8")
    (issue.root / "issues/2024-10-10/walls.md").unlink()
    (issue.root / "issues/2024-10-10/walls.md").symlink_to(outside)

    with pytest.raises(InputError, match=r"^issues/2024-10-10/walls\.md: is a link that leads out of issues/"):
        resolve(app.workspace, app.store, "2024-10-10")
