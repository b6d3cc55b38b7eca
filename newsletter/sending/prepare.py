"""Preparing: the whole audience into the ledger by one statement, each reader with a batch or with a reason.

Everybody with a subscription row gets a row here, ended ones included, so that "why did she not get it?" always has an
answer. Whoever has the issue, or may have it, from any send is left out as `already-had` (invariant 2).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Integer, Subquery, case, cast, func, insert, literal, select

from newsletter.audience.select import verdicts
from newsletter.config import NewsletterSettings
from newsletter.sending.sends import Send
from newsletter.store.tables import deliveries, sends

ALREADY_HAD = "already-had"


def prepare(connection: Connection, send: Send, settings: NewsletterSettings, *, batch_size: int, now: datetime) -> int:
    """Write the send's audience into the ledger, all or nothing; the number of its readers, excluded ones included."""
    judged = _judged(send, settings, now)
    mailable = judged.c.reason.is_(None)
    place = func.row_number().over(partition_by=mailable, order_by=judged.c.subscriber_id)
    rows = select(
        literal(send.id),
        judged.c.subscriber_id,
        case((mailable, cast((place - 1) / batch_size, Integer) + 1), else_=0),
        case((mailable, "pending"), else_="excluded"),
        judged.c.reason,
    )
    columns = ["send_id", "subscriber_id", "batch", "state", "reason"]
    return connection.execute(insert(deliveries).from_select(columns, rows)).rowcount


def _judged(send: Send, settings: NewsletterSettings, now: datetime) -> Subquery:
    """Every subscription of the newsletter with the reason it may not be mailed, NULL when it may."""
    found = verdicts(send.newsletter, settings, now).subquery()
    had = _had(send.issue)
    reason = case((had.c.subscriber_id.is_not(None), ALREADY_HAD), else_=found.c.reason)
    joined = found.outerjoin(had, had.c.subscriber_id == found.c.subscriber_id)
    return select(found.c.subscriber_id, reason.label("reason")).select_from(joined).subquery()


def _had(issue: str) -> Subquery:
    query = select(deliveries.c.subscriber_id).join(sends, sends.c.id == deliveries.c.send_id).distinct()
    had = deliveries.c.state.in_(("in_flight", "uncertain", "accepted"))
    return query.where(sends.c.issue == issue, had).subquery()
