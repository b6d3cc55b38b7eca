"""The clock: at which moments work is looked for. It remembers nothing; what there is to do stands in the database.

APScheduler rings, in this process alone, and each ring asks the store anew. So a clock that was stopped, killed or
started twice loses nothing and does nothing double. What fails is said in one line, and the clock goes on.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType

from apscheduler.schedulers.background import BackgroundScheduler

from newsletter.errors import NewsletterError
from newsletter.work.rings import RINGS, Desk, Ring

log = logging.getLogger(__name__)


@dataclass
class Clock:
    """Runs while its `with` block does. Leaving the block finishes what is under way."""

    desk: Desk
    _said: dict[str, str] = field(default_factory=dict)
    _scheduler: BackgroundScheduler = field(default_factory=lambda: BackgroundScheduler(timezone=UTC))

    def __enter__(self) -> Clock:
        # It would warn of every ring that finds the one before still at work, which is as it should be.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        for ring in RINGS:
            self._scheduler.add_job(
                self.strike,
                "interval",
                args=(ring,),
                id=ring.name,
                seconds=ring.seconds,
                next_run_time=_at_once(),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,  # however late a ring comes, the work is still to be done
            )
        self._scheduler.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.desk.stop.set()
        self._scheduler.shutdown(wait=True)
        self.desk.detached.wait()

    def wake(self) -> None:
        """Somebody has just asked for a mail: look now. Safe to call from anywhere."""
        if not self.desk.stop.is_set():
            self._scheduler.modify_job("post", next_run_time=_at_once())

    def strike(self, ring: Ring) -> None:
        """Do it; say what went wrong in one line, and say it once until it changes."""
        if self.desk.stop.is_set():
            return
        try:
            problem = ring.work(self.desk)
        except NewsletterError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a defect in one kind of work must not end the others
            last = traceback.extract_tb(error.__traceback__)[-1]
            problem = f"a defect: {type(error).__name__} in {last.name}, line {last.lineno}"
        line = " ".join((problem or "").split())
        if line and line != self._said.get(ring.name):
            log.error("%s: %s", ring.words, line)
        self._said[ring.name] = line


def _at_once() -> datetime:
    return datetime.now(UTC)
