"""The connections kept to one relay: opened when wanted, asked after lying idle, at most so many at once."""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from time import monotonic

from newsletter.settings import SmtpSettings
from newsletter.transports.smtp_wire import Session, Timeouts, open_session

IDLE = 5.0  # seconds after which a connection is asked whether it still stands


class Connections:
    """Thread-safe: a connection is in one thread's hands at a time."""

    def __init__(self, settings: SmtpSettings, timeouts: Timeouts) -> None:
        self._settings = settings
        self._timeouts = timeouts
        self._tls = None if settings.security == "none" else ssl.create_default_context()
        self._hello = settings.hello or None
        self._places = BoundedSemaphore(settings.connections)
        self._idle: LifoQueue[Session] = LifoQueue()
        weakref.finalize(self, _say_goodbye, self._idle)  # at the end of the program, at the latest

    @contextmanager
    def place(self) -> Iterator[None]:
        """Room for one more connection, waited for."""
        with self._places:
            yield

    def take(self) -> Session:
        """A connection that stands: one that was kept, or a new one. Raises Broken."""
        while True:
            try:
                session = self._idle.get_nowait()
            except Empty:
                return self.open()
            if monotonic() - session.idle_since < IDLE or session.is_alive():
                return session
            session.close()

    def open(self) -> Session:
        """A new connection. Raises Broken."""
        session = open_session(self._settings, self._tls, self._hello, self._timeouts)
        self._hello = session.hello  # to find out one's own name may take a while: once is enough
        return session

    def give_back(self, session: Session) -> None:
        """Keep it for the next call, if it can be."""
        if session.rest():
            self._idle.put(session)

    def close(self) -> None:
        """Close those nobody has in hand."""
        _say_goodbye(self._idle)


def _say_goodbye(idle: LifoQueue[Session]) -> None:
    while True:
        try:
            idle.get_nowait().goodbye()
        except Empty:
            return
