"""A database that went away is missed, not replaced by an empty one; and who shares one shares its locks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from newsletter.app import App, make_workspace, open_app
from newsletter.cli.root import cli
from newsletter.config import open_workspace
from newsletter.errors import StoreError
from newsletter.sending.owners import gone, owner
from newsletter.store.engine import Store

pytestmark = pytest.mark.sqlite


def typed(root: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(root), *words])


def database_of(root: Path) -> Path:
    return root / "var" / "newsletter.db"


def move_away(root: Path) -> Path:
    """The file and those beside it; where it is now."""
    away = root / "away"
    away.mkdir()
    for file in root.glob("var/newsletter.db*"):
        file.rename(away / file.name)
    return away / "newsletter.db"


@pytest.mark.parametrize("words", [("sends", "list"), ("audience", "count"), ("subscriber", "add", "a@example.com")])
def test_a_missing_database_is_said_and_not_made_anew(workspace: Path, words: tuple[str, ...]) -> None:
    move_away(workspace)
    with pytest.raises(StoreError, match=r"newsletter\.db is not there: put it back.* newsletter db upgrade"):
        open_app(workspace)
    done = typed(workspace, *words)
    assert done.exit_code != 0
    assert "Nothing was sent yet" not in done.output
    assert not database_of(workspace).exists()


def test_an_empty_file_is_no_database_either(workspace: Path) -> None:
    database_of(workspace).write_bytes(b"")
    with pytest.raises(StoreError, match="holds nothing"):
        open_app(workspace)


def test_whoever_wants_an_empty_one_asks_for_it(workspace: Path) -> None:
    move_away(workspace)
    assert typed(workspace, "db", "upgrade").exit_code == 0
    assert "Nothing was sent yet" in typed(workspace, "sends", "list").output


def test_a_new_workspace_has_its_database(tmp_path: Path) -> None:
    make_workspace(tmp_path / "new").store.close()
    open_app(tmp_path / "new").store.close()


@pytest.mark.parametrize("door", ["read", "write"])
def test_a_database_that_goes_while_it_is_open_is_missed_until_it_is_back(app: App, door: str) -> None:
    root = app.workspace.root
    away = move_away(root)
    with pytest.raises(StoreError, match="is not there any more: put it back"), getattr(app.store, door)():
        pass
    assert not database_of(root).exists()
    for file in away.parent.iterdir():
        file.rename(root / "var" / file.name)
    with getattr(app.store, door)() as connection:
        assert connection.scalar(text("SELECT count(*) FROM sends")) == 0


def test_another_file_in_its_place_is_not_written_to(app: App) -> None:
    root = app.workspace.root
    shutil.copyfile(move_away(root), database_of(root))
    with pytest.raises(StoreError, match="is another file than the one that was opened"), app.store.write():
        pass


def test_a_new_connection_makes_no_file(app: App) -> None:
    """Whatever a look before it may have seen."""
    move_away(app.workspace.root)
    app.store.engine.dispose()
    with pytest.raises(Exception, match="unable to open"), app.store.engine.connect():
        pass
    assert not database_of(app.workspace.root).exists()


def test_a_name_that_means_something_in_an_address_is_only_a_name(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/50%25 news#1/daily.db")
    with store.write() as connection:
        connection.execute(text("CREATE TABLE thing (id INTEGER)"))
    store.close()
    assert [path.name for path in tmp_path.rglob("*.db")] == ["daily.db"]


def test_workspaces_that_share_a_database_see_each_others_living_processes(
    make_workspace: Callable[..., Path],
) -> None:
    """Otherwise readers whom one of them has in flight would be given up as lost by the other."""
    first = make_workspace(name="first")
    url = f'\n[store]\nurl = "sqlite:///{database_of(first)}"\n'
    linked = make_workspace(name="linked")
    database_of(linked).unlink()
    database_of(linked).symlink_to(database_of(first))
    second = make_workspace(url, name="second")
    for root in (second, linked):
        shutil.copyfile(first / "secrets.toml", root / "secrets.toml")
    app = open_app(first)
    with owner(app.store, app.workspace.locks) as living:
        for root in (second, linked):
            other = open_app(root)
            assert gone(other.store, other.workspace.locks, [living.name]) == []
            other.store.close()
    app.store.close()


def test_where_locks_lie_is_told_by_the_database(workspace: Path) -> None:
    assert open_workspace(workspace).locks == workspace.resolve() / "var" / "locks"
