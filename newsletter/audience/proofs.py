"""What proves that a person acted: the network address and program she came with, kept for a limited time.

Proofs identify a person, so they stand apart from the ledger: erasing deletes them, and so does the end of their
retention time (GDPR art. 5(1)(e)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert

from newsletter.store.bulk import insert_many
from newsletter.store.tables import proofs

VISIT = "visit"
FORMER_ADDRESS = "former-address"
BEFORE_IMPORT = "before-import"
OWN_NAME = "own-name"  # she changed what she is called, or her language; it says that, and not from what
_LONGEST_AGENT = 300


@dataclass(frozen=True)
class Visit:
    """Where a request came from, as far as the server could tell."""

    network_address: str | None = None
    agent: str | None = None


def keep_visit(
    connection: Connection,
    subscriber_id: int,
    consent_ids: Sequence[int],
    visit: Visit,
    *,
    now: datetime,
    days: int,
) -> None:
    """Keep a visit as the proof of these ledger entries, for so many days."""
    row = {
        "subscriber_id": subscriber_id,
        "kind": VISIT,
        "network_address": visit.network_address,
        "agent": (visit.agent or "")[:_LONGEST_AGENT] or None,
        "at": now,
        "delete_after": now + timedelta(days=days),
    }
    if consent_ids:
        connection.execute(insert(proofs), [{**row, "consent_id": found} for found in consent_ids])


def keep_detail(connection: Connection, subscriber_id: int, kind: str, detail: str, *, now: datetime, days: int) -> int:
    """Keep something else that identifies a person (a former address), and give the row's id."""
    row = {"subscriber_id": subscriber_id, "kind": kind, "detail": detail, "at": now}
    made = insert(proofs).values(**row, delete_after=now + timedelta(days=days)).returning(proofs.c.id)
    return int(connection.execute(made).scalar_one())


@dataclass(frozen=True)
class Proof:
    """One thing to keep of a reader, for `keep_many`."""

    subscriber_id: int
    kind: str
    consent_id: int | None = None
    network_address: str | None = None
    detail: str | None = None


def keep_many(connection: Connection, found: Sequence[Proof], *, now: datetime, days: int) -> None:
    """Keep what an import brings, thousands at once."""
    columns = ("subscriber_id", "kind", "consent_id", "network_address", "detail", "at", "delete_after")
    until = now + timedelta(days=days)
    rows = [(p.subscriber_id, p.kind, p.consent_id, p.network_address, p.detail, now, until) for p in found]
    insert_many(connection, proofs, columns, rows)


def keep_own_name(connection: Connection, subscriber_id: int, *, now: datetime, days: int) -> None:
    """That a reader chose her name or language herself: undoing an import must not take it from her."""
    connection.execute(delete(proofs).where(proofs.c.subscriber_id == subscriber_id, proofs.c.kind == OWN_NAME))
    keep_many(connection, [Proof(subscriber_id, OWN_NAME)], now=now, days=days)


def delete_over_age(connection: Connection, now: datetime) -> int:
    """Delete the proofs whose retention time is over; how many there were."""
    return connection.execute(delete(proofs).where(proofs.c.delete_after <= now)).rowcount
