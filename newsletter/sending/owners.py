"""Who has a batch in flight: its owner, which every row in flight names. Only what no living owner has is in doubt.

On SQLite an owner is a process that holds an operating-system lock on a file: a kill of any kind releases it, so "is
it alive?" needs no heartbeat and no guess. On PostgreSQL, where it may be on another machine, it is a lease.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, case, func, select, update

from newsletter.sending.archive import publish
from newsletter.sending.leases import LEASE_SECONDS, ended, lease, sweep
from newsletter.sending.sends import State, get, taken
from newsletter.store.engine import Store
from newsletter.store.tables import deliveries, sends

LOST = "the sending process ended before the answer came"


class Owner(Protocol):
    """A living owner, from inside."""

    @property
    def name(self) -> str:
        """What rows in flight call it."""
        ...

    def holds(self) -> bool:
        """Whether what it has in flight is surely its own still: ask before every call."""
        ...


@contextmanager
def owner(store: Store, locks: Path, *, seconds: float = LEASE_SECONDS) -> Iterator[Owner]:
    """A fresh owner, for as long as this block, and hardly a moment longer than this process, lives."""
    with lease(store, seconds) if store.is_postgresql else _lock(locks) as found:
        yield found


def gone(store: Store, locks: Path, names: Sequence[str]) -> list[str]:
    """Those of these owners that live no more."""
    if not store.is_postgresql:
        return [name for name in names if not _locked(locks, name)]
    with store.read() as connection:
        return ended(connection, names)


@dataclass(frozen=True)
class _Lock:
    name: str

    def holds(self) -> bool:
        return True  # the lock goes with the process alone, however long that sleeps


@contextmanager
def _lock(locks: Path) -> Iterator[_Lock]:
    locks.mkdir(parents=True, exist_ok=True)
    name = secrets.token_hex(8)
    path = locks / f"{name}.lock"
    # Nobody looks for this file before a claim names it, and claims come after the lock is held.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if not _try_lock(descriptor):
            raise OSError(f"{path} could not be locked: the folder must be on a local disk")
        yield _Lock(name)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _locked(locks: Path, name: str) -> bool:
    """Whether somebody holds that lock. A file its owner left behind is cleared away."""
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


def recover(store: Store, locks: Path, send_id: str, *, idempotent: bool) -> int:
    """Deal with what ended processes left in flight in this send; the number of readers concerned.

    They become uncertain. With an idempotent transport they become pending as the same attempt instead: the next
    hand-over carries the same tag and replaces what was, or was not, written.
    """
    query = select(deliveries.c.owner).where(deliveries.c.send_id == send_id, deliveries.c.state == "in_flight")
    with store.read() as connection:
        owners = [name or "" for name in connection.scalars(query.distinct())]
    left_by = gone(store, locks, owners) if owners else []
    if not left_by:
        return 0
    with store.write() as connection:
        if store.is_postgresql:
            sweep(connection)
        return _release(connection, send_id, left_by, again=idempotent)


def _release(connection: Connection, send_id: str, left_by: list[str], *, again: bool) -> int:
    table = deliveries.c
    send = taken(connection, send_id)
    left = (table.send_id == send_id, table.state == "in_flight", func.coalesce(table.owner, "").in_(left_by))
    if again and send.state is not State.CANCELLED:
        values: dict[str, object] = {"state": "pending", "owner": None, "attempt": table.attempt - 1}
        return connection.execute(update(deliveries).where(*left).values(values)).rowcount
    first = select(func.min(table.handed_over_at)).where(*left).scalar_subquery()
    went = case((sends.c.first_handover_at.is_(None), first), else_=sends.c.first_handover_at)
    connection.execute(update(sends).where(sends.c.id == send_id).values(first_handover_at=went))
    publish(connection, get(connection, send_id))
    values = {"state": "uncertain", "owner": None, "reason": LOST}
    return connection.execute(update(deliveries).where(*left).values(values)).rowcount


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
