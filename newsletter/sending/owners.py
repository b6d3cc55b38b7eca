"""Who has a batch in flight: a process that holds an operating-system lock on a file named in the ledger.

A kill of any kind releases the lock, so "is its owner alive?" needs no heartbeat and no guess. Only deliveries whose
owner is gone become uncertain; a living sender beside a restarted one is left alone.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, case, func, select, update

from newsletter.sending.archive import publish
from newsletter.sending.sends import State, get
from newsletter.store.engine import Store
from newsletter.store.tables import deliveries, sends

LOST = "the sending process ended before the answer came"


@contextmanager
def owner(locks: Path) -> Iterator[str]:
    """A fresh owner's id, held for as long as this block, and not a moment longer than this process, lives."""
    locks.mkdir(parents=True, exist_ok=True)
    name = secrets.token_hex(8)
    path = locks / f"{name}.lock"
    # Nobody looks for this file before a claim names it, and claims come after the lock is held.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if not _try_lock(descriptor):
            raise OSError(f"{path} could not be locked: the folder must be on a local disk")
        yield name
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def alive(locks: Path, name: str) -> bool:
    """Whether that owner still runs. A file its owner left behind is cleared away."""
    path = locks / f"{name}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        if not _try_lock(descriptor):
            return True
        with suppress(OSError):  # where an open file cannot be removed it stays, unlocked
            path.unlink()
        return False
    finally:
        os.close(descriptor)


def recover(store: Store, locks: Path, send_id: str, *, now: datetime, idempotent: bool) -> int:
    """Deal with what ended processes left in flight in this send; the number of readers concerned.

    They become uncertain. With an idempotent transport they become pending as the same attempt instead: the next
    hand-over carries the same tag and replaces what was, or was not, written.
    """
    query = select(deliveries.c.owner).where(deliveries.c.send_id == send_id, deliveries.c.state == "in_flight")
    with store.read() as connection:
        owners = list(connection.scalars(query.distinct()))
    gone = [name for name in owners if name is None or not alive(locks, name)]
    if not gone:
        return 0
    with store.write() as connection:
        return _release(connection, send_id, gone, again=idempotent, now=now)


def _release(connection: Connection, send_id: str, gone: list[str | None], *, again: bool, now: datetime) -> int:
    table = deliveries.c
    state = connection.scalar(select(sends.c.state).where(sends.c.id == send_id))
    left = (table.send_id == send_id, table.state == "in_flight", func.coalesce(table.owner, "").in_(_names(gone)))
    if again and state != State.CANCELLED:
        values: dict[str, object] = {"state": "pending", "owner": None, "attempt": table.attempt - 1}
        return connection.execute(update(deliveries).where(*left).values(values)).rowcount
    first = select(func.min(table.handed_over_at)).where(*left).scalar_subquery()
    went = case((sends.c.first_handover_at.is_(None), first), else_=sends.c.first_handover_at)
    connection.execute(update(sends).where(sends.c.id == send_id).values(first_handover_at=went))
    publish(connection, get(connection, send_id))
    values = {"state": "uncertain", "owner": None, "reason": LOST}
    return connection.execute(update(deliveries).where(*left).values(values)).rowcount


def _names(gone: list[str | None]) -> list[str]:
    return [name or "" for name in gone]


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
