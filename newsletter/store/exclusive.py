"""Work that one process at a time may do on a database, told by a lock that dies with its holder.

On SQLite an operating-system lock on a file beside the database, on PostgreSQL an advisory lock of a session of its
own: a kill of any kind releases it. So whoever holds the lock knows that what another began is not going on.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from newsletter.errors import StoreError
from newsletter.store.engine import Store
from newsletter.store.trouble import in_words

_OURS = 7_238_512  # the first of the two numbers that name a lock; the second is made of the work's name


@contextmanager
def exclusive(store: Store, work: str) -> Iterator[bool]:
    """Whether this block is the only one at this work; it stays so until it ends. Nobody is waited for."""
    with _exclusive_on_postgresql(store, work) if store.is_postgresql else _exclusive_on_sqlite(store, work) as free:
        yield free


@contextmanager
def _exclusive_on_sqlite(store: Store, work: str) -> Iterator[bool]:
    folder = Path(store.engine.url.database or "").resolve().parent / "locks"
    path = folder / f"{work}.lock"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # it stays: removing it would let two hold it
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}.") from None
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _exclusive_on_postgresql(store: Store, work: str) -> Iterator[bool]:
    number = zlib.crc32(work.encode()) >> 1  # PostgreSQL's integers have a sign
    lock = {"ours": _OURS, "work": number}
    try:
        connection = store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        free = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:ours, :work)"), lock))
    except DBAPIError as error:
        problem = in_words(error, store.url)
        if problem is None:
            raise
        raise StoreError(problem) from error
    try:
        yield free
    finally:
        with suppress(DBAPIError):  # a session that broke has lost the lock already
            if free:
                connection.execute(text("SELECT pg_advisory_unlock(:ours, :work)"), lock)
        connection.close()


if sys.platform == "win32":
    import msvcrt

    def _locked(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
