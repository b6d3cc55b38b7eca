"""A send: one build going to one audience, and the few moves its state can make.

An issue has at most one unfinished send. Who asks for a new one holds the write lock, so two people who press the
button at once get one send.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, insert, select, update

from newsletter.errors import NotFound, Refused
from newsletter.store.tables import deliveries, sends

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
ID_LENGTH = 8


class State(StrEnum):
    """Where a send stands."""

    PLANNED = "planned"
    PREPARING = "preparing"  # its audience is not in the ledger yet
    SENDING = "sending"
    PAUSED = "paused"  # a person stopped it
    HELD = "held"  # the program stopped it: somebody must look at the reason
    DONE = "done"  # nothing pending or in flight; uncertain readers may remain
    CANCELLED = "cancelled"


MOVES: dict[State, frozenset[State]] = {
    State.PLANNED: frozenset({State.PREPARING, State.CANCELLED}),
    State.PREPARING: frozenset({State.SENDING, State.HELD, State.CANCELLED}),
    State.SENDING: frozenset({State.PAUSED, State.HELD, State.DONE, State.CANCELLED}),
    State.PAUSED: frozenset({State.SENDING, State.CANCELLED}),
    State.HELD: frozenset({State.SENDING, State.PAUSED, State.CANCELLED}),
    State.DONE: frozenset({State.SENDING}),  # only by resolving its uncertain readers: somebody is pending again
    State.CANCELLED: frozenset(),
}
FINISHED = frozenset({State.DONE, State.CANCELLED})


@dataclass(frozen=True)
class Send:
    """A send as it stands."""

    id: str
    newsletter: str
    issue: str
    build: str
    state: State
    reason: str | None
    transport: str
    person: str
    date_waived: bool
    created_at: datetime
    first_handover_at: datetime | None
    settled_at: datetime | None
    scope: str | None = None  # the account of that transport; None in sends older than this column
    segment: str | None = None
    priority: int = 0
    detached: bool = False  # `run` or a worker goes on with it by itself
    resume_at: datetime | None = None
    readers_of: str | None = None  # only those who had, or may have had, this issue

    @property
    def parked_until(self) -> datetime | None:
        """When it is gone on with by itself."""
        return self.resume_at if self.state is State.HELD else None

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


@dataclass(frozen=True)
class NewSend:
    """What somebody asks for when they ask for a send."""

    newsletter: str
    issue: str
    build: str
    transport: str
    person: str
    date_waived: bool
    scope: str | None = None
    segment: str | None = None
    priority: int = 0
    detached: bool = False
    readers_of: str | None = None


def create(connection: Connection, wanted: NewSend, now: datetime) -> Send:
    """A planned send. Raises Refused when the issue has an unfinished one; call it with the write lock."""
    other = unfinished(connection, wanted.issue)
    if other is not None:
        raise Refused(f"Issue {wanted.issue} has an unfinished send, {other.id} ({other.state}). Go on with that one.")
    send_id = "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))
    row = {name: getattr(wanted, name) for name in NewSend.__dataclass_fields__}
    connection.execute(insert(sends).values(id=send_id, state=State.PLANNED, created_at=now, **row))
    return get(connection, send_id)


def move(
    connection: Connection, send: Send, state: State, *, reason: str | None = None, resume_at: datetime | None = None
) -> Send:
    """Change a send's state and say why. Raises Refused for a move the table does not have.

    A held send with `resume_at` is parked until then. Gone on with by itself it keeps that until somebody is accepted.
    """
    if state is not send.state and state not in MOVES[send.state]:
        raise Refused(f"Send {send.id} is {send.state}: it cannot become {state}.")
    values = {"state": state, "state_reason": reason, "resume_at": resume_at}
    connection.execute(update(sends).where(sends.c.id == send.id).values(values))
    return get(connection, send.id)


def get(connection: Connection, send_id: str) -> Send:
    """The send of that id. Raises NotFound."""
    return _one(connection, select(sends).where(sends.c.id == send_id), send_id)


def taken(connection: Connection, send_id: str) -> Send:
    """The send, for whoever will change its state: on PostgreSQL no batch is claimed or recorded meanwhile."""
    return _one(connection, select(sends).where(sends.c.id == send_id).with_for_update(), send_id)


def shared(connection: Connection, send_id: str) -> Send:
    """The send, for dispatch: its state stays as it is until this transaction ends. Others may dispatch beside."""
    query = select(sends).where(sends.c.id == send_id)
    return _one(connection, query.with_for_update(read=True, key_share=True), send_id)


def _one(connection: Connection, query: Select[Any], send_id: str) -> Send:
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no send `{send_id}`. See: newsletter sends list")
    return _send(row)


def unfinished(connection: Connection, issue: str) -> Send | None:
    """The issue's one send that is neither done nor cancelled."""
    query = select(sends).where(sends.c.issue == issue, sends.c.state.not_in(FINISHED))
    row = connection.execute(query.order_by(sends.c.created_at).limit(1)).one_or_none()
    return _send(row) if row is not None else None


def of_issue(connection: Connection, issue: str) -> list[Send]:
    """Every send of an issue, oldest first."""
    query = select(sends).where(sends.c.issue == issue).order_by(sends.c.created_at, sends.c.id)
    return [_send(row) for row in connection.execute(query)]


def all_sends(connection: Connection) -> list[Send]:
    """Every send, newest first."""
    return [_send(row) for row in connection.execute(select(sends).order_by(sends.c.created_at.desc(), sends.c.id))]


def somebody_has(connection: Connection, issue: str) -> bool:
    """Whether a reader has, or may have, this issue from any send."""
    query = select(deliveries.c.subscriber_id).join(sends, sends.c.id == deliveries.c.send_id)
    query = query.where(sends.c.issue == issue, deliveries.c.state.in_(("in_flight", "uncertain", "accepted")))
    return bool(connection.scalar(select(exists(query))))


def _send(row: Row[tuple[object, ...]]) -> Send:
    values = dict(row._mapping)
    values["reason"] = values.pop("state_reason")
    return Send(**{**values, "state": State(values["state"])})
