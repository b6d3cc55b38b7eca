"""The database, opened once: SQLite (WAL, foreign keys, full synchronisation) or PostgreSQL.

Two doors: `read()` for queries, `write()` for changes. A write takes the one write lock at its start (BEGIN IMMEDIATE,
or an advisory lock), so two writers queue up instead of failing half-way, what one reads before it writes is still true
when it writes, and nothing is open across a network call because each is a `with` block. Dispatch, of which PostgreSQL
may see many at once, goes in by `write(alone=False)` and locks the rows it means to change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from newsletter.errors import StoreError
from newsletter.store.presence import Presence
from newsletter.store.trouble import in_words, shown

BUSY_TIMEOUT_MS = 30_000
_WRITE_LOCK = 7_238_511  # any number that is always the same: PostgreSQL's advisory locks are named by numbers
# A process that is frozen in the midst of it must not keep the others waiting: its transaction is broken off.
_BESIDE = text("SET LOCAL idle_in_transaction_session_timeout = 5000")
_ALONE = text(
    f"SELECT set_config('idle_in_transaction_session_timeout', '{BUSY_TIMEOUT_MS}', true),"
    f" pg_advisory_xact_lock({_WRITE_LOCK})"
)


class Store:
    """The database of a workspace."""

    def __init__(self, address: str, *, make: bool = True) -> None:
        """`address` as SQLAlchemy wants it. A missing SQLite file is made, with its folder; without `make` it is
        refused. Raises StoreError.
        """
        url = _parsed(address)
        self.url = shown(url)
        self.is_postgresql = url.get_backend_name() == "postgresql"
        self._file: Presence | None = None
        if self.is_postgresql:
            from newsletter.store.postgresql import postgresql_engine

            self.engine = postgresql_engine(url, wait_ms=BUSY_TIMEOUT_MS)
        else:
            self._file = Presence(Path(url.database or ""), make=make)
            self.engine = create_engine(url)
            _speak_sqlite(self.engine, self._file)
        # Threads of one process queue here in order; SQLite itself lets them collide and try again by chance.
        self._turn = Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; changes made in it are rolled back."""
        options = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {}
        with self._errors_for_people(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def write(self, *, keep: bool = True, alone: bool = True) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; it commits, or on an error leaves no trace.

        Without `keep` it never leaves one: a rehearsal, in which all is as it would be. Without `alone` PostgreSQL lets
        others write beside it: what must not change meanwhile has to be locked by row. SQLite has one lock for all.
        """
        alone = alone or not self.is_postgresql
        turn = self._my_turn() if alone else nullcontext()
        with self._errors_for_people(), turn, self.engine.connect() as connection:
            with connection.execution_options(write=True).begin() as transaction:
                if self.is_postgresql:
                    connection.execute(_ALONE if alone else _BESIDE)
                yield connection
                if not keep:
                    transaction.rollback()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise StoreError(f"This process is writing to {self.url} already and does not come to an end. Try again.")
        try:
            yield
        finally:
            self._turn.release()

    def break_off_frozen(self, seconds: float) -> int:
        """On PostgreSQL: end what processes that have stood still for so long keep locked; how many. Raises StoreError.

        SQLite's lock cannot be taken from its holder: he must be woken or killed.
        """
        if not self.is_postgresql:
            return 0
        from newsletter.store.postgresql import break_off_frozen

        with self.read() as connection:
            return break_off_frozen(connection, seconds)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _errors_for_people(self) -> Iterator[None]:
        if self._file is not None:
            self._file.check()
        try:
            yield
        except DBAPIError as error:
            problem = in_words(error, self.url)
            if problem is None:
                raise
            raise StoreError(problem) from error


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):  # what stands behind the first @ may be a part of the password
        raise StoreError(
            "[store] url is not an address such as postgresql://user@host:5432/newsletter. "
            "In a password write %40 for @, %2F for / and %25 for %."
        )
    return url


def _speak_sqlite(engine: Engine, file: Presence) -> None:
    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> sqlite3.Connection:
        # By its URI: opened so, a file that has just gone is not made anew.
        address = f"{Path(arguments[0]).absolute().as_uri()}?mode=rw"
        opened: sqlite3.Connection = sqlite3.connect(address, uri=True, **options)
        return opened

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own comes too late for a lock
        cursor = connection.cursor()
        # secure_delete: what is erased is overwritten, not only forgotten.
        settings = ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "secure_delete=ON")
        for pragma in (*settings, f"busy_timeout={BUSY_TIMEOUT_MS}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        file.opened()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
