"""The ledger's rows as far as feedback reads and changes them: a page of events costs a few statements.

Dispatch writes the same rows, on PostgreSQL at the same moment: they are locked in its order, by send and by reader.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy

from sqlalchemy import Connection, bindparam, select, update

from newsletter.feedback.standing import NOTHING, UNKNOWN_DELIVERY, Standing, rank_of
from newsletter.feedback.vocabulary import Event, Kind
from newsletter.store.tables import deliveries, events

Key = tuple[str, int]  # send, subscriber


def key_of(event: Event) -> Key | None:
    """Which row an event is about."""
    return (event.delivery.send_id, event.delivery.subscriber_id) if event.delivery else None


class DeliveryRows:
    """The deliveries a page of events names, as they stand."""

    def __init__(self, connection: Connection, found: Iterable[Event]) -> None:
        self._connection = connection
        wanted = defaultdict(set)
        for event in found:
            if event.delivery:
                wanted[event.delivery.send_id].add(event.delivery.subscriber_id)
        self._rows: dict[Key, Standing] = {}
        for send_id in sorted(wanted):
            self._read(send_id, wanted[send_id])
        self._before: dict[Key, Standing] = {}  # of those that changed

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def take(self, event: Event) -> str:
        """Fold one event in; what it did."""
        key = key_of(event)
        if key is None or event.delivery is None or key not in self._rows:
            return UNKNOWN_DELIVERY
        if event.kind is Kind.UNKNOWN:
            return NOTHING
        standing = self._rows[key]
        before = copy(standing)
        did = standing.take(event, event.delivery.attempt)
        if did != NOTHING:
            self._before.setdefault(key, before)
        return did

    def changed(self) -> Mapping[Key, tuple[Standing, Standing]]:
        """The rows that differ from what is stored: how they stood, and how they stand."""
        return {key: (before, self._rows[key]) for key, before in self._before.items()}

    def write(self) -> None:
        """Write down what changed."""
        rows = [
            {
                "of_send": send_id,
                "of_reader": reader,
                "to_state": standing.state,
                "to_attempt": standing.attempt,
                "to_message_id": standing.message_id,
                "to_reason": standing.reason,
                "to_owner": standing.owner if standing.state == "in_flight" else None,
                "to_outcome": standing.outcome,
                "to_outcome_at": standing.outcome_at,
                "to_detail": standing.detail,
            }
            for (send_id, reader), (_, standing) in self.changed().items()
        ]
        if rows:
            self._connection.execute(_UPDATE, rows)

    def _read(self, send_id: str, readers: set[int]) -> None:
        table = deliveries.c
        query = select(
            table.subscriber_id,
            table.state,
            table.attempt,
            table.message_id,
            table.reason,
            table.owner,
            table.outcome,
            table.outcome_at,
            table.outcome_detail,
        )
        query = query.where(table.send_id == send_id, table.subscriber_id.in_(readers)).order_by(table.subscriber_id)
        rows = self._connection.execute(query.with_for_update()).all()
        bounced = [row.subscriber_id for row in rows if row.outcome == "bounced"]
        hard = self._hard(send_id, bounced) if bounced else set()
        for row in rows:
            self._rows[(send_id, row.subscriber_id)] = Standing(
                state=row.state,
                attempt=row.attempt,
                message_id=row.message_id,
                reason=row.reason,
                rank=rank_of(row.outcome, hard=row.subscriber_id in hard),
                outcome_at=row.outcome_at,
                detail=row.outcome_detail,
                owner=row.owner,
            )

    def _hard(self, send_id: str, bounced: Iterable[int]) -> set[int]:
        """Who of them bounced for good, by the events; erasing a reader takes the words from her row."""
        said = events.c
        query = select(said.subscriber_id).where(said.send_id == send_id, said.kind == Kind.BOUNCE)
        return set(self._connection.scalars(query.where(said.subscriber_id.in_(list(bounced)))))


_UPDATE = (
    update(deliveries)
    .where(deliveries.c.send_id == bindparam("of_send"), deliveries.c.subscriber_id == bindparam("of_reader"))
    .values(
        state=bindparam("to_state"),
        attempt=bindparam("to_attempt"),
        message_id=bindparam("to_message_id"),
        reason=bindparam("to_reason"),
        owner=bindparam("to_owner"),
        outcome=bindparam("to_outcome"),
        outcome_at=bindparam("to_outcome_at"),
        outcome_detail=bindparam("to_detail"),
    )
)
