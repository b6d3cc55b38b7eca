"""The account's limits as SES keeps them: recipients a second with short bursts, and a rolling day."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from newsletter.simulator.errors import SesError

DAY = 24 * 60 * 60


class Account:
    """Counts recipients. `clock` is monotonic for the rate; the day is counted in wall-clock seconds."""

    def __init__(
        self,
        *,
        rate: float,
        daily: float,
        sent: Iterable[tuple[float, int]] = (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.rate = rate
        self.daily = daily
        self.sandbox = False
        self._clock, self._wall = clock, wall
        self._tokens, self._refilled = max(rate, 1.0), clock()
        self._sent = deque(sent)
        self._total = sum(count for _, count in self._sent)

    def pace(self, recipients: int) -> None:
        """Let a call through or refuse it whole: one token is enough, and the debt delays the next. Raises SesError."""
        now = self._clock()
        self._tokens = min(max(self.rate, 1.0), self._tokens + (now - self._refilled) * self.rate)
        self._refilled = now
        if self._tokens < 1:
            raise SesError("TooManyRequestsException", "Maximum sending rate exceeded.")
        self._tokens -= recipients

    def room(self) -> float:
        """Recipients left in the rolling day."""
        return float("inf") if self.daily < 0 else self.daily - self.sent_today()

    def count(self, recipients: int) -> None:
        """Recipients were accepted."""
        if recipients:
            self._sent.append((self._wall(), recipients))
            self._total += recipients

    def sent_today(self) -> int:
        since = self._wall() - DAY
        while self._sent and self._sent[0][0] <= since:
            self._total -= self._sent.popleft()[1]
        return self._total

    def answer(self) -> dict[str, object]:
        """GetAccount."""
        return {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": not self.sandbox,
            "SendingEnabled": True,
            "SendQuota": {
                "Max24HourSend": float(self.daily),
                "MaxSendRate": float(self.rate),
                "SentLast24Hours": float(self.sent_today()),
            },
            "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        }
