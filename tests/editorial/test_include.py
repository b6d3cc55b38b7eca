"""Blocks shared between issues: they stand in each as if written there, and keep the place they were written at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from newsroom import Newsroom

from newsletter.app import App
from newsletter.editorial.index import Index
from newsletter.editorial.library import Library
from newsletter.editorial.refresh import refresh
from newsletter.editorial.resolve import resolve
from newsletter.editorial.resolved import ResolvedIssue
from newsletter.errors import InputError

INCLUDE = '[[blocks]]\ntype = "include"\nfile = "house.toml"\n'
HOUSE = '[[blocks]]\ntype = "lead"\nstory = "about"\n\n[[blocks]]\ntype = "cta"\ntext = "Join"\nurl = "https://example.org"\n'


@pytest.fixture
def house(newsroom: Newsroom) -> Newsroom:
    newsroom.write("issues/_shared/house.toml", HOUSE)
    newsroom.story("_shared/about", body="Words that many issues have, and that is what they are for.")
    return newsroom


@pytest.fixture
def resolved(app: App) -> Callable[..., ResolvedIssue]:
    return lambda issue="2024-10-10": resolve(app.workspace, app.store, issue)


def test_shared_blocks_stand_in_place_and_keep_the_lines_of_their_file(
    house: Newsroom, resolved: Callable[..., ResolvedIssue]
) -> None:
    house.issue("2024-10-10", f'{INCLUDE}[[blocks]]\ntype = "divider"\n')
    found = resolved()
    assert [(block.block.type, str(block.place)) for block in found.blocks] == [
        ("intro", "issues/2024-10-10/issue.toml:3"),
        ("lead", "issues/_shared/house.toml:1"),
        ("cta", "issues/_shared/house.toml:5"),
        ("divider", "issues/2024-10-10/issue.toml:9"),
    ]
    assert found.facts["stories"] == ["_shared/about"]


def test_its_bytes_and_its_stories_are_among_the_sources(
    house: Newsroom, resolved: Callable[..., ResolvedIssue]
) -> None:
    house.issue("2024-10-10", INCLUDE)
    sources = resolved().sources
    assert sources["issues/_shared/house.toml"] == HOUSE.encode()
    assert "issues/_shared/about.md" in sources


def test_a_segment_of_the_include_is_that_of_the_blocks_without_one(
    house: Newsroom, resolved: Callable[..., ResolvedIssue]
) -> None:
    for name in ("asia", "europe"):
        house.write(f"segments/{name}.toml", 'title = "S"\n[where]\nlanguage = ["de"]\n')
    house.write("issues/_shared/house.toml", HOUSE.replace('text = "Join"', 'text = "Join"\naudience = "europe"'))
    house.issue("2024-10-10", f'{INCLUDE}audience = "asia"\n[[blocks]]\ntype = "intro"\nbody = "Hello."\n')
    assert [block.block.audience for block in resolved().blocks] == ["asia", "europe", None]


@pytest.mark.parametrize(
    ("block", "shared", "said"),
    [
        (
            'file = "hose.toml"',
            HOUSE,
            "issue.toml:8: there is no file `hose.toml` in issues/_shared/. Did you mean `hous",
        ),
        ('file = "../walls"', HOUSE, 'issue.toml:8: `file`: "../walls" is not a file in issues/_shared/'),
        ('file = "house"\ntitle = "T"', HOUSE, "takes only `file`, `audience` and `notes`"),
        ('file = "house"', HOUSE.replace("story =", "stroy ="), "_shared/house.toml:3: unknown key `stroy`"),
        (
            'file = "house"',
            HOUSE.replace('"about"', '"abuot"'),
            '_shared/house.toml:3: there is no story "_shared/abuot"',
        ),
        ('file = "house"', INCLUDE, "_shared/house.toml:2: a shared file cannot include another."),
        ('file = "house"', "blocks = 7", "_shared/house.toml:1: `blocks`"),
    ],
)
def test_what_is_wrong_with_it_is_said_where_it_stands(
    house: Newsroom, resolved: Callable[..., ResolvedIssue], block: str, shared: str, said: str
) -> None:
    house.write("issues/_shared/house.toml", shared)
    house.issue("2024-10-10", f'[[blocks]]\ntype = "include"\n{block}\n')
    with pytest.raises(InputError) as refused:
        resolved()
    assert said in str(refused.value)


def test_a_link_out_of_the_workspace_is_not_followed(
    house: Newsroom, resolved: Callable[..., ResolvedIssue], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.toml").write_text(HOUSE)
    (house.root / "issues" / "_shared" / "out.toml").symlink_to(tmp_path / "elsewhere.toml")
    house.issue("2024-10-10", INCLUDE.replace("house", "out"))
    with pytest.raises(InputError, match=r"_shared/out\.toml: is a link that leads out of issues/"):
        resolved()


def test_the_shared_folder_is_no_issue(house: Newsroom) -> None:
    house.write("issues/_shared/issue.toml", HOUSE)
    library = Library(house.root / "issues")
    assert library.issue_ids() == ()
    assert library.story_ids("_shared") == ("_shared/about",)


def placing(app: App, root: Path, story: str) -> frozenset[str]:
    tree = refresh(app.store, Library(root / "issues"), clock=lambda: time.time_ns() + 10_000_000_000)
    with app.store.read() as connection:
        return Index(connection, tree).placing(story)


def test_the_index_follows_the_shared_file(app: App, house: Newsroom) -> None:
    """The issue's own file never changes; a broken shared file is noticed, and that it was mended."""
    path = house.root / "issues" / "_shared" / "house.toml"
    house.issue("2024-10-10", INCLUDE)
    assert placing(app, house.root, "_shared/about") == {"2024-10-10"}
    assert placing(app, house.root, "_shared/about") == {"2024-10-10"}
    for text, expected in ((HOUSE.replace("about", "other"), set()), ("broken", set()), (HOUSE, {"2024-10-10"})):
        path.write_text(text)
        os.utime(path, ns=(time.time_ns(), time.time_ns()))
        assert placing(app, house.root, "_shared/about") == expected
