"""The suppression list: addresses that must not be mailed, known by their keyed hash alone.

It outlives the subscriber's row (erasure blanks that) and is consulted before any import stores anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import EVERYWHERE, Suppressed, Suppression
from newsletter.audience.ledger import in_force
from newsletter.errors import InputError, Place, Problem
from newsletter.store.bulk import insert_many
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import suppression_lifts, suppressions


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


def suppress_many(
    connection: Connection, entries: Sequence[tuple[str, Suppression]], *, batch_id: int | None = None
) -> None:
    """Put many addresses on the list at once. Beside a record that counts, one of an import under way is none."""
    table = suppressions.c
    if batch_id is None:
        for what in {(s.scope, s.reason) for _, s in entries}:
            hashes = [found for found, s in entries if (s.scope, s.reason) == what]
            alike = table.scope == what[0], table.reason == what[1].value, table.address_hash.in_(hashes)
            connection.execute(delete(suppressions).where(*alike, ~in_force(suppressions)))
    columns = ("address_hash", "scope", "reason", "source", "at", "batch_id")
    rows = [(found, s.scope, s.reason.value, s.source, s.at, batch_id) for found, s in entries]
    insert_many(connection, suppressions, columns, rows, new_only=True)


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
        in_force(suppressions),
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
    connection: Connection,
    address_hashes: Iterable[str],
    newsletter: str | None = None,
    *,
    seen_by: int | None = None,
) -> dict[str, list[Suppression]]:
    """The suppressions of these addresses in scope of the newsletter (None: of every scope), oldest first.

    Those of an import under way count for itself alone (`seen_by`).
    """
    table = suppressions.c
    query = select(table.address_hash, table.reason, table.scope, table.source, table.at).order_by(table.id)
    query = query.where(table.address_hash.in_(list(address_hashes)), in_force(suppressions, seen_by))
    if newsletter is not None:
        query = query.where(table.scope.in_([EVERYWHERE, newsletter]))
    found: dict[str, list[Suppression]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.address_hash].append(Suppression(Suppressed(row.reason), row.scope, row.source, row.at))
    return found


def suppress_address(
    store: Store,
    keys: KeyRing,
    address: str,
    *,
    reason: Suppressed,
    scope: str,
    why: str,
    actor: str,
    now: datetime,
) -> bool:
    """Put an address on the list by hand, known or not; False when it is there already. Raises InputError."""
    hashed, source = address_hash(normalise(address).normal, keys.hash), f"{_words(why)}; by {actor}"
    with store.write() as connection:
        before = {(found.reason, found.scope) for found in suppressions_of(connection, [hashed]).get(hashed, [])}
        suppress(connection, hashed, reason=reason, source=source, at=now, scope=scope)
    return (reason, scope) not in before


def lift_address(
    store: Store,
    keys: KeyRing,
    address: str,
    *,
    reason: Suppressed,
    scope: str,
    why: str,
    actor: str,
    now: datetime,
) -> bool:
    """Take an address off the list by hand, for one reason and scope; whether it was on it. Raises InputError."""
    hashed = address_hash(normalise(address).normal, keys.hash)
    with store.write() as connection:
        return lift(connection, hashed, reasons=[reason], scopes=[scope], actor=actor, why=_words(why), now=now) > 0


def _words(why: str) -> str:
    """The reason a person gives. Raises InputError when it says nothing, or is not plain text."""
    words = why.strip()
    if not words or not words.isprintable():
        raise InputError([Problem(Place("--why"), "must say in plain words why.", "It is kept on record.")])
    return words
