"""Thousands of rows in one statement, in the driver's own words.

SQLAlchemy's executemany weighs every value of every row again; an import of a million readers spends most of its time
there. Here the statement is compiled once and each distinct moment is turned into the database's spelling once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table

from newsletter.store.tables import Instant
from newsletter.store.upsert import insert_into


def insert_many(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, new_only: bool = False
) -> None:
    """Insert rows that all have the same columns; with `new_only` those that are there already stay as they are.

    Values must be text, numbers, None or moments.
    """
    if not rows:
        return
    statement = insert_into(connection, table)
    if new_only:
        statement = statement.on_conflict_do_nothing()
    columns = list(rows[0])
    compiled = statement.compile(dialect=connection.dialect, column_keys=columns)
    moments = _Moments(connection)
    if compiled.positional:
        order = [str(name) for name in compiled.positiontup or ()]
        written: Any = [tuple([moments.of(row[name]) for name in order]) for row in rows]
    else:
        written = [{name: moments.of(row[name]) for name in columns} for row in rows]
    connection.exec_driver_sql(str(compiled), written)


class _Moments(dict[datetime, Any]):
    """Moments as the database spells them, each worked out once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._spell = Instant().dialect_impl(connection.dialect).bind_processor(connection.dialect)

    def of(self, value: Any) -> Any:
        if value.__class__ is not datetime:
            return value
        return self[value]

    def __missing__(self, value: datetime) -> Any:
        spelt = self._spell(value) if self._spell else value
        self[value] = spelt
        return spelt
