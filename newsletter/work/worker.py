"""A worker: takes slices of sends from the database and hands them over, on as many machines as there are workers.

procrastinate brings the jobs and knows nothing of sends; what a job may do is decided in the ledger. So a worker may be
killed or join at any moment. Each also looks after the sends itself, so that none waits for a clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock, Thread
from time import monotonic
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import SQLAlchemyError

from newsletter.config import Workspace
from newsletter.errors import NewsletterError, Refused
from newsletter.rendering.freeze import load_build
from newsletter.sending.answers import Patience
from newsletter.sending.course import Course, course_of, follow
from newsletter.sending.detached import Detached, park_away
from newsletter.sending.interrupts import Stop, on_stop_signal
from newsletter.sending.sends import Send, State, get
from newsletter.sending.slices import HEARTBEAT, QUEUE, TASK
from newsletter.sending.ways import other_way
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.postgresql import driver_arguments
from newsletter.transports.mail import Transport
from newsletter.work.settings import Standing

MOST_AT_ONCE = 8  # each holds a connection to the database now and then
LOOK_SECONDS = 10.0
QUOTA_SECONDS = 60.0  # that the provider's word on the account is good for: it may be asked once a second by all
AWAY_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass
class Worker:
    """One worker, of this process."""

    store: Store
    workspace: Workspace
    ring: KeyRing
    transport: Transport
    now: Callable[[], datetime]
    concurrency: int = 2
    patience: Patience = field(default_factory=Patience)
    look_seconds: float = LOOK_SECONDS
    stop: Stop = field(default_factory=Stop)
    _courses: dict[str, tuple[float, Course]] = field(default_factory=dict)  # by send, with the moment it was asked
    _asking: Lock = field(default_factory=Lock)
    _said: str = ""

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; what is in flight then is finished."""
        beside = [Thread(target=self._look, name="look"), Thread(target=self._watch, name="watch")]
        with on_stop_signal(self.stop.set):
            for thread in beside:
                thread.start()
            try:
                while not self.stop.is_set():
                    self._take_jobs()
            finally:
                self.stop.set()
                for thread in beside:
                    thread.join()

    def _take_jobs(self) -> None:
        """Until told to stop, or until the database goes away: then wait, and come back."""
        try:
            asyncio.run(self._serve())
        except (ConnectorException, psycopg.Error, OSError) as error:  # the pool's own trouble is psycopg's
            self._say(f"the database is away: {error.__cause__ or error}")
        if not self.stop.is_set():
            self.stop.wait(AWAY_SECONDS)

    async def _serve(self) -> None:
        pool: dict[str, Any] = {"kwargs": driver_arguments(self.store.engine), "min_size": 1, "max_size": 4}
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(**pool))
        app.task(name=TASK, queue=QUEUE)(self.work)
        loop = asyncio.get_running_loop()
        async with app.open_async():
            served = asyncio.ensure_future(
                app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=self.concurrency,
                    install_signal_handlers=False,
                    delete_jobs="always",
                    update_heartbeat_interval=self.patience.silent_seconds * HEARTBEAT,
                )
            )
            with self.stop.heard_by(lambda: _cancel(loop, served)):
                try:
                    await served
                except asyncio.CancelledError:
                    if not self.stop.is_set():
                        raise

    def work(self, *, send: str, first: int, last: int) -> None:
        """One job. The ledger decides what of it there is to do; what goes wrong is said, and looked at again."""
        try:
            self._slice(send, (first, last))
        except Refused as error:
            self._say(str(error))
            park_away(self.store, send, str(error), patience=self.patience, now=self.now())
        except (NewsletterError, SQLAlchemyError) as error:
            self._say(str(error))

    def _slice(self, send_id: str, batches: tuple[int, int]) -> None:
        with self.store.read() as connection:
            send = get(connection, send_id)
        if send.state is not State.SENDING or self.stop.is_set():
            return
        if (why := other_way(send, self.transport)) is not None:
            self._say(why)
            return
        course = self._course(send)
        patience, stop = self.patience, self.stop
        for said in follow(
            self.store, self.ring, course, send.id, batches=batches, now=self.now, patience=patience, stop=stop
        ):
            log.warning("Send %s: %s", send.id, said)

    def _course(self, send: Send) -> Course:
        """What the send takes; the provider is asked about the account now and then only."""
        with self._asking:
            asked, course = self._courses.get(send.id, (0.0, None))
            if course is None or monotonic() - asked >= QUOTA_SECONDS:
                course = course_of(self.workspace, self.transport, load_build(self.store, send.build))
                self._courses = {send.id: (monotonic(), course), **_newest(self._courses, besides=send.id)}
            return course

    def _look(self) -> None:
        detached = Detached(
            self.store, self.workspace, self.ring, self.transport, self.now, self.stop, patience=self.patience
        )
        standing = Standing(self.workspace)
        while not self.stop.is_set():
            self.workspace = detached.workspace = standing.look()
            try:
                problem = detached.look()
            except (NewsletterError, SQLAlchemyError) as error:
                problem = str(error)
            if problem:
                self._say(problem)
            self.stop.wait(self.look_seconds)
        detached.wait()

    def _watch(self) -> None:
        """A worker that was frozen with rows locked must not keep the others waiting, this one's looking included."""
        while not self.stop.wait(self.look_seconds):
            with suppress(NewsletterError, SQLAlchemyError):  # the database is away: the look says so
                self.store.break_off_frozen(self.patience.silent_seconds)

    def _say(self, problem: str) -> None:
        """In one line, and once until it changes."""
        line = " ".join(problem.split())
        if line != self._said:
            log.error("%s", line)
        self._said = line


def _newest(courses: dict[str, tuple[float, Course]], *, besides: str) -> dict[str, tuple[float, Course]]:
    """The few sends last worked on: a worker may run for months."""
    others = [(send_id, found) for send_id, found in courses.items() if send_id != besides]
    return dict(others[:3])


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Future[None]) -> None:
    """From any thread, or a signal handler: procrastinate then finishes what is under way."""
    loop.call_soon_threadsafe(task.cancel)
