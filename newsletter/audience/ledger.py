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

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, func, insert, or_, select, update

from newsletter.audience.consent import Basis, Entry, Event, Purpose, Wording
from newsletter.store.bulk import insert_many
from newsletter.store.tables import consent, import_batches, subscribers, subscriptions


@dataclass(frozen=True)
class Profile:
    """What a reader told us about herself, for greeting her and for choosing her language."""

    first_name: str | None = None
    lang: str | None = None


@dataclass(frozen=True)
class Subscriber:
    """One row of `subscribers`. It has no address once the reader is erased, and while nobody is known by it: blank."""

    id: int
    address_hash: str
    address: str | None
    profile: Profile
    created_at: datetime
    erased_at: datetime | None

    @property
    def erased(self) -> bool:
        return self.erased_at is not None

    @property
    def gone(self) -> bool:
        """Nobody is known by this row: she was erased, or it was blanked with the import or sign-up that made it."""
        return self.erased or self.address is None


def add_subscribers(
    connection: Connection,
    people: Sequence[tuple[str, str, Profile]],
    *,
    now: datetime,
    batch_id: int | None = None,
) -> dict[str, int]:
    """Add people as (address hash, address, profile); those already there stay as they are. Gives ids by hash."""
    if not people:
        return {}
    table = subscribers.c
    last = connection.scalar(select(func.max(table.id))) or 0
    columns = ("address_hash", "address", "first_name", "lang", "created_at", "batch_id")
    rows = [(h, address, profile.first_name, profile.lang, now, batch_id) for h, address, profile in people]
    insert_many(connection, subscribers, columns, rows, new_only=True)
    query = select(table.address_hash, table.id)
    ids = {row[0]: row[1] for row in connection.execute(query.where(table.id > last))}
    there = [h for h, _, _ in people if h not in ids]
    if there:
        ids.update({row[0]: row[1] for row in connection.execute(query.where(table.address_hash.in_(there)))})
    return ids


def update_profiles(connection: Connection, profiles: Mapping[int, Profile]) -> None:
    """Write what readers are called and which language they read, by subscriber id."""
    if profiles:
        connection.execute(
            update(subscribers).where(subscribers.c.id == bindparam("subscriber")),
            [{"subscriber": i, "first_name": p.first_name, "lang": p.lang} for i, p in profiles.items()],
        )


def list_for(
    connection: Connection,
    newsletter: str,
    subscriber_ids: Sequence[int],
    *,
    now: datetime,
    batch_id: int | None = None,
) -> None:
    """Give readers a subscription row: from now on every send accounts for them, in or out.

    What an import wrote that does not count (yet) becomes the reader's own.
    """
    if batch_id is None and subscriber_ids:
        theirs = subscriptions.c.newsletter == newsletter, subscriptions.c.subscriber_id.in_(subscriber_ids)
        own = update(subscriptions).where(*theirs, ~in_force(subscriptions))
        connection.execute(own.values(batch_id=None, created_at=now))
    columns = ("newsletter", "subscriber_id", "created_at", "batch_id")
    rows = [(newsletter, found, now, batch_id) for found in subscriber_ids]
    insert_many(connection, subscriptions, columns, rows, new_only=True)


def pause(connection: Connection, newsletter: str, pauses: Mapping[int, datetime]) -> None:
    """Readers who are paused as they come, by subscriber id."""
    if pauses:
        table = subscriptions.c
        this = update(subscriptions).where(table.newsletter == newsletter, table.subscriber_id == bindparam("reader"))
        rows = [{"reader": reader, "until": until} for reader, until in pauses.items()]
        connection.execute(this.values(paused_until=bindparam("until")), rows)


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
        rows = [_row(newsletter, purpose, i, entry, now) for i, entry in entries]
        insert_many(connection, consent, _COLUMNS, rows)


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
    row = dict(zip(_COLUMNS, _row(newsletter, purpose, subscriber_id, entry, now), strict=True))
    return int(connection.execute(insert(consent).values(row).returning(consent.c.id)).scalar_one())


def in_force(table: Table, seen_by: int | None = None) -> ColumnElement[bool]:
    """Leaves out what imports wrote that were undone, or are under way: those count for the one `seen_by` alone.

    The table is one whose rows an import may have made: consent, subscriptions, suppressions.
    """
    rows = table.c.batch_id
    undone = select(import_batches.c.id).where(import_batches.c.undone_at.is_not(None))
    if seen_by is not None:
        undone = undone.where(import_batches.c.id != seen_by)
    return or_(rows.is_(None), rows.not_in(undone))


