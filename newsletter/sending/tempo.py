"""When the next readers may be claimed, and how many: pace, daily quota, pauses after "too fast", rounds of retries.

All waiting is decided here and none is done here. Times are seconds of a steady clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import SystemRandom
from time import monotonic

from sqlalchemy import Connection

from newsletter.sending import pace
from newsletter.sending.answers import Patience
from newsletter.sending.ledger import ROUND
from newsletter.transports.mail import Quota

SMOOTH = 0.25  # seconds' worth of readers in one group, where batches are smaller than that

_chance = SystemRandom()


@dataclass
class Tempo:
    """One run's sense of time."""

    scope: str
    quota: Quota
    batch_size: int
    patience: Patience
    apart: bool = False  # many share the pace: whoever reserves lets go of its row at once, and claims afterwards
    clock: Callable[[], float] = monotonic
    left: int | None = None
    throttled_in_a_row: int = 0
    _slot_due: float | None = None
    _slot_readers: int = 0
    _paused_until: float = -math.inf
    _clean_since: float = 0.0
    _rounds: dict[int, float] = field(default_factory=dict)
    _change: Callable[[Connection], object] | None = None  # of the pace, not written yet

    def start(self, connection: Connection, *, anew: bool) -> None:
        """Take the provider's word for rate and quota; unless `anew`, what was learnt of the rate since stays."""
        self.left = self.quota.left_today
        self._clean_since = self.clock()
        if self.quota.rate is not None:
            pace.open_pace(connection, self.scope, self.quota.rate, anew=anew)

    @property
    def call_size(self) -> int:
        """Readers in one call: what the transport takes, but no more than one second's worth."""
        return self.batch_size if self.quota.rate is None else min(self.batch_size, max(1, int(self.quota.rate)))

    @property
    def most(self) -> int | None:
        """The largest group to ask a slot for: a fraction of a second's worth, or one batch; None without a rate."""
        if self.quota.rate is None:
            return None
        return max(self.call_size, int(self.quota.rate * SMOOTH))

    def wait(self) -> float:
        """Seconds until somebody may be claimed; 0 when now."""
        now = self.clock()
        return max(0.0, self._paused_until - now, (self._slot_due or now) - now)

    def before(self) -> int | None:
        """Only batches below this number may be claimed: later rounds of retries wait. None: all may."""
        now = self.clock()
        self._rounds = {number: due for number, due in self._rounds.items() if due > now}
        return min(self._rounds) * ROUND if self._rounds else None

    def await_round(self) -> None:
        """Nothing is left but readers whose round has not come: wait for it."""
        if self._rounds:
            self._paused_until = max(self._paused_until, min(self._rounds.values()))

    def pause(self, seconds: float) -> None:
        """Claim nobody for a while."""
        self._paused_until = max(self._paused_until, self.clock() + seconds)

    def grant(self, connection: Connection, wanted: int) -> int:
        """How many of `wanted` may go now; 0 when their slot comes later (`wait` says when)."""
        wanted = wanted if self.left is None else min(wanted, self.left)
        if self.quota.rate is None or wanted == 0:
            return wanted
        if self._slot_due is None:
            self._slot_readers = wanted
            self._slot_due = self.clock() + pace.reserve(connection, self.scope, wanted).wait
            if self.apart:
                return 0
        if self._slot_due > self.clock():
            return 0
        self._slot_due = None
        return min(wanted, self._slot_readers)

    def spent(self, readers: int) -> None:
        """So many of today's quota are used; a negative number gives them back."""
        if self.left is not None:
            self.left -= readers

    def retry(self, round_number: int) -> None:
        """Somebody was put back into that round: it comes after a wait that grows with its number."""
        if round_number not in self._rounds:
            self._rounds[round_number] = self.clock() + self._some_of(self.patience.wait(round_number - 1))

    def lose_slot(self) -> None:
        """Whether it was really reserved is not known: the next group reserves anew."""
        self._slot_due = None

    def heard(self, *, throttled: bool, taken: bool) -> None:
        """Go slower after "too fast", once per group of answers; a little faster after a clean while."""
        now, allowed = self.clock(), self.quota.rate
        if throttled:
            self.throttled_in_a_row = 0 if taken else self.throttled_in_a_row + 1
            self._paused_until = now + self._some_of(self.patience.wait(self.throttled_in_a_row))
            self._clean_since = now
            self._change = lambda connection: pace.slower(connection, self.scope)
        elif taken:
            self.throttled_in_a_row = 0
            if allowed is not None and now - self._clean_since >= self.patience.clean_seconds:
                self._clean_since = now
                self._change = lambda connection: pace.faster(connection, self.scope, allowed)

    def write(self, connection: Connection) -> None:
        """Let all who share the pace know what was heard."""
        if self._change is not None and self.quota.rate is not None:
            self._change(connection)

    def written(self) -> None:
        self._change = None

    def _some_of(self, longest: float) -> float:
        """Half of it at least, the rest by chance, so that several processes do not come back together."""
        return longest * _chance.uniform(0.5, 1.0)
