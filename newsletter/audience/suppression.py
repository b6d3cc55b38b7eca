"""The suppression list: addresses that must not be mailed, known by their keyed hash alone.

It outlives the subscriber's row (erasure blanks that) and is consulted before any import stores anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from newsletter.audience.consent import EVERYWHERE, Suppressed, Suppression
from newsletter.store.tables import suppression_lifts, suppressions
from newsletter.store.upsert import insert_new


def suppress(
    connection: Connection,
    address_hash: str,
    *,
    reason: Suppressed,
    source: str,
    at: datetime,
    scope: str = EVERYWHERE,
) -> None:
    """Put an address on the list. Saying it again changes nothing: the first record stands."""
    suppress_many(connection, [(address_hash, Suppression(Suppressed(reason), scope, source, at))])


def suppress_many(connection: Connection, entries: Sequence[tuple[str, Suppression]]) -> None:
    """Put many addresses on the list at once."""
    rows = [
        {"address_hash": found, "scope": s.scope, "reason": s.reason.value, "source": s.source, "at": s.at}
        for found, s in entries
    ]
    insert_new(connection, suppressions, rows)


def lift(
    connection: Connection,
    address_hash: str,
    *,
    reasons: Iterable[Suppressed],
    scopes: Iterable[str],
    actor: str,
    why: str,
    now: datetime,
) -> int:
    """Take an address off the list for these reasons and scopes, and record who did it and why. Gives how many."""
    table = suppressions.c
    chosen = (
        table.address_hash == address_hash,
        table.reason.in_([Suppressed(reason).value for reason in reasons]),
        table.scope.in_(list(scopes)),
    )
    rows = connection.execute(select(table.scope, table.reason, table.at).where(*chosen)).all()
    if rows:
        lifted = {"address_hash": address_hash, "actor": actor, "why": why, "lifted_at": now}
        connection.execute(
            insert(suppression_lifts),
            [{**lifted, "scope": row.scope, "reason": row.reason, "suppressed_at": row.at} for row in rows],
        )
        connection.execute(delete(suppressions).where(*chosen))
    return len(rows)


def suppressions_of(
    connection: Connection, address_hashes: Iterable[str], newsletter: str | None = None
) -> dict[str, list[Suppression]]:
    """The suppressions of these addresses in scope of the newsletter (None: of every scope), oldest first."""
    table = suppressions.c
    query = select(table.address_hash, table.reason, table.scope, table.source, table.at).order_by(table.id)
    query = query.where(table.address_hash.in_(list(address_hashes)))
    if newsletter is not None:
        query = query.where(table.scope.in_([EVERYWHERE, newsletter]))
    found: dict[str, list[Suppression]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.address_hash].append(Suppression(Suppressed(row.reason), row.scope, row.source, row.at))
    return found
