"""The index agrees with the files whatever happened to them, on both databases, and is never missed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from newsroom import Newsroom
from sqlalchemy import delete, func, select

from newsletter.app import App
from newsletter.editorial import refresh as refreshing
from newsletter.editorial import walk as walking
from newsletter.editorial.index import Index, Sought
from newsletter.editorial.library import Heading, Library
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.refresh import forget_tree, refresh, tree_of, up_to_date
from newsletter.editorial.register import read_register
from newsletter.editorial.resolve import resolve
from newsletter.editorial.search import search
from newsletter.editorial.sent import read_sent
from newsletter.store.tables import library_builds, library_issues, library_names, library_stories, library_trees

both_databases = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def later() -> int:
    """A moment at which files written just now are old enough to be known by their stamps."""
    return time.time_ns() + 10_000_000_000


def looked(app: App, issues: Path, *, clock: Callable[[], int] = later) -> dict[str, object]:
    """Everything the index says of a folder after a refresh."""
    library = Library(issues)
    tree = refresh(app.store, library, clock=clock)
    with app.store.read() as connection:
        index = Index(connection, tree)
        return {
            "issues": index.issues(),
            "headings": index.headings,
            "stories": list(index.stories(Sought(broken_too=True))),
            "asking": index.asking(),
            "answering": index.answering(),
            "following": index.following(),
            "replies": index.replies(),
            "found": [asdict(hit) for hit in search(library, index, "words", narrowed=Sought(), limit=50)],
            "placing": {entry.story: index.placing(entry.story) for entry in index.stories()},
        }


def fresh(app: App, issues: Path) -> dict[str, object]:
    """The same, every file read anew."""
    with app.store.write() as connection:
        forget_tree(connection, tree_of(issues))
    return looked(app, issues)


STORY = '+++\ntitle = "{title}"\ntags = ["{tag}"]\n{front}\n+++\n\nSome words about {title}.\n'
GOOD = st.builds(
    STORY.format,
    title=st.sampled_from(["Walls", "Rails", "Words"]),
    tag=st.sampled_from(["asia", "europe"]),
    front=st.sampled_from(
        [
            "",
            "date = 2024-10-03",
            'section = "World"',
            'follows = ["2024-10-01/a"]',
            '[[asks]]\nid = "q"\nquestion = "Why?"',
            '[[answers]]\nquestion = "q"\nanswer = "So."',
        ]
    ),
)
DEFINITION = 'newsletter = "daily"\ndate = {day}\n[[blocks]]\ntype = "intro"\nbody = "Hello."\n{more}'
DEFINED = st.builds(
    DEFINITION.format,
    day=st.sampled_from(["2024-10-01", "2024-10-02"]),
    more=st.sampled_from(
        [
            "",
            '[[blocks]]\ntype = "lead"\nstory = "a"\n',
            '[[blocks]]\ntype = "stories"\nselect = { tags = ["asia"] }\n',
            '[[blocks]]\ntype = "follow-up"\nquestion = "q"\nanswer = "Yes."\n',
        ]
    ),
)
BROKEN = st.sampled_from(["", "no front matter", '+++\ntitel = "asks"\n+++\ntext', "date = 2024-10-01\nnewsletter ="])
FOLDERS = st.sampled_from(["2024-10-01", "2024-10-02", "_inbox", "_notes"])
NAMES = st.sampled_from(["a.md", "b.md", "_draft.md", "c d.md", "issue.toml"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), FOLDERS, NAMES, st.one_of(GOOD, DEFINED, BROKEN)),
        st.tuples(st.just("delete"), FOLDERS, NAMES),
        st.tuples(st.just("move"), FOLDERS, FOLDERS),
        st.tuples(st.just("touch"), FOLDERS, NAMES),
        st.tuples(st.just("look"), st.sampled_from([later, time.time_ns])),
    ),
    max_size=12,
)


@both_databases
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happened_to_the_files_the_index_says_what_reading_them_all_says(
    app: App, tmp_path: Path, steps: list[tuple[object, ...]]
) -> None:
    with TemporaryDirectory(dir=tmp_path) as place:
        issues = Path(place) / "issues"
        for step, *more in steps:
            _do(app, issues, str(step), more)
        assert looked(app, issues) == fresh(app, issues)


def _do(app: App, issues: Path, step: str, more: list[object]) -> None:
    if step == "look":
        looked(app, issues, clock=more[0])  # type: ignore[arg-type]
        return
    file = issues / str(more[0]) / str(more[1])
    if step == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(more[2]), encoding="utf-8")
    elif step == "delete":
        file.unlink(missing_ok=True)
    elif step == "touch" and file.exists():
        os.utime(file)
    elif step == "move" and file.parent.exists() and not (issues / str(more[1])).exists():
        file.parent.rename(issues / str(more[1]))


def test_a_file_that_did_not_change_is_not_opened_again(
    app: App, newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-09/a")
    newsroom.story("2024-10-09/b")
    looked(app, newsroom.root / "issues")
    opened: list[str] = []
    for name in ("glean_story", "glean_issue"):
        monkeypatch.setattr(refreshing, name, _noting(getattr(refreshing, name), opened))

    newsroom.story("2024-10-09/b", 'tags = ["new"]')
    refresh(app.store, Library(newsroom.root / "issues"), clock=later)

    assert opened == ["2024-10-09/b"]


def _noting(glean: Callable[..., object], opened: list[str]) -> Callable[..., object]:
    def noted(library: Library, file: str, known: str | None) -> object:
        opened.append(file)
        return glean(library, file, known)

    return noted


def test_a_change_within_one_tick_of_the_file_systems_clock_is_seen(
    app: App, newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same size, same times, same inode: nothing but reading the file again tells."""
    issues, tick = newsroom.root / "issues", 1_728_556_200_000_000_000
    monkeypatch.setattr(walking, "_stamp", lambda _file: ("as before", tick))
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-09/a", 'tags = ["asia"]')
    looked(app, issues, clock=lambda: tick)
    newsroom.story("2024-10-09/a", 'tags = ["east"]')

    assert [entry.tags for entry in looked(app, issues, clock=lambda: tick)["stories"]] == [("east",)]  # type: ignore[attr-defined]
    looked(app, issues)
    newsroom.story("2024-10-09/a", 'tags = ["west"]')
    # No file system does this: by now the stamp is old, and is believed.
    assert [entry.tags for entry in looked(app, issues)["stories"]] == [("east",)]  # type: ignore[attr-defined]


