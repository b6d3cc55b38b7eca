"""Invariant 3: the account of a send, which adds up at any moment.

audience = excluded + pending + in_flight + uncertain + accepted + refused
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select

from newsletter.errors import StoreError
from newsletter.sending.sends import Send, all_sends, get
from newsletter.store.tables import deliveries, subscribers

STATES = ("excluded", "pending", "in_flight", "uncertain", "accepted", "refused")


@dataclass(frozen=True)
class Account:
    """Everybody a send was meant for, and where they stand. Raises StoreError rather than not add up."""

    audience: int
    excluded: int = 0
    pending: int = 0
    in_flight: int = 0
    uncertain: int = 0
    accepted: int = 0
    refused: int = 0
    excluded_by: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.audience != sum(self.states().values()) or self.excluded != sum(self.excluded_by.values()):
            raise StoreError(f"The account does not add up: {self}. Keep the database as it is and report this.")

    def states(self) -> dict[str, int]:
        return {state: getattr(self, state) for state in STATES}

    @property
    def settled(self) -> int:
        """Readers nothing more will be done for by itself."""
        return self.accepted + self.refused + self.uncertain


def account(connection: Connection, send_id: str) -> Account:
    """The account of a send, from its ledger, in one consistent view."""
    table = deliveries.c
    reason = func.coalesce(table.reason, "")
    audience = connection.scalar(select(func.count()).select_from(deliveries).where(table.send_id == send_id)) or 0
    states = select(table.state, func.count()).where(table.send_id == send_id).group_by(table.state)
    reasons = select(reason, func.count()).where(table.send_id == send_id, table.state == "excluded").group_by(reason)
    counts = {str(state): int(number) for state, number in connection.execute(states)}
    by_reason = {str(why): int(number) for why, number in connection.execute(reasons)}
    # Sorted here: databases do not agree on the order of words.
    return Account(audience, excluded_by=dict(sorted(by_reason.items())), **counts)


def report(connection: Connection, send_id: str) -> dict[str, Any]:
    """What `send --json` and `sends show --json` print."""
    return report_of(get(connection, send_id), account(connection, send_id))


def reports(connection: Connection) -> list[dict[str, Any]]:
    """What `sends list --json` lists, newest first."""
    return [report_of(send, account(connection, send.id)) for send in all_sends(connection)]


def report_of(send: Send, found: Account) -> dict[str, Any]:
    """The promised keys, and the send's issue, segment and the reason of its state."""
    numbers = asdict(found)
    excluded_by = numbers.pop("excluded_by")
    return {
        "send": send.id,
        "issue": send.issue,
        "segment": send.segment,
        "readers_of": send.readers_of,
        "build": send.build,
        "state": str(send.state),
        "state_reason": send.reason,
        "detached": send.detached,
        "parked_until": send.parked_until.isoformat(timespec="minutes") if send.parked_until else None,
        "account": numbers,
        "excluded_by": excluded_by,
    }


def outcomes(connection: Connection, send_id: str) -> dict[str, int]:
    """What came back of the accepted, by outcome; `none` are those nothing was heard of."""
    table = deliveries.c
    query = select(table.outcome, func.count()).where(table.send_id == send_id, table.state == "accepted")
    rows = connection.execute(query.group_by(table.outcome))
    return dict(sorted((str(outcome), int(number)) for outcome, number in rows))


def in_doubt(connection: Connection, send_id: str) -> list[Row[Any]]:
    """Every uncertain reader of a send by name: id, address (None once erased) and why it is not known."""
    return _by_name(connection, send_id, "uncertain")


def turned_down(connection: Connection, send_id: str) -> list[Row[Any]]:
    """Every refused reader of a send by name: id, address (None once erased) and what the provider said."""
    return _by_name(connection, send_id, "refused")


def _by_name(connection: Connection, send_id: str, state: str) -> list[Row[Any]]:
    query = select(deliveries.c.subscriber_id, subscribers.c.address, deliveries.c.reason)
    query = query.join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
    query = query.where(deliveries.c.send_id == send_id, deliveries.c.state == state)
    return list(connection.execute(query.order_by(deliveries.c.subscriber_id)))
