"""Listening: what comes back is taken in beside a send, so that what it stops or suppresses counts while it goes on.

A thread of its own collects every half second. Trouble with it never stops the send: what is there stays there, and the
next look finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

from newsletter.errors import NewsletterError
from newsletter.feedback.apply import Applied
from newsletter.feedback.collect import Collector

LOOK = 0.5  # seconds between two looks
_WAIT = 1.0  # that an empty queue is listened to: whoever waits for the end waits no longer


@dataclass
class Heard:
    """What came back so far, and what stood in the way when last looked."""

    applied: Applied = field(default_factory=Applied)
    problem: str | None = None


@contextmanager
def listening(collector: Collector, *, seconds: float = LOOK) -> Iterator[Heard]:
    """Collect while the block runs; without anything configured to collect from, only the block runs."""
    heard, over = Heard(), Event()

    def look() -> None:
        while not over.wait(seconds):
            try:
                heard.applied += collector.collect(wait=_WAIT, stop=over.is_set)
                heard.problem = None
            except NewsletterError as error:  # an outage, most likely
                heard.problem = str(error)
            except Exception as error:  # noqa: BLE001 - a defect in what comes back must not end what goes out
                heard.problem = f"a defect ({type(error).__name__})"

    if not collector.configured:
        yield heard
        return
    thread = Thread(target=look, name="listening", daemon=True)
    try:  # a signal may come at any moment, the thread's first included
        thread.start()
        yield heard
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()
