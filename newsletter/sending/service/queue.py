"""The rows of service mail: who is next, who has one in flight, what became of it.

The same rules as for a send's ledger: a claim is a conditional update that names its owner and is committed before the
call; what an ended process left in flight is in doubt and is never sent again by itself. Only a transport that leaves
one mail however often a tag is handed over gets it again, as the same attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from newsletter.audience.mail_owed import MailKind
from newsletter.sending.owners import LOST, gone
from newsletter.store.engine import Store
from newsletter.store.tables import service_mails
from newsletter.transports.mail import Transport

TAG = "service"  # tags are `service-<id>-<attempt>`; a send's id is longer, so no delivery's tag looks like it


@dataclass(frozen=True)
class Request:
    """One mail that is owed."""

    id: int
    kind: MailKind
    subscriber_id: int
    newsletter: str
    reference: int | None
    detail: str | None
    attempt: int
    queued_at: datetime

    @property
    def tag(self) -> str:
        """What the next hand-over is called, at the provider and in every event."""
        return f"{TAG}-{self.id}-{self.attempt + 1}"


def has_work(connection: Connection, now: datetime) -> bool:
    """Whether anything is due, or was left in flight by somebody."""
    return connection.scalar(select(service_mails.c.id).where(_due(now) | _in_flight()).limit(1)) is not None


def next_due(connection: Connection, now: datetime) -> Request | None:
    """The mail that has waited longest."""
    table = service_mails.c
    columns = (table.id, table.kind, table.subscriber_id, table.newsletter, table.reference, table.detail)
    query = select(*columns, table.attempt, table.queued_at).where(_due(now)).order_by(table.queued_at, table.id)
    row = connection.execute(query.limit(1)).one_or_none()
    return Request(**{**row._mapping, "kind": MailKind(row.kind)}) if row is not None else None


def take(connection: Connection, request: Request, owner: str, now: datetime) -> bool:
    """Put it in flight; whether it was still to be had."""
    values = {"state": "in_flight", "owner": owner, "handed_over_at": now, "reason": None}
    taken = update(service_mails).where(_queued(request)).values(attempt=request.attempt + 1, **values)
    return connection.execute(taken).rowcount == 1


def refuse(connection: Connection, request: Request, reason: str) -> None:
    """It must not go out. One that an ended process may have handed over already is in doubt instead."""
    given = service_mails.c.handed_over_at.is_not(None)
    doubt = f"it may have been handed over before it was refused ({reason})"
    values = {"state": case((given, "uncertain"), else_="refused"), "reason": case((given, doubt), else_=reason)}
    connection.execute(update(service_mails).where(_queued(request)).values(values))


def settle(
    connection: Connection, request: Request, state: str, *, message_id: str | None = None, reason: str | None = None
) -> None:
    """Write down what is known. What an event has settled in the meantime stays."""
    values = {"state": state, "message_id": message_id, "reason": reason, "owner": None}
    connection.execute(update(service_mails).where(_handed_over(request)).values(values))


def put_back(connection: Connection, request: Request, reason: str, *, due: datetime, counted: bool) -> None:
    """It was surely not taken: try again later. Only a failure of its own counts as one of its tries."""
    attempt = request.attempt + 1 if counted else request.attempt
    values = {"state": "queued", "owner": None, "handed_over_at": None, "queued_at": due, "reason": reason}
    connection.execute(update(service_mails).where(_handed_over(request)).values(attempt=attempt, **values))


def owner_of(name: str, transport: Transport) -> str:
    """How a row names who has it: its owner, and the transport that uses."""
    return f"{name} {transport.name}"


def recover(store: Store, locks: Path, transport: Transport) -> int:
    """Deal with what ended processes left in flight; how many mails it concerned."""
    table = service_mails.c
    with store.read() as connection:
        owners = [who or "" for who in connection.scalars(select(table.owner).where(_in_flight()).distinct())]
    ended = set(gone(store, locks, [who.partition(" ")[0] for who in owners])) if owners else set()
    left_by = [who for who in owners if who.partition(" ")[0] in ended]
    if not left_by:
        return 0
    again = [who for who in left_by if transport.idempotent and who.endswith(f" {transport.name}")]
    with store.write() as connection:
        whose = case((table.owner.is_(None), ""), else_=table.owner)
        left = update(service_mails).where(_in_flight(), whose.in_(left_by))
        same = left.where(table.owner.in_(again)).values(state="queued", owner=None, attempt=table.attempt - 1)
        lost = left.values(state="uncertain", owner=None, reason=LOST)
        return connection.execute(same).rowcount + connection.execute(lost).rowcount


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(service_mails.c.state == "queued", service_mails.c.queued_at <= now)


def _in_flight() -> ColumnElement[bool]:
    return service_mails.c.state == "in_flight"


def _queued(request: Request) -> ColumnElement[bool]:
    table = service_mails.c
    return and_(table.id == request.id, table.state == "queued", table.attempt == request.attempt)


def _handed_over(request: Request) -> ColumnElement[bool]:
    table = service_mails.c
    open_states = table.state.in_(("in_flight", "uncertain"))
    return and_(table.id == request.id, open_states, table.attempt == request.attempt + 1)
