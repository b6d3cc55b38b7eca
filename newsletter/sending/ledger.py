"""The ledger's two moments: claiming readers before a hand-over, and writing down what is known after it.

Both run in the caller's transaction. Consent and suppression are asked again while claiming, so a withdrawal takes
effect before the next batch (invariant 1); every change is conditional on the row being as expected (invariant 2).
On PostgreSQL many do so at once: each claims rows nobody else has, and rows are always locked in order of the reader.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from newsletter.audience.consent import Purpose
from newsletter.audience.select import tracking, verdicts
from newsletter.audience.tracking import purposes_of
from newsletter.rendering.build import DEFAULT_VARIANT
from newsletter.sending.archive import publish
from newsletter.sending.sends import State, get, taken
from newsletter.settings import NewsletterSettings
from newsletter.store.bulk import Prepared
from newsletter.store.tables import deliveries, sends, subscribers
from newsletter.transports.mail import Tracking

ROUND = 10_000_000  # a batch's number is its round of retries times this, plus its place: retries come last
ROUNDS = 5  # that a reader is tried in before a person must look
LAST = 2**31 - 1  # no batch has this number
NO_SUBSCRIPTION = "not-subscribed"

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Scope:
    """Whose rows: the send, and the newsletter whose consent decides; with `batches` only those from, to."""

    send_id: str
    newsletter: str
    settings: NewsletterSettings
    batches: tuple[int, int] | None = None

    def stretches(self, before: int | None) -> Iterator[dict[str, int]]:
        """The numbers, from and to, under which its rows may queue up, those below `before`; retries come last."""
        end = (LAST if before is None else before) - 1
        first, last = self.batches or (0, LAST)
        for number in range(ROUNDS if self.batches else 1):
            low, high = number * ROUND + first, min(number * ROUND + last, end)
            if low <= high:
                yield {"low": low, "high": high}


class Claimed(NamedTuple):
    """One reader in flight."""

    subscriber_id: int
    attempt: int
    batch: int
    address: str
    first_name: str | None
    given: bool = False  # before this claim, by a process that ended: only an idempotent transport claims such again
    variant: str = DEFAULT_VARIANT
    tracking: Tracking = Tracking.NONE


@dataclass(frozen=True)
class Claim:
    """What claiming brought: readers to hand over, and how many were left out because they may not be mailed now."""

    readers: list[Claimed]
    left_out: int


class Change(NamedTuple):
    """What becomes of one reader in flight."""

    subscriber_id: int
    attempt: int
    state: str  # accepted | refused | uncertain | pending
    message_id: str | None = None
    reason: str | None = None
    batch: int = 0  # for pending: where it queues up
    same_tag: bool = False  # for pending: the next hand-over is this same attempt
    given: bool = False  # for pending: it may have been handed over, which an idempotent transport will do again


class Claims:
    """Claiming for one send. Keeps its statements: building them anew for every group would cost as much as running."""

    def __init__(self, scope: Scope, owner: str) -> None:
        self._scope = scope
        self._asked_for: datetime | None = None
        table = deliveries.c
        columns = (table.subscriber_id, table.attempt, table.batch, subscribers.c.address, subscribers.c.first_name)
        given = table.handed_over_at.is_not(None).label("given")
        readers = deliveries.join(subscribers, subscribers.c.id == table.subscriber_id)
        waiting = select(*columns, given, table.variant).select_from(readers).where(*_waiting(scope.send_id))
        waiting = waiting.order_by(table.batch, table.variant, table.subscriber_id).limit(bindparam("most"))
        self._next = waiting.with_for_update(skip_locked=True, of=deliveries)
        # By name, not rewritten with each group: hundreds of values would be weighed anew.
        these: BindParameter[Sequence[int]] = bindparam("readers", expanding=True)
        self._take = (
            update(deliveries)
            .where(*_these_pending(scope.send_id, these))
            .values(state="in_flight", owner=owner, reason=None, attempt=table.attempt + 1)
            .values(handed_over_at=bindparam("now"), tracking=bindparam("choice"))
        )
        some = select(table.subscriber_id).where(*_waiting(scope.send_id)).limit(bindparam("most"))
        self._count = select(func.count()).select_from(some.subquery())

    def waiting(self, connection: Connection, *, limit: int, before: int | None = None) -> int:
        """How many readers wait to be claimed, counted up to `limit`."""
        found = 0
        for stretch in self._scope.stretches(before):
            found += connection.scalar(self._count, {**stretch, "most": limit - found}) or 0
            if found >= limit:
                break
        return found

    def claim(self, connection: Connection, *, limit: int, before: int | None, now: datetime) -> Claim:
        """Put up to `limit` pending readers (of batches below `before`) in flight, those not to be mailed aside."""
        scope = self._scope
        picked: list[Any] = []
        for stretch in scope.stretches(before):
            picked += connection.execute(self._next, {**stretch, "most": limit - len(picked)}).all()
            if len(picked) >= limit:
                break
        if not picked:
            return Claim([], 0)
        asked = {"readers": [row[0] for row in picked]}
        judged: Sequence[Any] = connection.execute(self._verdicts(now), asked).all()
        reasons: dict[int, str | None] = dict(judged)
        readers, left_out = [], defaultdict(list)
        for subscriber_id, attempt, batch, address, first_name, given, variant in picked:
            reason = reasons.get(subscriber_id, NO_SUBSCRIPTION)
            if reason is None:
                readers.append(Claimed(subscriber_id, attempt + 1, batch, address, first_name, given, variant))
            else:
                left_out[reason].append(subscriber_id)
        for reason, ids in left_out.items():
            exclude(connection, scope.send_id, reason, subscriber_ids=ids)
        if readers:
            readers = self._measured(connection, readers)
            for choice in {reader.tracking for reader in readers}:
                ids = [reader.subscriber_id for reader in readers if reader.tracking is choice]
                connection.execute(self._take, {"readers": ids, "now": now, "choice": choice.value})
        return Claim(readers, len(picked) - len(readers))

    def _measured(self, connection: Connection, readers: list[Claimed]) -> list[Claimed]:
        """Each reader with what she allows to be measured, asked in the same moment as her consent to be mailed."""
        scope, ids = self._scope, [reader.subscriber_id for reader in readers]
        agreed: dict[Purpose, set[int]] = {
            purpose: set(connection.scalars(tracking(scope.newsletter, purpose, subscriber_ids=ids)))
            for purpose in purposes_of(scope.settings)
        }
        if not any(agreed.values()):
            return readers
        opens, clicks = agreed.get(Purpose.OPEN_TRACKING, set()), agreed.get(Purpose.CLICK_TRACKING, set())
        choices = {
            (False, False): Tracking.NONE,
            (True, False): Tracking.OPENS,
            (False, True): Tracking.CLICKS,
            (True, True): Tracking.BOTH,
        }
        return [r._replace(tracking=choices[r.subscriber_id in opens, r.subscriber_id in clicks]) for r in readers]

    def _verdicts(self, now: datetime) -> Select[tuple[int, str | None]]:
        """Consent and suppression as of now. What lapses within this second counts as lapsed: never a moment late."""
        at = now.replace(microsecond=0) + _SECOND if now.microsecond else now
        if self._asked_for != at:
            scope, self._asked_for = self._scope, at
            these: BindParameter[Sequence[int]] = bindparam("readers", expanding=True)
            self._asked = verdicts(scope.newsletter, scope.settings, at, subscriber_ids=these)
        return self._asked


def exclude(connection: Connection, send_id: str, reason: str, *, subscriber_ids: Sequence[int] | None = None) -> int:
    """Leave pending readers out, with the reason.

    One that an idempotent transport may have been given already, before its process ended, is uncertain instead.
    """
    table = deliveries.c
    chosen = _pending(send_id) if subscriber_ids is None else _these_pending(send_id, subscriber_ids)
    rows = update(deliveries).where(*chosen)
    given = table.handed_over_at.is_not(None)
    doubt = f"it may have been handed over before it was stopped ({reason})"
    values = {"state": case((given, "uncertain"), else_="excluded"), "reason": case((given, doubt), else_=reason)}
    return connection.execute(rows.values(values)).rowcount


_OURS = update(deliveries).where(
    deliveries.c.send_id == bindparam("of_send"),
    deliveries.c.subscriber_id == bindparam("of_reader"),
    deliveries.c.attempt == bindparam("of_attempt"),
    or_(deliveries.c.state == "in_flight", deliveries.c.state == "uncertain"),
)
_KNOWN = Prepared(
    _OURS.values(
        state=bindparam("to_state"), message_id=bindparam("to_message_id"), reason=bindparam("to_reason"), owner=None
    ),
    ("of_send", "of_reader", "of_attempt", "to_state", "to_message_id", "to_reason"),
)
_AGAIN = Prepared(
    _OURS.values(
        state="pending",
        owner=None,
        reason=bindparam("to_reason"),
        batch=bindparam("to_batch"),
        attempt=deliveries.c.attempt - bindparam("to_same_tag"),
        handed_over_at=case((bindparam("to_given", type_=Boolean()), deliveries.c.handed_over_at), else_=None),
    ),
    ("of_send", "of_reader", "of_attempt", "to_reason", "to_batch", "to_same_tag", "to_given"),
)


def record(connection: Connection, send_id: str, changes: Sequence[Change]) -> None:
    """Write down what is known. A row an event has settled in the meantime keeps what the event said.

    Saying it twice changes nothing: an answer whose commit was in doubt is recorded again.
    """
    known: list[tuple[object, ...]] = []
    again: list[tuple[object, ...]] = []
    _lock(connection, send_id, [change.subscriber_id for change in changes])
    for reader, attempt, state, message_id, reason, batch, same_tag, given in changes:
        if state == "pending":
            again.append((send_id, reader, attempt, reason, batch, int(same_tag), given))
        else:
            known.append((send_id, reader, attempt, state, message_id, reason))
    if known:
        _KNOWN.run(connection, known)
    if again:
        _AGAIN.run(connection, again)


def _lock(connection: Connection, send_id: str, readers: Sequence[int]) -> None:
    """Their rows, in the one order in which everybody locks rows, so that nobody waits in a circle."""
    if connection.dialect.name == "postgresql":
        table = deliveries.c
        rows = select(table.subscriber_id).where(table.send_id == send_id, table.subscriber_id.in_(readers))
        connection.execute(rows.order_by(table.subscriber_id).with_for_update())


def in_flight_of(connection: Connection, send_id: str, owner: str) -> list[Claimed]:
    """What this owner has in flight by the ledger's word, whoever it is for."""
    table = deliveries.c
    query = select(table.subscriber_id, table.attempt, table.batch, table.handed_over_at)
    rows = connection.execute(query.where(table.send_id == send_id, table.state == "in_flight", table.owner == owner))
    return [Claimed(row.subscriber_id, row.attempt, row.batch, "", None) for row in rows]


