"""The pace: one row per account, on the database's clock, which every process that sends shares.

A group of n readers reserves its slot by one atomic update, `next_slot = max(now, next_slot) + n / rate`, so the rate
holds exactly over any number of processes; a moment before now will do, so that being held up a little costs no rate.
Waiting happens outside, with no transaction open. A rate that was lowered rises with the slots given, and falls once
for all who were told "too fast" of slots given at the same rate: so it makes no difference how many processes share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Float, case, cast, select, update

from newsletter.store.clock import epoch_seconds
from newsletter.store.tables import pace
from newsletter.store.upsert import upsert

SLOWER = 0.7
FASTER = 0.05  # of what the provider allows, for each minute's worth of slots
LEAST = 1.0
CAUGHT_UP = 0.2  # seconds without a slot that are made up for: whoever reserves may have been held up a little
_SAME = 1 - 1e-9  # a rate that went through the database and back

_NOW = epoch_seconds()


@dataclass(frozen=True)
class Slot:
    """When a group may go, in seconds since 1970 on the database's clock, and how long that is from now."""

    at: float
    until: float  # the next group's earliest moment
    wait: float
    rate: float  # it was reserved at


@dataclass(frozen=True)
class Rise:
    """How a lowered rate comes back: up to `allowed`, a step for so many seconds' worth of slots."""

    allowed: float
    seconds: float


def open_pace(connection: Connection, scope: str, rate: float, *, anew: bool = True) -> None:
    """Start from the rate the provider allows, or unless `anew` from a lower one that others have come down to.

    Slots already given to others stay given.
    """
    row = {"scope": scope, "next_slot": 0.0, "rate": rate}
    kept = rate if anew else case((pace.c.rate < rate, pace.c.rate), else_=rate)
    upsert(connection, pace, row, key=["scope"], changes={"rate": kept})


def reserve(connection: Connection, scope: str, readers: int, *, rise: Rise | None = None) -> Slot:
    """The next slot for that many readers. `open_pace` comes first."""
    rate: ColumnElement[float] = pace.c.rate
    if rise is not None:
        more = rate + cast(rise.allowed * FASTER * readers / rise.seconds, Float) / rate
        allowed = cast(rise.allowed, Float)
        rate = case((rate >= allowed, rate), (more > allowed, allowed), else_=more)
    change = update(pace).where(pace.c.scope == scope)
    earliest = _NOW - CAUGHT_UP
    first = case((pace.c.next_slot > earliest, pace.c.next_slot), else_=earliest)
    change = change.values(next_slot=first + readers / rate, rate=rate)
    row = connection.execute(change.returning(pace.c.next_slot, pace.c.rate, _NOW.label("now"))).one()
    at = row.next_slot - readers / row.rate
    return Slot(at, row.next_slot, max(0.0, at - row.now), row.rate)


def rate_of(connection: Connection, scope: str) -> float:
    """Recipients a second, now."""
    return float(connection.execute(select(pace.c.rate).where(pace.c.scope == scope)).scalar_one())


def slower(connection: Connection, scope: str, *, known: float | None = None) -> None:
    """The provider said we are too fast: three tenths less, but never nothing.

    With `known`, the rate of the slot it was said of, only if nobody has lowered it since: a burst of refusals lowers
    it once, however many processes it was said to.
    """
    least = case((pace.c.rate < LEAST, pace.c.rate), else_=LEAST)
    less = pace.c.rate * SLOWER
    change = update(pace).where(pace.c.scope == scope).values(rate=case((less > least, less), else_=least))
    connection.execute(change if known is None else change.where(pace.c.rate >= known * _SAME))
