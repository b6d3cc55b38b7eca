"""The database's own clock, in the words of each database: what every process that shares a database can agree on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class epoch_seconds(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Seconds since 1970 when the statement began, to a millisecond at least; the same wherever it stands in it."""

    type = Double()
    name = "epoch_seconds"
    inherit_cache = True


@compiles(epoch_seconds)
def _sqlite(_element: epoch_seconds, _compiler: SQLCompiler, **_: Any) -> str:
    # unixepoch('subsec') is newer than the oldest SQLite we meet.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(epoch_seconds, "postgresql")
def _postgresql(_element: epoch_seconds, _compiler: SQLCompiler, **_: Any) -> str:
    # Not now(): that is when the transaction began, and a write waits for its turn after that.
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS DOUBLE PRECISION)"
