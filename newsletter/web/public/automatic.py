"""Which votes look automatic: judged as clicks are, by what sends them, how soon they come, and how many at once.

A guess (newsletter/feedback/machines.py names its sources), so nobody is told off by it: such a vote is kept apart, and
the next one from a person's browser counts.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience.links import ReaderLink
from newsletter.audience.proofs import Visit
from newsletter.editorial.votes import Ballot, doubt_since
from newsletter.feedback.machines import BURST, By, Look, judge
from newsletter.store.tables import deliveries

PROGRAM, AT_ONCE, MANY = "program", "at once", "many at once"


def suspicion(
    connection: Connection, link: ReaderLink, vote: Ballot, choice: int | None, *, visit: Visit, now: datetime
) -> str | None:
    """Why this vote looks like a machine's; None for a person's. With the write lock.

    Of several answers at once none is a person's: those that came before are marked as well.
    """
    if _by(Look(is_click=True, at=now, agent=visit.agent or ""), None) is By.SCANNER:
        return PROGRAM
    table = deliveries.c
    mine = (table.send_id == link.send, table.subscriber_id == link.subscriber_id)
    handed_over = connection.scalar(select(table.handed_over_at).where(*mine))
    if _by(Look(is_click=True, at=now), handed_over) is By.SCANNER:
        return AT_ONCE
    return MANY if doubt_since(connection, vote, choice, since=now - BURST, why=MANY) else None


def _by(look: Look, delivered_at: datetime | None) -> By:
    [found] = judge([look], delivered_at)
    return found
