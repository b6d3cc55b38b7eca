"""Dispatch: hand over what is pending of a send, or of a slice of it, until nothing is or something stops it.

Any number of processes may do so at once. Afterwards the send's state says how it stands: whoever finds nothing pending
and nothing in flight calls it done, and whoever has to hold it holds it for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from newsletter.sending import ledger
from newsletter.sending.answers import Patience
from newsletter.sending.garbage import rarely_collected
from newsletter.sending.interrupts import Stop, on_stop_signal
from newsletter.sending.ledger import Scope
from newsletter.sending.messages import Fields
from newsletter.sending.owners import owner, recover
from newsletter.sending.parking import park
from newsletter.sending.run import Run
from newsletter.sending.sends import State, move, taken
from newsletter.store.engine import Store
from newsletter.transports.mail import Mail, Quota, Transport

STOPPED = "stopped by the person who ran it"


@dataclass(frozen=True)
class Job:
    """All that dispatching one send needs.

    With `stop` it is work in the background: being told to stop ends this process's part of it. Without, a person looks
    on, whose Ctrl-C pauses the send.
    """

    store: Store
    locks: Path
    transport: Transport
    mails: Mapping[str, Mail]  # by variant
    fields: Fields
    scope: Scope
    now: Callable[[], datetime]
    quota: Quota
    progress: Callable[[int, int], None]
    patience: Patience
    stop: Stop | None = None


def dispatch(job: Job) -> None:
    """Hand over until nothing is pending, or something stops the send; afterwards its state says which.

    Raises StoreError when the database is away for too long.
    """
    send_id, idempotent = job.scope.send_id, job.transport.idempotent
    while True:
        with owner(job.store, job.locks, seconds=job.patience.lease_seconds) as ours:
            recover(job.store, job.locks, send_id, idempotent=idempotent)
            run = Run(job, ours)
            hearing = on_stop_signal(run.stop) if job.stop is None else job.stop.heard_by(run.stop)
            with hearing, rarely_collected():
                run.go()
        # A process beside this one may have ended badly meanwhile: what it left behind is ours.
        left_behind = recover(job.store, job.locks, send_id, idempotent=idempotent)
        if run.told or run.hold or not (run.outdated or (left_behind and not run.stopping)):
            break
    with job.store.write(alone=False) as connection:
        _close(connection, job, run)


def _close(connection: Connection, job: Job, run: Run) -> None:
    """Write down how it ended. It goes on being `sending` while another process has readers in flight."""
    send = taken(connection, job.scope.send_id)
    if send.state is not State.SENDING or ledger.settle(connection, send.id, job.now()):
        return
    if run.hold is not None:
        park(connection, send, run.hold, patience=job.patience, now=job.now())
    elif run.told and job.stop is None:
        move(connection, send, State.PAUSED, reason=STOPPED)
