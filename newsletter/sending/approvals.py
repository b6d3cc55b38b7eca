"""A person's yes to one build, named by its hash: an edited issue is another build and needs another yes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.store.tables import approvals
from newsletter.store.upsert import insert_new


def approve(connection: Connection, build: str, *, person: str, now: datetime) -> None:
    """Record that `person` approved this build; a second yes of the same person changes nothing."""
    insert_new(connection, approvals, [{"build": build, "person": person, "at": now}])


def approved_by(connection: Connection, build: str) -> list[str]:
    """Who approved this build, in order."""
    query = select(approvals.c.person).where(approvals.c.build == build).order_by(approvals.c.at, approvals.c.person)
    return list(connection.scalars(query))