def not_undone() -> ColumnElement[bool]:
    """Leaves out the entries of imports that were undone, or are under way."""
    return in_force(consent)


def histories(
    connection: Connection,
    newsletter: str,
    subscriber_ids: Iterable[int],
    purpose: Purpose = Purpose.SEND,
    *,
    seen_by: int | None = None,
) -> dict[int, list[Entry]]:
    """The entries of these readers for one newsletter that count, oldest first; `seen_by` as in `in_force`."""
    counting = in_force(consent, seen_by)
    query = (
        select(consent)
        .where(consent.c.newsletter == newsletter, consent.c.purpose == purpose.value, counting)
        .where(consent.c.subscriber_id.in_(list(subscriber_ids)))
        .order_by(consent.c.subscriber_id, consent.c.id)
    )
    found: dict[int, list[Entry]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.subscriber_id].append(_entry(row))
    return found


@dataclass(frozen=True)
class Recorded:
    """One entry with where it stands and when it was written down."""

    id: int
    at: datetime
    newsletter: str
    purpose: Purpose
    entry: Entry


def everything_of(connection: Connection, subscriber_id: int, newsletter: str | None = None) -> list[Recorded]:
    """One reader's whole ledger, of one newsletter or all, for every purpose, oldest first; undone imports included."""
    query = select(consent).where(consent.c.subscriber_id == subscriber_id)
    if newsletter is not None:
        query = query.where(consent.c.newsletter == newsletter)
    rows = connection.execute(query.order_by(consent.c.id))
    return [Recorded(row.id, row.recorded_at, row.newsletter, Purpose(row.purpose), _entry(row)) for row in rows]


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


def paused_until(connection: Connection, newsletter: str, subscriber_ids: Iterable[int]) -> dict[int, datetime]:
    """Until when these readers want a pause from the newsletter; those who never did are missing."""
    query = select(subscriptions.c.subscriber_id, subscriptions.c.paused_until)
    query = query.where(subscriptions.c.newsletter == newsletter, subscriptions.c.paused_until.is_not(None))
    query = query.where(subscriptions.c.subscriber_id.in_(list(subscriber_ids)))
    return {row.subscriber_id: row.paused_until for row in connection.execute(query)}


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


_COLUMNS = (
    "subscriber_id",
    "newsletter",
    "purpose",
    "event",
    "basis",
    "ground",
    "wording_version",
    "wording_hash",
    "wording_lang",
    "policy_version",
    "jurisdiction",
    "expires_at",
    "source",
    "batch_id",
    "actor",
    "occurred_at",
    "recorded_at",
)


def _row(newsletter: str, purpose: Purpose, subscriber_id: int, entry: Entry, now: datetime) -> tuple[object, ...]:
    """An entry as the columns above hold it; plain text, for databases' drivers know no enums."""
    wording = entry.wording
    return (
        subscriber_id,
        newsletter,
        purpose.value,
        entry.event.value,
        entry.basis.value if entry.basis else None,
        str(entry.ground) if entry.ground else None,
        wording.version if wording else None,
        wording.hash if wording else None,
        wording.lang if wording else None,
        entry.policy_version,
        entry.jurisdiction,
        entry.expires_at,
        entry.source,
        entry.batch_id,
        entry.actor,
        entry.occurred_at,
        now,
    )


def fill_blank(connection: Connection, people: Mapping[int, tuple[str, Profile]], *, batch_id: int | None) -> None:
    """Give rows that an undone import left blank their address and profile again, by subscriber id."""
    if people:
        connection.execute(
            update(subscribers).where(subscribers.c.id == bindparam("subscriber"), subscribers.c.erased_at.is_(None)),
            [
                {"subscriber": i, "address": address, "first_name": p.first_name, "lang": p.lang, "batch_id": batch_id}
                for i, (address, p) in people.items()
            ],
        )


def newest_entries(connection: Connection, newsletter: str, subscriber_ids: Iterable[int]) -> dict[int, int]:
    """The id of each reader's newest entry on getting this newsletter."""
    if not (chosen := list(subscriber_ids)):
        return {}
    query = select(consent.c.subscriber_id, func.max(consent.c.id))
    query = query.where(consent.c.newsletter == newsletter, consent.c.purpose == Purpose.SEND.value)
    query = query.where(consent.c.subscriber_id.in_(chosen)).group_by(consent.c.subscriber_id)
    return {row[0]: row[1] for row in connection.execute(query)}