def test_a_broken_file_is_kept_as_broken_and_spoils_no_other(app: App, newsroom: Newsroom) -> None:
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-09/good")
    newsroom.write("issues/2024-10-09/bad.md", "+++\ntitel = 1\n+++\ntext")
    newsroom.write("issues/2024-10-10/issue.toml", "date = [")
    library = Library(newsroom.root / "issues")

    with up_to_date(app.store, library) as index:
        stories = {entry.story: entry.problem for entry in index.stories(Sought(broken_too=True))}
        issues = {entry.issue: entry.problem for entry in index.issues()}

    assert stories["2024-10-09/good"] is None
    assert "unknown key `titel`" in str(stories["2024-10-09/bad"])
    assert issues["2024-10-09"] is None
    assert "TOML" in str(issues["2024-10-10"])


def test_deleting_the_index_changes_no_build_and_no_list(
    app: App, newsroom: Newsroom, send_row: Callable[..., None]
) -> None:
    """Invariant 10: the files decide, and the sends."""
    for day in range(1, 10):
        newsroom.issue(f"2024-10-0{day}", '[[blocks]]\ntype = "lead"\nstory = "a"\n')
        newsroom.story(f"2024-10-0{day}/a", f'tags = ["asia"]\n[[asks]]\nid = "q{day}"\nquestion = "Why?"')
        newsroom.story(f"2024-10-0{day}/b", 'tags = ["asia"]')
    newsroom.story("2024-10-10/own", '[[answers]]\nquestion = "q8"\nanswer = "So."')
    follow = '[[blocks]]\ntype = "follow-up"\nquestion = "q8"\n'
    choose = '[[blocks]]\ntype = "stories"\nselect = { tags = ["asia"], unsent = true }\n'
    newsroom.issue("2024-10-10", follow + choose)
    send_row("2024-10-08", handed_over=datetime(2024, 10, 8, 11, tzinfo=UTC), stories=["2024-10-08/a", "2024-10-07/b"])

    first = _answers(app)
    tables = (library_names, library_stories, library_issues, library_trees, library_builds)
    with app.store.write() as connection:
        for table in tables:
            connection.execute(delete(table))
    assert _answers(app) == first
    assert "2024-10-07/b" not in str(first[0])


