"""Late joiners: a reader who subscribes today gets today's issue, by the send it went out with.

She becomes one more row of that send's ledger, so invariants 2 and 3 hold as they are: an issue once, and an account
that adds up. A send that was done goes on for her, with its frozen build; no file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime

from sqlalchemy import Connection, Select, and_, exists, func, insert, or_, select

from newsletter.config import Workspace
from newsletter.rendering.freeze import load_build
from newsletter.sending.cut import variant_of
from newsletter.sending.interrupts import Stop
from newsletter.sending.ledger import ROUND
from newsletter.sending.send import send_issue
from newsletter.sending.sends import Send, State, get, move, of_issue, taken
from newsletter.sending.stops import open_stop
from newsletter.sending.ways import goes_by, other_way
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import builds, deliveries, sends
from newsletter.transports.mail import Transport

LATE = "late joiners"
_LATE_ROW = "late joiner"  # the reason of a pending row, until it is claimed


def join_latest(
    connection: Connection,
    newsletter: str,
    subscriber_id: int,
    *,
    newsletters: Mapping[str, NewsletterSettings],
    transport: Transport,
    now: datetime,
) -> str | None:
    """Give her the newsletter's newest issue if it is today's and she has no row for it; the send that will do it.

    Raises InputError when a segment of the build means nothing to the settings any more.
    """
    issue = _newest_issue(connection, newsletter, dated=now.astimezone(newsletters[newsletter].zone).date())
    send = _send_to_join(connection, issue, transport) if issue else None
    if send is None or _has_row(connection, send.issue, subscriber_id):
        return None
    table = deliveries.c
    last = select(func.max(table.batch)).where(table.send_id == send.id, table.batch < ROUND)
    row = {
        "send_id": send.id,
        "subscriber_id": subscriber_id,
        "batch": (connection.scalar(last) or 0) + 1,
        "variant": variant_of(connection, send, subscriber_id, newsletters=newsletters, at=now),
        "state": "pending",
        "reason": _LATE_ROW,
    }
    connection.execute(insert(deliveries).values(row))
    if send.state is State.DONE:
        move(connection, send, State.SENDING, reason=LATE)
    return send.id


def continue_late(
    store: Store,
    workspace: Workspace,
    ring: KeyRing,
    transport: Transport,
    now: Callable[[], datetime],
    *,
    stop: Stop | None = None,
) -> list[str]:
    """Go on with the sends that late joiners wait for, until each is done again or `stop` is said; which ones.

    A send that a process is busy with, or that has more than late joiners to do (a crash left it so, or somebody wants
    readers in doubt sent to again), is not touched: the first takes them along, the second is for a person to go on
    with. Raises Refused and StoreError.
    """
    stop = stop or Stop()
    with store.read() as connection:
        waiting = [get(connection, row.id) for row in connection.execute(_waiting(transport))]
    begun = []
    for send in waiting:
        if stop.is_set():
            break
        begun.append(send.id)
        build = load_build(store, send.build)
        send_issue(store, workspace, ring, transport, build, person=send.person, now=now, stop=stop)
    return begun


def goes_on_by_itself(send: Send) -> bool:
    """Whether a clock, or a worker, hands over what is pending of it without a person's word."""
    return send.state is State.SENDING and (send.detached or send.reason == LATE)


def _newest_issue(connection: Connection, newsletter: str, *, dated: date) -> str | None:
    """The issue that went out last, if that is its date."""
    query = select(sends.c.issue, builds.c.date).join(builds, builds.c.hash == sends.c.build)
    query = query.where(sends.c.newsletter == newsletter, sends.c.first_handover_at.is_not(None))
    query = query.where(sends.c.readers_of.is_(None))  # whoever never had the mistake needs no correction
    newest = connection.execute(query.order_by(sends.c.first_handover_at.desc(), sends.c.id).limit(1)).one_or_none()
    return str(newest.issue) if newest is not None and newest.date == dated else None


def _send_to_join(connection: Connection, issue: str, transport: Transport) -> Send | None:
    """The issue's last send, if it is for everybody, went this way, and nobody stopped it."""
    last = taken(connection, of_issue(connection, issue)[-1].id)  # it must not settle at this moment
    if open_stop(connection, last.newsletter):
        return None
    for_all = last.segment is None and last.readers_of is None
    may_join = last.state in {State.SENDING, State.DONE} and for_all and other_way(last, transport) is None
    return last if may_join else None


def _has_row(connection: Connection, issue: str, subscriber_id: int) -> bool:
    query = select(deliveries.c.subscriber_id).join(sends, sends.c.id == deliveries.c.send_id)
    query = query.where(sends.c.issue == issue, deliveries.c.subscriber_id == subscriber_id)
    return connection.scalar(query.limit(1)) is not None


def _waiting(transport: Transport) -> Select[tuple[str]]:
    """Sends that were done and go on for late joiners, or that have nothing open but those."""
    table = deliveries.c
    rows = select(table.subscriber_id).where(table.send_id == sends.c.id)
    late = and_(table.state == "pending", table.reason == _LATE_ROW)
    others = and_(table.state.in_(("pending", "in_flight")), func.coalesce(table.reason, "") != _LATE_ROW)
    only_late = and_(exists(rows.where(late)), ~exists(rows.where(others)))
    query = select(sends.c.id).where(sends.c.state == State.SENDING.value, goes_by(transport))
    go_on = and_(sends.c.settled_at.is_not(None), sends.c.state_reason == LATE)
    return query.where(or_(go_on, only_late)).order_by(sends.c.created_at, sends.c.id)
