"""Fetching the certificate a message names, once its address has passed every check.

Whoever knows one of our topics can name as many certificates as they like at Amazon's address: so only a few are asked
for in a minute, however many messages come, and a message that has to wait is told to come again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from newsletter.feedback.fetching import NotThere, Unreachable, fetch
from newsletter.feedback.sns import Forged

MOST_BYTES = 50_000
SECONDS = 5.0
A_MINUTE = 20


@dataclass
class Certificates:
    """Gives the PEM at an address. Raises Forged when there is none, Unreachable when that cannot be known now."""

    clock: Callable[[], float] = time.monotonic
    _asked: deque[float] = field(default_factory=lambda: deque(maxlen=A_MINUTE))
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, url: str) -> bytes:
        with self._lock:
            now = self.clock()
            if len(self._asked) == A_MINUTE and now - self._asked[0] < 60:
                raise Unreachable("More certificates were named in a minute than are asked for.")
            self._asked.append(now)
        try:
            return fetch(url, most_bytes=MOST_BYTES, seconds=SECONDS)
        except NotThere as error:
            raise Forged(f"The certificate the message names is not to be had: {error}") from None
