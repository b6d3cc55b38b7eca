"""PostgreSQL as the store: what only it has, and every way it can be out of reach, said in one sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from databases import Postgresql
from postgresql_server import PostgresqlServer
from sqlalchemy import TextClause, insert, select, text
from sqlalchemy.exc import DBAPIError

from newsletter.app import App, open_app
from newsletter.errors import StoreError
from newsletter.store.engine import Store
from newsletter.store.tables import consent, import_batches, metadata, subscribers

pytestmark = pytest.mark.postgresql
Make = Callable[..., Path]


def point(root: Path, url: str) -> None:
    """Lead a workspace to another database; the address may hold a password, so it goes to secrets.toml."""
    config, secrets = root / "config.toml", root / "secrets.toml"
    config.write_text(config.read_text(encoding="utf-8").partition("\n[store]")[0], encoding="utf-8")
    kept = secrets.read_text(encoding="utf-8").partition("\n[store]")[0]
    secrets.write_text(f'{kept}\n[store]\nurl = "{url}"\n', encoding="utf-8")


def typed(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "newsletter", "--workspace", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def complaint(url: str) -> str:
    """What opening a database at this address ends with."""
    with pytest.raises(StoreError) as raised, Store(url.replace("postgresql:", "postgresql+psycopg:")).read():
        pass
    return str(raised.value)


# -- what it does ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["UPDATE consent SET event = 'confirmed'", "DELETE FROM consent", "TRUNCATE consent CASCADE"]
)
def test_the_ledger_refuses_to_be_changed_even_by_its_owner(app: App, change: str) -> None:
    now = app.now()
    with app.store.write() as connection:
        connection.execute(insert(subscribers).values(id=1, address_hash="h1:1", created_at=now))
        said = {"newsletter": "daily", "purpose": "send", "event": "withdrawn", "jurisdiction": "gdpr"}
        row = {**said, "subscriber_id": 1, "source": "form", "actor": "reader", "occurred_at": now, "recorded_at": now}
        connection.execute(insert(consent).values(row))
    with pytest.raises(DBAPIError, match="append-only"), app.store.write() as connection:
        connection.execute(text(change))
    with app.store.read() as connection:
        assert connection.scalars(select(consent.c.event)).all() == ["withdrawn"]


def test_an_empty_database_is_made_ready_at_the_first_use(
    workspace: Path, database: Postgresql, postgresql_server: PostgresqlServer
) -> None:
    config = (workspace / "config.toml").read_text(encoding="utf-8").partition("\n[store]")[0]
    config += database.store(postgresql_server.empty())
    (workspace / "config.toml").write_text(config, encoding="utf-8")
    app = open_app(workspace)
    with app.store.read() as connection:
        assert [connection.execute(select(table)).all() for table in metadata.sorted_tables if table.name != "keys"]
    assert "up to date" in typed(workspace, "db", "upgrade").stdout


def test_the_administrators_defaults_do_not_change_what_the_program_means(
    app: App, database: Postgresql, postgresql_server: PostgresqlServer
) -> None:
    for setting in ("default_transaction_isolation = 'serializable'", "timezone = 'Asia/Tokyo'", "lock_timeout = 0"):
        postgresql_server.say(f"ALTER DATABASE {database.names[0]} SET {setting}")
    asked = ("transaction_isolation", "timezone", "lock_timeout")
    store = Store(app.workspace.store_url)
    for _ in range(2):  # the second time on the same connection: what reading wants does not stay behind
        with store.read() as connection:
            reading = [connection.scalar(text(f"SHOW {name}")) for name in asked]
        with store.write() as connection:
            writing = [connection.scalar(text(f"SHOW {name}")) for name in asked]
        assert reading == ["repeatable read", "UTC", "30s"]
        assert writing == ["read committed", "UTC", "30s"]
    store.close()


def test_a_process_that_stands_still_in_the_midst_of_its_work_keeps_others_waiting_no_longer(app: App) -> None:
    """In a pipeline its session counts as active, so the server alone would wait for it for ever."""
    with app.store.write() as connection:
        connection.execute(insert(subscribers).values(id=1, address_hash="h1:1", created_at=app.now()))
    change = text("UPDATE subscribers SET first_name = 'Ann' WHERE id = 1")
    with app.store.engine.connect() as frozen:
        driver = frozen.connection.driver_connection
        assert driver is not None
        with suppress(psycopg.OperationalError), driver.pipeline():
            driver.execute("UPDATE subscribers SET first_name = 'Ben' WHERE id = 1 RETURNING id").fetchone()
            assert app.store.break_off_frozen(0) == 0  # nobody waits for it
            with ThreadPoolExecutor() as pool:
                other = pool.submit(write, app.store, change)
                while not other.done():
                    assert app.store.break_off_frozen(3_600) == 0  # not for so long
                    if app.store.break_off_frozen(0):
                        other.result(60)
        assert driver.broken
        frozen.invalidate()
    with app.store.read() as connection:
        assert connection.scalar(select(subscribers.c.first_name)) == "Ann"


def write(store: Store, change: TextClause) -> None:
    with store.write(alone=False) as connection:
        connection.execute(change)


def test_a_text_with_a_nul_in_it_is_stored_without(app: App) -> None:
    """Strangers send such things; SQLite would take them, PostgreSQL has no such character."""
    row = {"newsletter": "daily", "file_name": "a\0.csv", "file_sha256": "", "source": "x", "actor": "x"}
    with app.store.write() as connection:
        connection.execute(insert(import_batches).values(at=app.now(), counts="{}", **row))
        found = connection.scalars(select(import_batches.c.file_name).where(import_batches.c.file_name == "a\0.csv"))
        assert found.all() == ["a\ufffd.csv"]


# -- when it is out of reach -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("127.0.0.1:1/newsletter", "Connection refused"),
        ("/newsletter?host=/there/is/no/such/folder", "No such file or directory"),
        ("127.0.0.1:1/newsletter?colour=red", 'invalid connection option "colour"'),
    ],
)
def test_no_server_at_the_address_is_one_sentence_without_the_password(path: str, said: str) -> None:
    found = complaint(f"postgresql://ann:sesame@{path}")
    assert said in found
    assert "postgresql://ann@" in found
    assert "Is PostgreSQL running, and the address right?" in found
    assert "sesame" not in found
    assert "\n" not in found


@pytest.mark.parametrize("url", ["ann:ses@ame@127.0.0.1:1/newsletter", "ann:sesame@127.0.0.1:port/newsletter"])
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    found = complaint(f"postgresql://{url}")
    assert "write %40 for @" in found
    assert "ame" not in found.replace("name", "")


def test_a_wrong_and_a_missing_password_are_said_and_never_shown(
    workspace: Path, database: Postgresql, postgresql_server: PostgresqlServer
) -> None:
    postgresql_server.add_role("guarded", "open-sesame")
    name = database.names[0]
    wrong, missing = (postgresql_server.url(name, user="guarded", password=word) for word in ("wrong-word", None))
    for url, said in ((wrong, "password authentication failed"), (missing, "no password supplied")):
        found = complaint(url)
        assert said in found
        assert "PGPASSWORD" in found
        assert "wrong-word" not in found
    point(workspace, wrong)
    done = typed(workspace, "sends", "list")
    assert (done.returncode, "wrong-word" in done.stdout + done.stderr) == (2, False)
    assert "This is a defect" not in done.stderr
    point(workspace, postgresql_server.url(name, user="guarded", password="open-sesame"))
    done = typed(workspace, "db", "upgrade")  # may connect, and may not read
    assert done.returncode == 2
    assert "does not allow this: permission denied" in done.stderr.replace("\n", " ")
    assert "open-sesame" not in done.stdout + done.stderr


def test_a_missing_database_is_said_with_how_to_make_one(postgresql_server: PostgresqlServer) -> None:
    found = complaint(postgresql_server.url("nowhere"))
    assert 'database "nowhere" does not exist. Make it with' in found


def test_a_server_that_goes_away_ends_a_command_with_a_sentence_and_comes_back_unnoticed(
    app: App, database: Postgresql, postgresql_server: PostgresqlServer
) -> None:
    name = database.names[0]
    threw_out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"

    def interrupted() -> None:
        with app.store.write() as connection:
            connection.execute(insert(subscribers).values(address_hash="h1:1", created_at=app.now()))
            postgresql_server.say(threw_out)
            connection.execute(select(subscribers))

    with pytest.raises(StoreError, match="cannot be reached: terminating connection"):
        interrupted()
    postgresql_server.say(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgresql_server.say(threw_out)
    with pytest.raises(StoreError, match="is not currently accepting connections"), app.store.read():
        pass
    done = typed(app.workspace.root, "sends", "list")
    assert (done.returncode, len(done.stderr.strip().splitlines()) < 4, "defect" in done.stderr) == (2, True, False)
    postgresql_server.say(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    with app.store.read() as connection:
        assert connection.execute(select(subscribers)).all() == []


def test_a_database_that_takes_no_changes_says_so(
    app: App, database: Postgresql, postgresql_server: PostgresqlServer
) -> None:
    postgresql_server.say(f"ALTER DATABASE {database.names[0]} SET default_transaction_read_only = on")
    store = Store(app.workspace.store_url)
    with pytest.raises(StoreError, match="cannot be written: cannot execute INSERT in a read-only transaction"):
        with store.write() as connection:
            connection.execute(insert(subscribers).values(address_hash="h1:1", created_at=app.now()))
    store.close()
