"""Thousands of rows in one statement, in the driver's own words.

SQLAlchemy's executemany weighs every value of every row again; an import of a million readers spends much of its time
there. Here the statement is compiled once, and each distinct moment is turned into the database's spelling once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table

from newsletter.store.tables import Instant
from newsletter.store.upsert import insert_into

_PAGES_KIB = -65_536  # negative: in KiB, not in pages


def insert_many(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    new_only: bool = False,
) -> None:
    """Insert rows with values for these columns; with `new_only` those that are there already stay as they are.

    Values are text, numbers, None or moments.
    """
    spelt = _Moments(connection)
    written: Any = [tuple([spelt[v] if v.__class__ is datetime else v for v in row]) for row in rows]
    if not written:
        return
    statement = insert_into(connection, table)
    if new_only:
        statement = statement.on_conflict_do_nothing()
    given = [table.c[name].name for name in columns]
    compiled = statement.compile(dialect=connection.dialect, column_keys=given)
    if compiled.positional:
        places = [given.index(name) for name in compiled.positiontup or ()]
        if places != list(range(len(given))):
            written = [tuple([row[place] for place in places]) for row in written]
    else:
        written = [dict(zip(given, row, strict=True)) for row in written]
    connection.exec_driver_sql(str(compiled), written)


@contextmanager
def roomy(connection: Connection) -> Iterator[None]:
    """SQLite keeps 2 MB of pages: too few for indexes of keyed hashes, whose entries lie anywhere. Here it keeps 64."""
    if connection.dialect.name != "sqlite":
        yield
        return
    before = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
    connection.exec_driver_sql(f"PRAGMA cache_size = {_PAGES_KIB}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA cache_size = {int(before)}")


class _Moments(dict[datetime, Any]):
    """Moments as the database spells them, each worked out once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._spell = Instant().dialect_impl(connection.dialect).bind_processor(connection.dialect)

    def __missing__(self, value: datetime) -> Any:
        spelt = self._spell(value) if self._spell else value
        self[value] = spelt
        return spelt
