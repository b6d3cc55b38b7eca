"""The verb: fetch and apply what came back, by every way that is configured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from newsletter.feedback.apply import Applied
from newsletter.feedback.feed import pull
from newsletter.feedback.sqs import Queue
from newsletter.settings import Settings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing


def collect(store: Store, settings: Settings, keys: KeyRing, *, now: Callable[[], datetime]) -> Applied:
    """Apply every event there is now. Raises Refused when one of the ways cannot be used."""
    return Collector(store, settings, keys, now).collect()


@dataclass
class Collector:
    """Collects again and again, as the clock does: the connection to the queue stays open."""

    store: Store
    settings: Settings
    keys: KeyRing
    now: Callable[[], datetime]

    @property
    def configured(self) -> bool:
        """Whether events are fetched at all, and do not only come by themselves."""
        return bool(self.settings.feedback.simulator_url or self.settings.feedback.queue_url)

    def collect(self, *, wait: float = 0, stop: Callable[[], bool] = lambda: False) -> Applied:
        """Apply what there is; with a queue and nothing in it, wait so many seconds for something."""
        total = pull(self.store, self.settings, self.keys, now=self.now)
        return total + self._queue.drain(wait=wait, stop=stop) if self._queue else total

    @cached_property
    def _queue(self) -> Queue | None:
        url = self.settings.feedback.queue_url
        return Queue(self.store, self.settings, self.keys, url, self.now) if url else None
