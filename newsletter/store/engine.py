"""The database, opened once: SQLite with WAL, foreign keys and full synchronisation.

Two doors: `read()` for queries, `write()` for changes. A write takes the lock at once (BEGIN IMMEDIATE), so two
writers queue up instead of failing half-way, and nothing is open across a network call because each is a `with` block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DatabaseError

from newsletter.errors import StoreError

BUSY_TIMEOUT_MS = 30_000


class Store:
    """The database of a workspace."""

    def __init__(self, url: str) -> None:
        """`url` is an SQLAlchemy address with an absolute path; the folder is made when it is missing."""
        self.url = url
        database = make_url(url).database
        if database:
            _make_folder(Path(database).parent)
        self.engine = create_engine(url)
        _speak_sqlite(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; changes made in it are rolled back."""
        with self._errors_for_people(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; it commits, or on an error leaves no trace."""
        with self._errors_for_people(), self.engine.connect().execution_options(write=True) as connection:
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _errors_for_people(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            text = str(error.orig)
            if "no such table" in text or "no such column" in text:
                raise StoreError("The database is not of this version. Run: newsletter db upgrade") from error
            if "not a database" in text or "malformed" in text:
                raise StoreError(f"{self.url} is not a usable SQLite database: {text}.") from error
            if "is locked" in text:
                raise StoreError(f"Another process is writing to {self.url} and does not let go. Try again.") from error
            if "disk is full" in text or "readonly" in text or "unable to open" in text:
                raise StoreError(f"{self.url} cannot be written: {text}.") from error
            raise


def _make_folder(folder: Path) -> None:
    """Readers' addresses and their mails lie in it: nobody else on the machine may look in."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder {folder} for the database cannot be made: {error.strerror}.") from None


def _speak_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own comes too late for a lock
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
