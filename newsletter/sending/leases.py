"""Who has a batch in flight, on PostgreSQL: a row that says until when, and that its holder renews.

Others may take over when the database's clock has passed that moment. So the holder believes in its lease for less
long, by a clock of its own that also counts while the machine sleeps: a process that was frozen knows, when it wakes
up, that others may have gone on without it. A lease that ran out is never renewed; its holder begins a new one.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from newsletter.errors import StoreError
from newsletter.store.clock import epoch_seconds
from newsletter.store.engine import Store
from newsletter.store.tables import owners

LEASE_SECONDS = 60.0
_RENEWALS = 6  # in the length of a lease: several may fail
_BELIEVED = 0.9  # of a lease: clocks do not run quite alike
_BOOT, _PROCESSES = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
_NOW = epoch_seconds()
_STEADY = getattr(time, "CLOCK_BOOTTIME", None)


def steady() -> float:
    """Seconds of a clock nobody sets; where there is one, it counts while the machine is suspended."""
    return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)


@dataclass
class Lease:
    """A lease under way."""

    store: Store
    seconds: float
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    _until: float = 0.0
    _ended: Event = field(default_factory=Event)

    def holds(self) -> bool:
        """Whether nobody can have taken over yet."""
        return steady() < self._until

    def begin(self) -> None:
        asked = steady()
        row = {"name": self.name, "host": _here(), "process": os.getpid()}
        with self.store.write(alone=False) as connection:
            connection.execute(insert(owners).values(since=_NOW, until=_NOW + self.seconds, **row))
        self._until = asked + self.seconds * _BELIEVED

    def keep(self) -> None:
        """Renew it until `end`, or until it is lost."""
        while not self._ended.wait(self.seconds / _RENEWALS):
            with suppress(StoreError, SQLAlchemyError):  # the database is away: it may come back in time
                if not self._renew():
                    return

    def _renew(self) -> bool:
        asked = steady()
        ours = update(owners).where(owners.c.name == self.name, owners.c.until > _NOW)
        with self.store.write(alone=False) as connection:
            renewed = connection.execute(ours.values(until=_NOW + self.seconds)).rowcount == 1
        self._until = asked + self.seconds * _BELIEVED if renewed else 0.0
        return renewed

    def end(self) -> None:
        self._until = 0.0
        self._ended.set()
        with suppress(StoreError, SQLAlchemyError), self.store.write(alone=False) as connection:
            connection.execute(delete(owners).where(owners.c.name == self.name))


@contextmanager
def lease(store: Store, seconds: float) -> Iterator[Lease]:
    """A fresh lease, renewed beside whatever the block does."""
    found = Lease(store, seconds)
    found.begin()
    keeper = Thread(target=found.keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield found
    finally:
        found.end()
        keeper.join()


def ended(connection: Connection, names: Iterable[str]) -> list[str]:
    """Those of these owners whose lease is over, or whose process on this machine is. Neither comes back."""
    wanted = list(names)
    table = owners.c
    living = select(table.name, table.host, table.process).where(table.name.in_(wanted), table.until > _NOW)
    alive = {row.name for row in connection.execute(living) if not _ended_here(row.host, row.process)}
    return [name for name in wanted if name not in alive]


def _here() -> str:
    """This machine; on Linux so exactly that a process number means one process as long as it runs."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [_BOOT.read_text().strip(), str(_PROCESSES.readlink())]
    return " ".join(parts)


def _ended_here(host: str, process: int) -> bool:
    """Whether we know better than to wait for the lease: a kill on this machine is seen at once."""
    if " " not in host or host != _here():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's, alive
    return False


def sweep(connection: Connection) -> None:
    """Forget leases that ran out: a missing row means the same."""
    connection.execute(delete(owners).where(owners.c.until <= _NOW))
