"""The database: one schema, two doors, an append-only ledger, keys that cannot be swapped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text
from sqlalchemy.exc import StatementError

from newsletter.app import App, open_app
from newsletter.errors import KeyMismatch, StoreError
from newsletter.store.engine import Store
from newsletter.store.keys import new_key
from newsletter.store.schema import VERSION, alembic_config
from newsletter.store.tables import import_batches, metadata

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)


def _batch(at: datetime = NOW) -> dict[str, object]:
    return {
        "newsletter": "daily",
        "file_name": "a.csv",
        "file_sha256": "",
        "source": "form",
        "actor": "ann",
        "at": at,
        "counts": "{}",
    }


def test_the_migrations_make_exactly_the_tables_the_program_declares(app: App) -> None:
    def declared(name: str | None, kind: str, _parents: object) -> bool:
        """All but the full text, which each database has in tables of its own kind, and the job queue's own."""
        return kind != "table" or not (name or "").startswith(("library_words", "procrastinate_"))

    with app.store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": declared})
        assert compare_metadata(context, metadata) == []


def test_the_version_asked_for_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == VERSION


@pytest.mark.sqlite
def test_the_database_survives_a_power_cut_by_its_settings(app: App) -> None:
    with app.store.read() as connection:
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}


def test_a_failed_write_leaves_no_trace(app: App) -> None:
    def interrupted() -> None:
        with app.store.write() as connection:
            connection.execute(insert(import_batches), _batch())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with app.store.read() as connection:
        assert connection.execute(select(import_batches)).all() == []


def test_a_rehearsal_sees_what_it_wrote_and_leaves_no_trace(app: App) -> None:
    with app.store.write(keep=False) as connection:
        connection.execute(insert(import_batches), _batch())
        assert connection.scalar(select(import_batches.c.source)) == "form"
    with app.store.read() as connection:
        assert connection.execute(select(import_batches)).all() == []


def test_what_others_write_meanwhile_does_not_change_a_view(app: App) -> None:
    with app.store.read() as view:
        assert view.execute(select(import_batches)).all() == []
        with app.store.write() as connection:
            connection.execute(insert(import_batches), _batch())
        assert view.execute(select(import_batches)).all() == []
    with app.store.read() as view:
        assert len(view.execute(select(import_batches)).all()) == 1


def test_a_moment_without_a_zone_is_refused(app: App) -> None:
    with pytest.raises(StatementError, match="without a time zone"), app.store.write() as connection:
        connection.execute(insert(import_batches), _batch(datetime(2024, 10, 10)))  # noqa: DTZ001 - the point


def test_a_moment_comes_back_as_it_was_stored(app: App) -> None:
    with app.store.write() as connection:
        connection.execute(insert(import_batches), _batch())
    with app.store.read() as connection:
        assert connection.scalar(select(import_batches.c.at)) == NOW


WRITER = """
import sys
from sqlalchemy import text
from newsletter.store.engine import Store
store = Store(sys.argv[1])
for _ in range(200):
    with store.write() as connection:
        value = connection.scalar(text("SELECT value FROM counter"))
        connection.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})
"""


def test_two_processes_that_write_at_once_lose_nothing(app: App) -> None:
    with app.store.write() as connection:
        connection.execute(text("CREATE TABLE counter (value INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    children = [subprocess.Popen([sys.executable, "-c", WRITER, app.workspace.store_url]) for _ in range(2)]
    assert [child.wait(timeout=120) for child in children] == [0, 0]
    with app.store.read() as connection:
        assert connection.scalar(text("SELECT value FROM counter")) == 400


def test_a_database_of_another_version_is_refused_with_the_remedy(app: App, workspace: Path) -> None:
    with app.store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'old'"))
    with pytest.raises(StoreError, match="newsletter db upgrade"):
        open_app(workspace)


def test_a_swapped_key_stops_the_start(app: App, workspace: Path) -> None:
    """Invariant 11."""
    secrets = workspace / "secrets.toml"
    secrets.write_text(f'[keys]\nhash = "{new_key("h1")}"\nsigning = ["{new_key("s1")}"]\n', encoding="utf-8")
    with pytest.raises(KeyMismatch, match=r"hash key `h1` in secrets\.toml is not the one"):
        open_app(workspace)


def test_a_lost_key_stops_the_start(app: App, workspace: Path) -> None:
    """Invariant 11."""
    lines = (workspace / "secrets.toml").read_text(encoding="utf-8").splitlines()
    lines[2] = f'signing = ["{new_key("s2")}"]'
    (workspace / "secrets.toml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(KeyMismatch, match="signing key `s1` this store was made with is missing"):
        open_app(workspace)


def test_a_new_signing_key_may_join_the_old_one(app: App, workspace: Path) -> None:
    """Invariant 11: rotation puts the new key first and keeps the old one checking."""
    secrets = workspace / "secrets.toml"
    fresh = new_key("s2")
    secrets.write_text(
        secrets.read_text(encoding="utf-8").replace('signing = ["', f'signing = ["{fresh}", "'), encoding="utf-8"
    )
    again = open_app(workspace)
    assert [key.id for key in again.keys.signing] == ["s2", "s1"]


def test_without_keys_nothing_starts(make_workspace: Callable[..., Path]) -> None:
    root = make_workspace(name="keyless")
    (root / "secrets.toml").unlink()
    with pytest.raises(KeyMismatch, match="Restore the file from your backup"):
        open_app(root)


@pytest.mark.sqlite
def test_a_file_that_is_no_database_is_refused_in_words(workspace: Path) -> None:
    database = workspace / "var" / "newsletter.db"
    database.write_bytes(b"this is not a database, but long enough to look like a file" * 20)
    with pytest.raises(StoreError, match="is not a usable SQLite database"):
        open_app(workspace)


def test_a_folder_that_cannot_be_made_for_the_database_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be made"):
        Store(f"sqlite:///{tmp_path}/var/newsletter.db")


def test_the_folder_made_for_the_database_is_closed_to_other_users(tmp_path: Path) -> None:
    """Addresses, and mails with their unsubscribe links, lie in it."""
    Store(f"sqlite:///{tmp_path}/var/newsletter.db")
    assert (tmp_path / "var").stat().st_mode & 0o077 == 0


def test_a_database_another_process_holds_on_to_is_said_in_words(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.store.engine.BUSY_TIMEOUT_MS", 10)
    impatient = Store(app.workspace.store_url)
    with app.store.write(), pytest.raises(StoreError, match="Another process is writing"):
        with impatient.write():
            pass
