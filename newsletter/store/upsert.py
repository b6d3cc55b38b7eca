"""INSERT … ON CONFLICT, in the words both databases share: neither SQLite nor PostgreSQL has a standard spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[Mapping[str, Any]]


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert the rows that are not there yet; those that are stay as they are."""
    if rows:
        connection.execute(insert_into(connection, table).on_conflict_do_nothing(), list(rows))


def upsert(
    connection: Connection, table: Table, row: Mapping[str, Any], *, key: Sequence[str], changes: Mapping[str, Any]
) -> None:
    """Insert a row, or make these changes to the one that has its key."""
    statement = insert_into(connection, table).values(dict(row))
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(changes)))


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
