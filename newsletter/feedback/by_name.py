"""Who did not get it? The readers of a send by name: those in one state, for one reason, with one outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from newsletter.errors import InputError, Place, Problem
from newsletter.sending.accounts import STATES
from newsletter.sending.sends import get
from newsletter.store.tables import deliveries, subscribers

OUTCOMES = ("none", "delayed", "delivered", "rejected", "bounced", "complained")
CHUNK = 5_000
COLUMNS = ("email", "reader", "state", "reason", "outcome", "outcome_detail", "handed_over_at", "message_id")


@dataclass(frozen=True)
class Chosen:
    """Whom a person asks for; what is None is not asked about."""

    state: str | None = None
    reason: str | None = None
    outcome: str | None = None

    def __post_init__(self) -> None:
        """Raises InputError for a word there is none of."""
        for option, word, known in (("--state", self.state, STATES), ("--outcome", self.outcome, OUTCOMES)):
            if word is not None and word not in known:
                message = f"`{word}` is not one of them."
                raise InputError([Problem(Place(option), message, f"Known: {', '.join(known)}.")])


@dataclass(frozen=True)
class Named:
    """One reader of a send, and how she stands in it."""

    subscriber_id: int
    address: str | None  # None once erased
    state: str
    reason: str | None
    outcome: str
    outcome_detail: str | None
    handed_over_at: datetime | None
    message_id: str | None

    @property
    def name(self) -> str:
        return self.address or f"(erased reader {self.subscriber_id})"

    def cells(self) -> tuple[str, ...]:
        """As a row under `COLUMNS`."""
        at = self.handed_over_at.isoformat(timespec="seconds") if self.handed_over_at else ""
        said = (self.address or "", str(self.subscriber_id), self.state, self.reason or "", self.outcome)
        return (*said, self.outcome_detail or "", at, self.message_id or "")


def how_many(connection: Connection, send_id: str, chosen: Chosen) -> int:
    """How many readers that is. Raises NotFound for the send."""
    get(connection, send_id)
    rows = _chosen(select(func.count()).select_from(deliveries), send_id, chosen)
    return connection.scalar(rows) or 0


def named(connection: Connection, send_id: str, chosen: Chosen, *, most: int | None = None) -> Iterator[Named]:
    """The readers in the order of their numbers, fetched some thousands at a time."""
    get(connection, send_id)
    table, last, left = deliveries.c, 0, most
    columns = (table.state, table.reason, table.outcome, table.outcome_detail, table.handed_over_at, table.message_id)
    all_of_them = select(table.subscriber_id, subscribers.c.address, *columns)
    all_of_them = all_of_them.join(subscribers, subscribers.c.id == table.subscriber_id)
    query = _chosen(all_of_them, send_id, chosen).order_by(table.subscriber_id)
    while left is None or left > 0:
        size = CHUNK if left is None else min(CHUNK, left)
        rows = connection.execute(query.where(table.subscriber_id > last).limit(size)).all()
        yield from (Named(**row._mapping) for row in rows)
        if len(rows) < size:
            return
        last, left = rows[-1].subscriber_id, None if left is None else left - size


def _chosen(query: Select[Any], send_id: str, chosen: Chosen) -> Select[Any]:
    table = deliveries.c
    query = query.where(table.send_id == send_id)
    for column, word in ((table.state, chosen.state), (table.reason, chosen.reason), (table.outcome, chosen.outcome)):
        query = query if word is None else query.where(column == word)
    return query
