"""The only writer of subscribers, subscriptions and the consent ledger, and the reader of a person's history.

The ledger is append-only (triggers in the database refuse anything else) and holds ids: what identifies a person
stands in `subscribers` alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, insert, or_, select, update

from newsletter.audience.consent import Basis, Entry, Event, Purpose, Wording
from newsletter.store.tables import consent, import_batches, subscribers, subscriptions
from newsletter.store.upsert import insert_new


@dataclass(frozen=True)
class Profile:
    """What a reader told us about herself, for greeting her and for choosing her language."""

    first_name: str | None = None
    lang: str | None = None


@dataclass(frozen=True)
class Subscriber:
    """One row of `subscribers`; `address` is None once the reader is erased."""

    id: int
    address_hash: str
    address: str | None
    profile: Profile
    created_at: datetime
    erased_at: datetime | None

    @property
    def erased(self) -> bool:
        return self.erased_at is not None or self.address is None


def add_subscribers(
    connection: Connection, people: Sequence[tuple[str, str, Profile]], *, now: datetime
) -> dict[str, int]:
    """Add people as (address hash, address, profile); those already there stay as they are. Gives ids by hash."""
    if not people:
        return {}
    rows = [
        {
            "address_hash": address_hash,
            "address": address,
            "first_name": profile.first_name,
            "lang": profile.lang,
            "created_at": now,
        }
        for address_hash, address, profile in people
    ]
    insert_new(connection, subscribers, rows)
    query = select(subscribers.c.address_hash, subscribers.c.id)
    query = query.where(subscribers.c.address_hash.in_([address_hash for address_hash, _, _ in people]))
    return {row.address_hash: row.id for row in connection.execute(query)}


def update_profiles(connection: Connection, profiles: Mapping[int, Profile]) -> None:
    """Write what readers are called and which language they read, by subscriber id."""
    if profiles:
        connection.execute(
            update(subscribers).where(subscribers.c.id == bindparam("subscriber")),
            [{"subscriber": i, "first_name": p.first_name, "lang": p.lang} for i, p in profiles.items()],
        )


def list_for(connection: Connection, newsletter: str, subscriber_ids: Sequence[int], *, now: datetime) -> None:
    """Give readers a subscription row: from now on every send accounts for them, in or out."""
    rows = [{"newsletter": newsletter, "subscriber_id": found, "created_at": now} for found in subscriber_ids]
    insert_new(connection, subscriptions, rows)


def record(
    connection: Connection,
    newsletter: str,
    entries: Sequence[tuple[int, Entry]],
    *,
    now: datetime,
    purpose: Purpose = Purpose.SEND,
) -> None:
    """Append entries, each for a subscriber id, in this order."""
    if entries:
        rows = [_row(newsletter, i, entry, now) | {"purpose": purpose.value} for i, entry in entries]
        connection.execute(insert(consent), rows)


def record_one(
    connection: Connection,
    newsletter: str,
    subscriber_id: int,
    entry: Entry,
    *,
    now: datetime,
    purpose: Purpose = Purpose.SEND,
) -> int:
    """Append one entry and give its id, which a proof or a link may name."""
    row = _row(newsletter, subscriber_id, entry, now) | {"purpose": purpose.value}
    return int(connection.execute(insert(consent).values(row).returning(consent.c.id)).scalar_one())


def not_undone() -> ColumnElement[bool]:
    """Leaves out the entries of imports that were undone."""
    undone = select(import_batches.c.id).where(import_batches.c.undone_at.is_not(None))
    return or_(consent.c.batch_id.is_(None), consent.c.batch_id.not_in(undone))


def histories(
    connection: Connection, newsletter: str, subscriber_ids: Iterable[int], purpose: Purpose = Purpose.SEND
) -> dict[int, list[Entry]]:
    """The entries of these readers for one newsletter that count, oldest first."""
    query = (
        select(consent)
        .where(consent.c.newsletter == newsletter, consent.c.purpose == purpose.value, not_undone())
        .where(consent.c.subscriber_id.in_(list(subscriber_ids)))
        .order_by(consent.c.subscriber_id, consent.c.id)
    )
    found: dict[int, list[Entry]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.subscriber_id].append(_entry(row))
    return found


def everything_of(
    connection: Connection, subscriber_id: int, newsletter: str | None = None
) -> list[tuple[datetime, str, Entry]]:
    """One reader's whole ledger, of one newsletter or all, as (written down at, newsletter, entry), oldest first."""
    query = select(consent).where(consent.c.subscriber_id == subscriber_id, consent.c.purpose == Purpose.SEND.value)
    if newsletter is not None:
        query = query.where(consent.c.newsletter == newsletter)
    rows = connection.execute(query.order_by(consent.c.id))
    return [(row.recorded_at, row.newsletter, _entry(row)) for row in rows]


def find_subscribers(connection: Connection, address_hashes: Iterable[str]) -> dict[str, Subscriber]:
    """The subscribers with these address hashes, by hash."""
    query = select(subscribers).where(subscribers.c.address_hash.in_(list(address_hashes)))
    return {
        row.address_hash: Subscriber(
            row.id, row.address_hash, row.address, Profile(row.first_name, row.lang), row.created_at, row.erased_at
        )
        for row in connection.execute(query)
    }


def listed(connection: Connection, newsletter: str, subscriber_ids: Iterable[int]) -> set[int]:
    """Which of these readers have a subscription row for the newsletter."""
    query = select(subscriptions.c.subscriber_id).where(subscriptions.c.newsletter == newsletter)
    query = query.where(subscriptions.c.subscriber_id.in_(list(subscriber_ids)))
    return set(connection.scalars(query))


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        Event(row.event),
        row.occurred_at,
        source=row.source,
        actor=row.actor,
        jurisdiction=row.jurisdiction,
        basis=Basis(row.basis) if row.basis else None,
        expires_at=row.expires_at,
        batch_id=row.batch_id,
        ground=row.ground,
        wording=Wording(row.wording_version, row.wording_hash, row.wording_lang) if row.wording_hash else None,
        policy_version=row.policy_version,
    )


def _row(newsletter: str, subscriber_id: int, entry: Entry, now: datetime) -> dict[str, object]:
    return {
        "subscriber_id": subscriber_id,
        "newsletter": newsletter,
        "event": entry.event.value,
        "basis": entry.basis.value if entry.basis else None,
        "ground": entry.ground,
        "wording_version": entry.wording.version if entry.wording else None,
        "wording_hash": entry.wording.hash if entry.wording else None,
        "wording_lang": entry.wording.lang if entry.wording else None,
        "policy_version": entry.policy_version,
        "jurisdiction": entry.jurisdiction,
        "expires_at": entry.expires_at,
        "source": entry.source,
        "batch_id": entry.batch_id,
        "actor": entry.actor,
        "occurred_at": entry.occurred_at,
        "recorded_at": now,
    }
