"""The clock: at which moments work is looked for. It remembers nothing; what there is to do stands in the database.

APScheduler rings, in this process alone, and each ring asks the store anew. So a clock that was stopped, killed or
started twice loses nothing and does nothing double. What fails is said in one line, and the clock goes on.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from types import TracebackType

from apscheduler.schedulers.background import BackgroundScheduler

from newsletter.audience.tidy import tidy
from newsletter.config import Workspace
from newsletter.errors import NewsletterError
from newsletter.sending.late import continue_late
from newsletter.sending.service.post import deliver
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.transports.mail import Transport

POST_SECONDS = 2
LATE_SECONDS = 5
TIDY_SECONDS = 3600

_NAMES = {"post": "service mail", "late": "late joiners", "tidy": "tidying up"}

log = logging.getLogger(__name__)


@dataclass
class Clock:
    """Runs while its `with` block does. Leaving the block finishes what is under way."""

    store: Store
    workspace: Workspace
    ring: KeyRing
    post: Transport  # for service mail
    issues: Transport  # for issues
    now: Callable[[], datetime]
    _stopping: Event = field(default_factory=Event)
    _said: dict[str, str] = field(default_factory=dict)
    _scheduler: BackgroundScheduler = field(default_factory=lambda: BackgroundScheduler(timezone=UTC))

    def __enter__(self) -> Clock:
        # It would warn of every ring that finds the one before still at work, which is as it should be.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        rings = {
            "post": (self._post, POST_SECONDS),
            "late": (self._late, LATE_SECONDS),
            "tidy": (self._tidy, TIDY_SECONDS),
        }
        for name, (work, seconds) in rings.items():
            self._scheduler.add_job(
                self._careful,
                "interval",
                args=(name, work),
                id=name,
                seconds=seconds,
                next_run_time=_at_once(),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,  # however late a ring comes, the work is still to be done
            )
        self._scheduler.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._scheduler.shutdown(wait=True)

    def wake(self) -> None:
        """Somebody has just asked for a mail: look now. Safe to call from anywhere."""
        if not self._stopping.is_set():
            self._scheduler.modify_job("post", next_run_time=_at_once())

    def _careful(self, name: str, work: Callable[[], str | None]) -> None:
        """Do it; say what went wrong in one line, and say it once until it changes."""
        if self._stopping.is_set():
            return
        try:
            problem = work()
        except NewsletterError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a defect in one kind of work must not end the others
            last = traceback.extract_tb(error.__traceback__)[-1]
            problem = f"a defect: {type(error).__name__} in {last.name}, line {last.lineno}"
        line = " ".join((problem or "").split())
        if line and line != self._said.get(name):
            log.error("%s: %s", _NAMES[name], line)
        self._said[name] = line

    def _post(self) -> str | None:
        stop = self._stopping.is_set
        return deliver(self.store, self.workspace, self.ring, self.post, now=self.now, stop=stop).problem

    def _late(self) -> None:
        continue_late(self.store, self.workspace, self.ring, self.issues, self.now)

    def _tidy(self) -> None:
        tidy(self.store, self.workspace.settings, self.now())


def _at_once() -> datetime:
    return datetime.now(UTC)
