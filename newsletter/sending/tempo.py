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

# The margin the rate keeps from the quota is there for groups that go all at once and for moments of lateness: a tenth,
# which is usual, lets over any ten seconds one second's worth be early or late. So:
SMOOTH = 0.25  # seconds' worth of readers in one group, where batches are smaller than that
MOST_AT_ONCE = 0.5  # seconds' worth of readers in one call
LATE = 0.4  # seconds after which a slot is void: what was given to others since must not come on top of it

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
    _slot_rate: float = math.inf
    _paused_until: float = -math.inf
    _rounds: dict[int, float] = field(default_factory=dict)
    _too_fast: float | None = None  # the rate of the slot it was said of; not written yet

    def start(self, connection: Connection, *, anew: bool) -> None:
        """Take the provider's word for rate and quota; unless `anew`, what was learnt of the rate since stays."""
        self.left = self.quota.left_today
        if self.quota.rate is not None:
            pace.open_pace(connection, self.scope, self.quota.rate, anew=anew)

    @property
    def call_size(self) -> int:
        """Readers in one call: what the transport takes, but no more than half a second's worth."""
        if self.quota.rate is None:
            return self.batch_size
        return min(self.batch_size, max(1, int(self.quota.rate * MOST_AT_ONCE)))

    @property
    def most(self) -> int | None:
        """The largest group to ask a slot for: a fraction of a second's worth, or one batch; None without a rate."""
        if self.quota.rate is None:
            return None
        return max(self.call_size, int(self.quota.rate * SMOOTH))

    @property
    def rate(self) -> float:
        """Readers a second, when the last group was granted."""
        return self._slot_rate

    def window(self, callers: int) -> int:
        """Calls to have under way, twice the callers so that none of them waits for a commit; but fewer wait for a
        caller when they would be a burst if all came free together.
        """
        if self.quota.rate is None:
            return 2 * callers
        return callers + min(callers, int(self.quota.rate * SMOOTH / self.call_size))

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
        now = self.clock()
        late = self._slot_due is not None and now - self._slot_due > LATE
        if self._slot_due is None or late:
            self._slot_due = now + self._reserve(connection, self.quota.rate, wanted)
            if self.apart and not late:
                return 0
        if self._slot_due > self.clock():
            return 0
        self._slot_due = None
        return min(wanted, self._slot_readers)

    def _reserve(self, connection: Connection, allowed: float, readers: int) -> float:
        """Seconds until these readers' slot."""
        rise = pace.Rise(allowed, self.patience.clean_seconds)
        slot = pace.reserve(connection, self.scope, readers, rise=rise)
        self._slot_readers, self._slot_rate = readers, slot.rate
        return slot.wait

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

    def heard(self, *, throttled: bool, taken: bool, rate: float) -> None:
        """Pause after "too fast", said of a group that was granted at this `rate`, and let it be lowered."""
        if throttled:
            self.throttled_in_a_row = 0 if taken else self.throttled_in_a_row + 1
            self._paused_until = self.clock() + self._some_of(self.patience.wait(self.throttled_in_a_row))
            self._too_fast = min(rate, self._too_fast or rate)
        elif taken:
            self.throttled_in_a_row = 0

    def write(self, connection: Connection) -> None:
        """Let all who share the pace know what was heard."""
        if self._too_fast is not None and self.quota.rate is not None:
            pace.slower(connection, self.scope, known=self._too_fast)

    def written(self) -> None:
        self._too_fast = None

    def _some_of(self, longest: float) -> float:
        """Half of it at least, the rest by chance, so that several processes do not come back together."""
        return longest * _chance.uniform(0.5, 1.0)
