"""The pace: one row per account, on the database's clock, which every process that sends shares.

A group of n readers reserves its slot by one atomic update, `next_slot = max(now, next_slot) + n / rate`, so the rate
holds exactly over any number of processes. Waiting happens outside, with no transaction open.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, select, update

from newsletter.store.clock import epoch_seconds
from newsletter.store.tables import pace
from newsletter.store.upsert import upsert

SLOWER = 0.7
FASTER = 0.05  # of what the provider allows, after each clean minute
LEAST = 1.0

_NOW = epoch_seconds()


@dataclass(frozen=True)
class Slot:
    """When a group may go, in seconds since 1970 on the database's clock, and how long that is from now."""

    at: float
    until: float  # the next group's earliest moment
    wait: float


def open_pace(connection: Connection, scope: str, rate: float, *, anew: bool = True) -> None:
    """Start from the rate the provider allows, or unless `anew` from a lower one that others have come down to.

    Slots already given to others stay given.
    """
    row = {"scope": scope, "next_slot": 0.0, "rate": rate}
    kept = rate if anew else case((pace.c.rate < rate, pace.c.rate), else_=rate)
    upsert(connection, pace, row, key=["scope"], changes={"rate": kept})


def reserve(connection: Connection, scope: str, readers: int) -> Slot:
    """The next slot for that many readers. `open_pace` comes first."""
    change = update(pace).where(pace.c.scope == scope)
    first = case((pace.c.next_slot > _NOW, pace.c.next_slot), else_=_NOW)
    change = change.values(next_slot=first + readers / pace.c.rate)
    row = connection.execute(change.returning(pace.c.next_slot, pace.c.rate, _NOW.label("now"))).one()
    at = row.next_slot - readers / row.rate
    return Slot(at, row.next_slot, max(0.0, at - row.now))


def rate_of(connection: Connection, scope: str) -> float:
    """Recipients a second, now."""
    return float(connection.execute(select(pace.c.rate).where(pace.c.scope == scope)).scalar_one())


def slower(connection: Connection, scope: str) -> float:
    """The provider said we are too fast: three tenths less, but never nothing."""
    least = case((pace.c.rate < LEAST, pace.c.rate), else_=LEAST)
    less = pace.c.rate * SLOWER
    return _change(connection, scope, case((less > least, less), else_=least))


def faster(connection: Connection, scope: str, allowed: float) -> float:
    """It went well for a while: a little more, up to what the provider allows."""
    more = pace.c.rate + allowed * FASTER
    return _change(connection, scope, case((more < allowed, more), else_=allowed))


def _change(connection: Connection, scope: str, rate: ColumnElement[float]) -> float:
    """In one statement: several processes may hear the same at once."""
    change = update(pace).where(pace.c.scope == scope).values(rate=rate).returning(pace.c.rate)
    return float(connection.execute(change).scalar_one())
