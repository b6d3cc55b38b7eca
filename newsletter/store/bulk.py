"""Thousands of rows in one statement, in the driver's own words.

SQLAlchemy's executemany weighs every value of every row again; an import of a million readers spends much of its time
there, and so does the ledger of a send. Here the statement is compiled once, and each distinct moment is turned into
the database's spelling once. Values are text, numbers, None or moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, UpdateBase
from sqlalchemy.sql.compiler import SQLCompiler

from newsletter.store.tables import Instant
from newsletter.store.upsert import insert_into

_ROOMY_KIB, _USUAL_KIB = 65_536, 2_000


def insert_many(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    new_only: bool = False,
) -> None:
    """Insert rows with values for these columns; with `new_only` those that are there already stay as they are."""
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


class Prepared:
    """A statement that changes rows, for values under these names; kept, so that it is compiled once."""

    def __init__(self, statement: UpdateBase, names: Sequence[str]) -> None:
        self._statement, self._names = statement, tuple(names)
        self._compiled: dict[str, SQLCompiler] = {}  # by database

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Once for each row of values."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = self._statement.compile(dialect=dialect)
        fixed = {name: value for name, value in compiled.params.items() if name not in self._names}
        written: Any
        if compiled.positional:
            places = [*self._names, *fixed]
            pick = itemgetter(*[places.index(name) for name in compiled.positiontup or ()])
            rest = tuple(fixed.values())
            written = [pick(row + rest) for row in rows]
        else:
            written = [dict(zip(self._names, row, strict=True), **fixed) for row in rows]
        connection.exec_driver_sql(str(compiled), written)


def roomy(connection: Connection) -> None:
    """SQLite keeps 2 MB of pages: too few for indexes of keyed hashes, whose entries lie anywhere. Now it keeps 64."""
    _keep_pages(connection, _ROOMY_KIB)


def usual(connection: Connection) -> None:
    """After all the transactions for which it was to be roomy."""
    _keep_pages(connection, _USUAL_KIB)


def _keep_pages(connection: Connection, kib: int) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{kib}")  # negative: in KiB, not in pages


class _Moments(dict[datetime, Any]):
    """Moments as the database spells them, each worked out once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._spell = Instant().dialect_impl(connection.dialect).bind_processor(connection.dialect)

    def __missing__(self, value: datetime) -> Any:
        spelt = self._spell(value) if self._spell else value
        self[value] = spelt
        return spelt
