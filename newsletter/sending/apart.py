"""A newsroom apart: a rehearsal reads the editors' own files, and writes everything else into a folder of its own.

What sending asks the database is copied, all from one consistent view of it, into a database in that folder. Readers'
addresses are in there: the folder is its owner's alone and goes when the rehearsal ends, and one that a killed
rehearsal left behind goes when a clock tidies up, or before the next begins.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, case, func, null, select

from newsletter.config import Workspace
from newsletter.rendering.build import Build
from newsletter.sending.sends import FINISHED, State
from newsletter.store.bulk import insert_many
from newsletter.store.engine import Store
from newsletter.store.tables import (
    builds,
    consent,
    deliveries,
    import_batches,
    pace,
    sends,
    subscribers,
    subscriptions,
    suppressions,
    votes,
)
from newsletter.store.upsert import insert_new

CHUNK = 10_000
_AUDIENCE = (subscribers, subscriptions, import_batches, consent, suppressions)
_OPEN_ROWS = {"in_flight": "uncertain", "pending": "excluded"}  # of the real send: nobody there is ours to mail


@dataclass(frozen=True)
class Apart(Workspace):
    """A workspace whose builds, locks, mails and database lie in a folder of their own."""

    folder: Path

    @property
    def builds(self) -> Path:
        return self.folder / "builds"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder / 'newsletter.db'}"


@contextmanager
def folder_apart(workspace: Workspace) -> Iterator[Path]:
    """A new folder under var/ that nobody else may look into; it is gone afterwards, whatever happens."""
    base = _base(workspace)
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear_left(workspace)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=base) as folder:
            yield Path(folder)
    finally:
        with suppress(OSError):  # another rehearsal is using it
            base.rmdir()


def clear_left(workspace: Workspace) -> None:
    """Take away what killed rehearsals left behind: readers' addresses are in there."""
    base = _base(workspace)
    for left in base.iterdir() if base.is_dir() else ():
        if not _runs(left.name.partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)


def _base(workspace: Workspace) -> Path:
    return workspace.root / "var" / "rehearsals"


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (ValueError, OSError):
        return False
    return True


def copy_audience(source: Store, apart: Store, build: Build, *, readers_of: str | None = None) -> None:
    """Copy into `apart`, which holds the build, everything that sending it asks about. Raises StoreError.

    With `readers_of` that is who had that other issue, too.
    """
    with source.read() as connection:
        for table in _AUDIENCE:
            _copy(connection, apart, select(table), table)
        # Segments may ask who had which issue, and who has voted.
        every = any(build.variants.values())
        issues = [build.issue] if readers_of is None else [build.issue, readers_of]
        ours = sends.c.id.is_not(None) if every else sends.c.issue.in_(issues)
        used = select(builds).where(builds.c.hash.in_(select(sends.c.build).where(ours)))
        rows = [dict(row._mapping) for row in connection.execute(used)]
        with apart.write() as inside:
            insert_new(inside, builds, rows)
        _copy(connection, apart, _ended(ours, build.issue), sends)
        theirs = deliveries.c.send_id.in_(select(sends.c.id).where(ours))
        _copy(connection, apart, _settled().where(theirs), deliveries)
        if every:
            _copy(connection, apart, select(votes), votes)


def last_rate(source: Store, scope: str) -> float | None:
    """The readers a second an account last allowed, by its row of the pace; None when it is not known."""
    with source.read() as connection:
        rate: float | None = connection.scalar(select(pace.c.rate).where(pace.c.scope == scope))
    return rate


def _ended(ours: ColumnElement[bool], issue: str) -> Select[Any]:
    """The sends, as if none were under way: a rehearsal of the issue has one of its own."""
    ended = case((sends.c.state.in_(FINISHED), sends.c.state), else_=State.CANCELLED.value)
    others = [column for column in sends.c if column.name not in {"state", "first_handover_at"}]
    # None of its earlier builds goes into the archive here: their files stay where they are.
    first = case((sends.c.issue == issue, null()), else_=sends.c.first_handover_at)
    return select(*others, ended.label("state"), first.label("first_handover_at")).where(ours)


def _settled() -> Select[Any]:
    state = deliveries.c.state
    settled = case(_OPEN_ROWS, value=state, else_=state)
    reason = case(
        (state == "pending", func.coalesce(deliveries.c.reason, "of another send")), else_=deliveries.c.reason
    )
    others = [column for column in deliveries.c if column.name not in {"state", "reason"}]
    return select(*others, settled.label("state"), reason.label("reason"))


def _copy(source: Connection, apart: Store, query: Select[Any], table: Table) -> None:
    """In the order of the keys, chunk by chunk."""
    ordered = query.order_by(*table.primary_key.columns)
    rows = source.execution_options(yield_per=CHUNK).execute(ordered)
    names = list(rows.keys())
    for chunk in rows.partitions(CHUNK):
        with apart.write() as connection:
            insert_many(connection, table, names, chunk)
