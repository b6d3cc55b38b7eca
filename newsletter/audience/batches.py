"""Imports as on record, and how one comes about in many short transactions and yet counts at one moment.

A batch is begun as not counting; what it writes (entries, listings, suppressions) counts for nobody but the import
itself. Its last transaction makes all of it count. Undoing goes the other way: it is announced, done in short
transactions, and its last one ends the counting. What a process that died left half done is told by the lock it held.

`undone_at` and `undone_by` say where a batch is: neither, it counts; only `undone_at`, it is under way; only
`undone_by`, it is being undone; both, it is undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from newsletter.errors import Refused, StoreError
from newsletter.store.engine import Store
from newsletter.store.exclusive import exclusive
from newsletter.store.tables import consent, import_batches

BROKEN_OFF = "the program: the import was broken off"
LEDGER_BEFORE = "ledger_before"  # the newest entry when the import began: how undoing it tells what came later
_WORK = "import"


@dataclass(frozen=True)
class Batch:
    """One import, as on record."""

    id: int
    newsletter: str
    file_name: str
    source: str
    actor: str
    at: datetime
    counts: dict[str, int]
    undone_at: datetime | None
    undone_by: str | None

    @property
    def under_way(self) -> bool:
        """It does not count yet; when no import is running, it never will."""
        return self.undone_at is not None and self.undone_by is None

    @property
    def settled(self) -> bool:
        return not self.under_way and not self.being_undone

    @property
    def being_undone(self) -> bool:
        return self.undone_at is None and self.undone_by is not None

    @property
    def undone(self) -> bool:
        return self.undone_at is not None and self.undone_by is not None


def list_imports(store: Store, newsletter: str | None = None) -> list[Batch]:
    """Every import, the newest first."""
    query = select(import_batches).order_by(import_batches.c.id.desc())
    if newsletter is not None:
        query = query.where(import_batches.c.newsletter == newsletter)
    with store.read() as connection:
        return [_batch(row) for row in connection.execute(query)]


def find(connection: Connection, batch: int) -> Batch | None:
    """One import."""
    row = connection.execute(select(import_batches).where(import_batches.c.id == batch)).one_or_none()
    return _batch(row) if row else None


def unsettled(store: Store) -> list[Batch]:
    """Imports under way or being undone: by the process that holds the lock, or left so by one that died."""
    table = import_batches.c
    under_way = and_(table.undone_at.is_not(None), table.undone_by.is_(None))
    being_undone = and_(table.undone_at.is_(None), table.undone_by.is_not(None))
    query = select(import_batches).where(or_(under_way, being_undone)).order_by(table.id)
    with store.read() as connection:
        return [_batch(row) for row in connection.execute(query)]


@contextmanager
def importing(store: Store) -> Iterator[None]:
    """Import or undo; one process at a time. Raises Refused while another does."""
    with exclusive(store, _WORK) as free:
        if not free:
            raise Refused(_other(unsettled(store)))
        yield


def somebody_importing(store: Store) -> bool:
    """Whether a living process imports or undoes."""
    with exclusive(store, _WORK) as free:
        return not free


def _other(found: list[Batch]) -> str:
    doing = "is being undone" if found and found[-1].being_undone else "is under way"
    which = f"Import {found[-1].id} ({found[-1].file_name}, by {found[-1].actor})" if found else "Another import"
    return f"{which} {doing}. Try again when that is over; see: newsletter subscriber imports"


def begin(connection: Connection, row: Mapping[str, Any]) -> int:
    """A new batch that does not count yet; its id."""
    before = {LEDGER_BEFORE: connection.scalar(select(func.max(consent.c.id))) or 0}
    values = {**row, "counts": json.dumps(before), "undone_at": row["at"]}
    made = insert(import_batches).values(values).returning(import_batches.c.id)
    return int(connection.execute(made).scalar_one())


def go_on(connection: Connection, batch: int) -> Batch:
    """The batch, which is under way. Raises StoreError when another took this process for dead, and the batch away."""
    found = find(connection, batch)
    if found is None or not found.under_way:
        raise StoreError(f"Import {batch} lost its lock on the database and was taken away. Import the file again.")
    return found


def finish(connection: Connection, batch: int, counts: Mapping[str, int]) -> None:
    """From now on the batch counts, all of it."""
    told = {**go_on(connection, batch).counts, **counts}
    ends = {"undone_at": None, "undone_by": None, "counts": json.dumps(told)}
    connection.execute(update(import_batches).where(import_batches.c.id == batch).values(ends))


def announce_undoing(connection: Connection, batch: int, actor: str) -> None:
    """It counts still; but whoever finds it so, and nobody at it, goes on undoing it."""
    connection.execute(update(import_batches).where(import_batches.c.id == batch).values(undone_by=actor))


def end(connection: Connection, batch: int, *, by: str, now: datetime) -> None:
    """From now on, or still, the batch does not count."""
    ended = {"undone_at": now, "undone_by": by}
    connection.execute(update(import_batches).where(import_batches.c.id == batch).values(ended))


def _batch(row: Row[Any]) -> Batch:
    values = {**row._mapping, "counts": json.loads(row.counts)}
    return Batch(**{name: values[name] for name in Batch.__annotations__})
