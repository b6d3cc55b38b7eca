"""A send in numbers: who it was for, how it went out, what came back, and what readers did with it.

Every section is a few set-based statements over the send's own rows, taken in one consistent view. What no reader
agreed to is not in it, and where only some agreed the number of those stands beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from newsletter.feedback.breaker import warnings_of
from newsletter.feedback.measured import clicks, opens
from newsletter.feedback.polled import polls
from newsletter.feedback.returned import bounces, by_provider, reasons
from newsletter.sending.accounts import account, outcomes, report_of
from newsletter.sending.sends import Send, get
from newsletter.settings import Settings
from newsletter.store.tables import consent, deliveries, newsletter_stops, resolutions, test_mails

Section = dict[str, Any]

# Who was handed over to the provider, whatever became of it.
_HANDED_OVER = ("in_flight", "uncertain", "accepted", "refused")


def report(connection: Connection, send_id: str, settings: Settings) -> Section:
    """What `sends report --json` prints. Raises NotFound."""
    send = get(connection, send_id)
    found = account(connection, send.id)
    came_back = outcomes(connection, send.id)
    return {
        **report_of(send, found),
        "newsletter": send.newsletter,
        "transport": send.transport,
        "person": send.person,
        "created_at": _moment(send.created_at),
        "hand_over": hand_over(connection, send, found.audience - found.excluded),
        "outcomes": came_back,
        "providers": by_provider(connection, send.id),
        "bounces": bounces(connection, send.id),
        "complaints": came_back.get("complained", 0),
        "refused_because": reasons(connection, send.id, "refused"),
        "uncertain_because": reasons(connection, send.id, "uncertain"),
        "unsubscribed": unsubscribed(connection, send),
        "opens": opens(connection, send),
        "clicks": clicks(connection, send),
        "polls": polls(connection, send),
        "test_mails": colleagues(connection, send.id),
        "decisions": decisions(connection, send.id),
        "stops": stops(connection, send.id),
        "warnings": warnings_of(connection, send.id, settings),
    }


def hand_over(connection: Connection, send: Send, meant_for: int) -> Section:
    """When half, nearly all and all of its readers had been handed over, in seconds from the first; None: not yet.

    Readers claimed together share a moment, so this is a walk over groups, however many readers there are.
    """
    table = deliveries.c
    query = select(table.handed_over_at, func.count()).where(table.send_id == send.id, table.state.in_(_HANDED_OVER))
    query = query.where(table.handed_over_at.is_not(None)).group_by(table.handed_over_at)
    moments = sorted((at, int(number)) for at, number in connection.execute(query) if at is not None)
    done = 0
    reached: dict[int, float | None] = dict.fromkeys((50, 95, 100))
    for at, number in moments:
        done += number
        for part, when in reached.items():
            if when is None and done * 100 >= meant_for * part:
                reached[part] = round((at - moments[0][0]).total_seconds(), 3)
    most = reached[95]
    return {
        "started": _moment(moments[0][0] if moments else send.first_handover_at),
        "handed_over": done,
        "seconds_to_50": reached[50],
        "seconds_to_95": reached[95],
        "seconds_to_100": reached[100],
        # Over the first 95 in a hundred: who joined late would make any send look slow.
        "per_second": round(meant_for * 0.95 / most, 1) if most else None,
    }


def unsubscribed(connection: Connection, send: Send) -> Section:
    """Readers who left by a link of this send's mails, by how they did it."""
    table = consent.c
    behind = f", send {send.id}"
    ways = ("one-click", "page", "page, everything", "preferences page")
    query = select(table.source, func.count(table.subscriber_id.distinct())).where(
        table.newsletter == send.newsletter,
        table.purpose == "send",
        table.event == "withdrawn",
        table.source.in_([way + behind for way in ways]),
    )
    if send.first_handover_at:
        query = query.where(table.recorded_at >= send.first_handover_at)
    found = {
        str(source).removesuffix(behind): int(number)
        for source, number in connection.execute(query.group_by(table.source))
    }
    return {"readers": sum(found.values()), "by": dict(sorted(found.items()))}


def colleagues(connection: Connection, send_id: str) -> Mapping[str, Mapping[str, int]]:
    """Seed mails of the send, by what became of them; no readers, and no part of the account."""
    table = test_mails.c
    query = select(table.kind, table.state, func.count()).where(table.send_id == send_id)
    found: dict[str, dict[str, int]] = {}
    for kind, state, number in connection.execute(query.group_by(table.kind, table.state).order_by(table.kind)):
        found.setdefault(kind, {})[state] = int(number)
    return found


def decisions(connection: Connection, send_id: str) -> list[Section]:
    """What people decided about readers in doubt, in order."""
    query = select(resolutions).where(resolutions.c.send_id == send_id).order_by(resolutions.c.id)
    return [
        {"choice": row.choice, "readers": row.readers, "person": row.person, "at": _moment(row.at)}
        for row in connection.execute(query)
    ]


def stops(connection: Connection, send_id: str) -> list[Section]:
    """The stops of the whole newsletter that this send's figures caused."""
    query = select(newsletter_stops).where(newsletter_stops.c.send_id == send_id).order_by(newsletter_stops.c.id)
    return [
        {"reason": row.reason, "at": _moment(row.at), "lifted_by": row.lifted_by, "why": row.why}
        for row in connection.execute(query)
    ]


def _moment(at: Any) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