def went_out(connection: Connection, send_id: str, at: datetime) -> None:
    """Remember the moment of the send's first hand-over; from then on the archive shows its issue."""
    first = update(sends).where(sends.c.id == send_id, sends.c.first_handover_at.is_(None))
    if connection.execute(first.values(first_handover_at=at)).rowcount:
        publish(connection, get(connection, send_id))


def settle(connection: Connection, send_id: str, now: datetime) -> bool:
    """Call a send done when nothing is pending or in flight any more; whether it is."""
    table = deliveries.c
    taken(connection, send_id)  # so that what others are writing at this moment is seen
    open_rows = select(table.subscriber_id).where(table.send_id == send_id, table.state.in_(("pending", "in_flight")))
    if connection.scalar(select(open_rows.exists())):
        return False
    done = update(sends).where(sends.c.id == send_id, sends.c.state == State.SENDING)
    connection.execute(done.values(state=State.DONE, state_reason=None, resume_at=None, settled_at=now))
    return True


def _pending(send_id: str) -> list[ColumnElement[bool]]:
    return [deliveries.c.send_id == send_id, deliveries.c.state == "pending"]


def _waiting(send_id: str) -> list[ColumnElement[bool]]:
    """Pending in a stretch of batches."""
    batch = deliveries.c.batch
    return [*_pending(send_id), batch >= bindparam("low"), batch <= bindparam("high")]


def _these_pending(
    send_id: str, subscriber_ids: Sequence[int] | BindParameter[Sequence[int]]
) -> list[ColumnElement[bool]]:
    """By the primary key: with the bare state SQLite would choose the work index and walk all that is pending."""
    table = deliveries.c
    return [table.send_id == send_id, table.subscriber_id.in_(subscriber_ids), table.state.concat("") == "pending"]