def _answers(app: App) -> list[object]:
    library = Library(app.workspace.issues)
    with up_to_date(app.store, library) as index:
        sent = {"daily": read_sent(index.connection, "daily", app.settings.newsletters["daily"].zone)}
        register = read_register(library, index, sent, {"daily": date(2024, 10, 10)})
        hits = search(library, index, "text", narrowed=Sought(), limit=50)
    return [resolve(app.workspace, app.store, "2024-10-10").facts, register, hits]


def test_a_build_that_went_out_since_the_refresh_is_asked_all_the_same(
    app: App, newsroom: Newsroom, send_row: Callable[..., None]
) -> None:
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-09/a")
    library = Library(app.workspace.issues)
    tree = refresh(app.store, library)
    send_row("2024-10-09", handed_over=datetime(2024, 10, 9, 11, tzinfo=UTC), stories=["2024-10-09/a"])

    with app.store.read() as connection:
        sent = read_sent(connection, "daily", app.settings.newsletters["daily"].zone)
        heading = Heading(date(2024, 10, 10), "2024-10-10", "daily")
        lookback = Lookback(library, Index(connection, tree), sent, heading, "en")
        assert lookback.carriers("2024-10-09/a") == {"2024-10-09"}


@both_databases
def test_two_checkouts_that_share_a_database_do_not_see_each_others_files(app: App, tmp_path: Path) -> None:
    for name, tag in (("one", "asia"), ("two", "europe")):
        room = Newsroom(tmp_path / name)
        room.issue("2024-10-09")
        room.story("2024-10-09/a", f'tags = ["{tag}"]')
    both = [looked(app, tmp_path / name / "issues")["stories"] for name in ("one", "two", "one")]

    with app.store.read() as connection:  # and neither do their rows, whoever refreshed last
        kept = [list(Index(connection, tree_of(tmp_path / name / "issues")).stories()) for name in ("one", "two")]
    assert [entry.tags for stories in kept for entry in stories] == [("asia",), ("europe",)]
    assert [entry.tags for stories in both for entry in stories] == [("asia",), ("europe",), ("asia",)]  # type: ignore[attr-defined]


@both_databases
def test_a_tree_nobody_uses_any_more_is_dropped_with_its_words(app: App, tmp_path: Path) -> None:
    for name in ("old", "new"):
        Newsroom(tmp_path / name).issue("2024-10-09")
        Newsroom(tmp_path / name).story("2024-10-09/a")
    days = count(1)
    looked(app, tmp_path / "old" / "issues")
    looked(app, tmp_path / "new" / "issues", clock=lambda: later() + 30 * 86_400_000_000_000 + next(days))

    with app.store.read() as connection:
        for table in (library_trees, library_stories, library_issues):
            assert connection.scalar(select(func.count()).select_from(table)) == 1
        assert Index(connection, tree_of(tmp_path / "new" / "issues")).count("text") == 1


def test_a_program_that_reads_files_otherwise_does_not_trust_what_this_one_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree_of(tmp_path)
    monkeypatch.setattr(refreshing, "_program", lambda: "another")
    assert tree_of(tmp_path) != before


def test_a_tag_longer_than_any_index_key_is_found_all_the_same(app: App, newsroom: Newsroom) -> None:
    tag = "x" * 50_000
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-09/a", f'tags = ["{tag}"]')

    with up_to_date(app.store, Library(newsroom.root / "issues")) as index:
        assert [entry.story for entry in index.stories(Sought((tag.upper(),)))] == ["2024-10-09/a"]
