"""Detached sends: begun by somebody who did not stay, gone on with by whatever runs in the background.

What there is to do stands in the ledger, so a process that is killed loses nothing: the next look finds it. On SQLite
the process that looks does the work, each send in a thread of its own; on PostgreSQL it sees that every slice with
pending readers has a job, and workers do it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread

from sqlalchemy import Select, and_, or_, select

from newsletter.config import Workspace
from newsletter.errors import NewsletterError, Refused
from newsletter.rendering.freeze import load_build
from newsletter.sending import ledger, slices
from newsletter.sending.answers import Hold, Patience, Why
from newsletter.sending.course import course_of, follow
from newsletter.sending.interrupts import Stop
from newsletter.sending.late import LATE
from newsletter.sending.owners import recover
from newsletter.sending.parking import park, resume_due
from newsletter.sending.send import set_going
from newsletter.sending.sends import Send, State, get, taken
from newsletter.sending.ways import goes_by, other_way
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import sends
from newsletter.transports.mail import Transport

_AT_WORK = (State.PREPARING.value, State.SENDING.value)
AT_ONCE = 4  # sends one process works on; further ones wait for their turn

log = logging.getLogger(__name__)


@dataclass
class Detached:
    """Looks after them, from one process."""

    store: Store
    workspace: Workspace
    ring: KeyRing
    transport: Transport
    now: Callable[[], datetime]
    stop: Stop
    patience: Patience = field(default_factory=Patience)
    _at_work: dict[str, Thread] = field(default_factory=dict)
    _problems: dict[str, str] = field(default_factory=dict)

    def look(self) -> str | None:
        """Go on with what is due; what stands in the way, in words. Raises StoreError."""
        now = self.now()
        resume_due(self.store, self.transport, now)
        self._at_work = {send_id: thread for send_id, thread in self._at_work.items() if thread.is_alive()}
        with self.store.read() as connection:
            waiting = [get(connection, row.id) for row in connection.execute(_waiting(self.transport)).all()]
            elsewhere = [get(connection, row.id) for row in connection.execute(_elsewhere(self.transport, now)).all()]
        self._problems = {send.id: self._problems[send.id] for send in waiting if send.id in self._problems}
        for send in waiting:
            if self.store.is_postgresql and send.state is State.SENDING:
                self._tend(send)
            elif send.id not in self._at_work and self._has_room(send) and not self.stop.is_set():
                thread = Thread(target=self._work, args=(send,), name=f"send {send.id}")
                self._at_work[send.id] = thread
                thread.start()
        asleep = [words for send in elsewhere if (words := other_way(send, self.transport))]
        return "; ".join([*self._problems.values(), *asleep]) or None

    def _has_room(self, send: Send) -> bool:
        """Breaking news always has: those at work may be standing aside for it."""
        return send.priority > 0 or len(self._at_work) < AT_ONCE

    def wait(self) -> None:
        """Until nothing is under way here any more; say `stop` before."""
        for thread in self._at_work.values():
            thread.join()

    def _tend(self, send: Send) -> None:
        """See that somebody has a reason to work on it, or that it is done."""
        recover(self.store, self.workspace.locks, send.id, idempotent=self.transport.idempotent)
        with self.store.read() as connection:
            if slices.has_waiting_jobs(connection, send.id):
                return
        with self.store.write() as connection:
            send = taken(connection, send.id)
            if send.state is State.SENDING and not ledger.settle(connection, send.id, self.now()):
                slices.sweep(connection, silent_seconds=self.patience.silent_seconds)
                slices.defer(connection, send)

    def _work(self, send: Send) -> None:
        """Prepare what is left, and here on SQLite hand over; in a thread of its own."""
        try:
            course = course_of(self.workspace, self.transport, load_build(self.store, send.build))
            if send.state is State.PREPARING:
                send = set_going(self.store, course, send.id, now=self.now())
            if not self.store.is_postgresql:
                patience, stop = self.patience, self.stop
                seeded = follow(self.store, self.ring, course, send.id, now=self.now, patience=patience, stop=stop)
                for said in seeded:
                    log.warning("Send %s: %s", send.id, said)
            self._problems.pop(send.id, None)
        except Refused as error:
            self._problems[send.id] = str(error)
            # The transport does not say what it allows: it may do so later.
            park_away(self.store, send.id, str(error), patience=self.patience, now=self.now())
        except NewsletterError as error:
            self._problems[send.id] = str(error)
        except Exception as error:  # noqa: BLE001 - a defect: said by the next look, and the others go on
            self._problems[send.id] = f"send {send.id} stopped: a defect ({type(error).__name__})"


def park_away(store: Store, send_id: str, reason: str, *, patience: Patience, now: datetime) -> None:
    """Hold a send that could not even begin to hand over, and try again later."""
    with store.write() as connection:
        send = taken(connection, send_id)
        if send.state is State.SENDING:
            park(connection, send, Hold(reason, Why.AWAY), patience=patience, now=now)


def _waiting(transport: Transport) -> Select[tuple[str]]:
    """Those that go out this way; breaking news first."""
    query = select(sends.c.id).where(sends.c.detached.is_(True), sends.c.state.in_(_AT_WORK), goes_by(transport))
    return query.order_by(sends.c.priority.desc(), sends.c.created_at, sends.c.id)


def _elsewhere(transport: Transport, now: datetime) -> Select[tuple[str]]:
    """Those that would go on by themselves, had they begun this way."""
    by_itself = sends.c.detached.is_(True) | (sends.c.state_reason == LATE)
    parked = and_(sends.c.state == State.HELD.value, sends.c.resume_at <= now)
    query = select(sends.c.id).where(or_(and_(sends.c.state.in_(_AT_WORK), by_itself), parked), ~goes_by(transport))
    return query.order_by(sends.c.id)
