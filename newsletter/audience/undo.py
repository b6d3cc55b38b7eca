"""Takes an import back, for every reader whom nothing else has touched since.

The entries of an undone batch stay in the ledger and count no more. What the import made is taken away: subscription
rows, suppressions, addresses and names of rows it made; what it changed is put back. A reader somebody or something
else has touched since keeps everything: the entry that decides for her is written down anew, without the batch.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, or_, select, union, update

from newsletter.audience import ledger
from newsletter.audience.consent import Purpose, deciding
from newsletter.audience.import_csv import LEDGER_BEFORE
from newsletter.audience.proofs import BEFORE_IMPORT, FORMER_ADDRESS, VISIT
from newsletter.errors import NotFound, Refused
from newsletter.store.engine import Store
from newsletter.store.tables import (
    consent,
    deliveries,
    import_batches,
    proofs,
    sends,
    service_mails,
    signups,
    subscribers,
    subscriptions,
    suppressions,
    votes,
)

CHUNK = 5_000
MOST_KEPT = 10_000  # listed one by one; beyond that they are only counted


@dataclass(frozen=True)
class Kept:
    """A reader whom undoing leaves as she is, and what touched her since."""

    subscriber_id: int
    address: str | None
    reason: str


@dataclass
class UndoReport:
    """What undoing a batch did, or would do."""

    batch: int
    undone: int = 0
    kept: int = 0
    kept_by: Counter[str] = field(default_factory=Counter)
    readers_kept: list[Kept] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """One import, as on record."""

    id: int
    newsletter: str
    file_name: str
    source: str
    actor: str
    at: datetime
    counts: dict[str, int]
    undone_at: datetime | None
    undone_by: str | None


def list_imports(store: Store, newsletter: str | None = None) -> list[Batch]:
    """Every import, the newest first."""
    query = select(import_batches).order_by(import_batches.c.id.desc())
    if newsletter is not None:
        query = query.where(import_batches.c.newsletter == newsletter)
    with store.read() as connection:
        return [_batch(row) for row in connection.execute(query)]


def undo_import(store: Store, batch: int, *, actor: str, now: datetime, dry_run: bool = False) -> UndoReport:
    """Take an import back. Raises NotFound for a batch there is not, Refused for one undone already."""
    report = UndoReport(batch)
    with store.write(keep=not dry_run) as connection:
        row = connection.execute(select(import_batches).where(import_batches.c.id == batch)).one_or_none()
        if row is None:
            raise NotFound(f"There is no import {batch}. List them with: newsletter subscriber imports")
        found = _batch(row)
        if found.undone_at:
            raise Refused(f"Import {batch} was undone already, on {found.undone_at:%Y-%m-%d} by {found.undone_by}.")
        undoing = _Undoing(connection, found, actor, now)
        for ids in _chunks(undoing.concerned()):
            undoing.take_back(ids, report)
        undone = {"undone_at": now, "undone_by": actor}
        connection.execute(update(import_batches).where(import_batches.c.id == batch).values(undone))
    return report


def _batch(row: Row[Any]) -> Batch:
    values = {**row._mapping, "counts": json.loads(row.counts)}
    return Batch(**{name: values[name] for name in Batch.__annotations__})


def _chunks(ids: array[int]) -> Iterator[list[int]]:
    walk = iter(ids)
    while chunk := list(islice(walk, CHUNK)):
        yield chunk


@dataclass(frozen=True)
class _Undoing:
    """The taking back of one batch, in one transaction."""

    connection: Connection
    batch: Batch
    actor: str
    now: datetime

    def concerned(self) -> array[int]:
        """Every reader the batch did something to."""
        made = self.batch.id
        suppressed = select(subscribers.c.id).join(
            suppressions, suppressions.c.address_hash == subscribers.c.address_hash
        )
        query = union(
            select(consent.c.subscriber_id).where(consent.c.batch_id == made),
            select(subscribers.c.id).where(subscribers.c.batch_id == made),
            select(subscriptions.c.subscriber_id).where(subscriptions.c.batch_id == made),
            suppressed.where(suppressions.c.batch_id == made),
            select(proofs.c.subscriber_id).where(self._renames()),
        )
        return array("q", sorted(self.connection.scalars(query)))

    def take_back(self, ids: list[int], report: UndoReport) -> None:
        touched = self._touched(ids)
        kept = [reader for reader in ids if reader in touched]
        self._keep(kept)
        self._remove([reader for reader in ids if reader not in touched])
        report.undone += len(ids) - len(kept)
        report.kept += len(kept)
        report.kept_by.update(touched.values())
        if shown := kept[: MOST_KEPT - len(report.readers_kept)]:
            query = select(subscribers.c.id, subscribers.c.address).where(subscribers.c.id.in_(shown))
            addresses = {row.id: row.address for row in self.connection.execute(query)}
            report.readers_kept += [Kept(reader, addresses[reader], touched[reader]) for reader in shown]

    @cached_property
    def newsletters(self) -> list[str]:
        """Every newsletter anybody is listed for: with it, a reader's rows are found by index."""
        return list(self.connection.scalars(select(subscriptions.c.newsletter).distinct()))

    @cached_property
    def voters(self) -> set[int]:
        return set(self.connection.scalars(select(votes.c.subscriber_id).where(votes.c.at >= self.batch.at)))

    def _touched(self, ids: list[int]) -> dict[int, str]:
        """What touched which of these readers since the import; the first reason found."""
        found: dict[int, str] = {}
        for reason, query in self._traces(ids):
            met: set[int] = set(self.connection.scalars(query))
            found.update(dict.fromkeys(met - found.keys(), reason))
        found.update(dict.fromkeys(self.voters.intersection(ids) - found.keys(), "voted since"))
        renamed = set(self._renamed_since(ids)) - found.keys()
        found.update(dict.fromkeys(renamed, "name or language changed since"))
        return found

    def _traces(self, ids: list[int]) -> Iterator[tuple[str, Select[tuple[int]]]]:
        since, made = self.batch.at, self.batch.id
        reader, listing = subscribers.c, subscriptions.c
        yield "erased", select(reader.id).where(reader.id.in_(ids), reader.erased_at.is_not(None))
        entry = select(consent.c.subscriber_id).where(
            consent.c.newsletter.in_(self.newsletters),
            consent.c.purpose.in_([purpose.value for purpose in Purpose]),
            consent.c.subscriber_id.in_(ids),
            consent.c.id > self.batch.counts.get(LEDGER_BEFORE, 0),
            or_(consent.c.batch_id.is_(None), consent.c.batch_id != made),
            ledger.not_undone(),
        )
        yield "a later entry in the ledger", entry
        # A send that was over before the import had nothing to do with it.
        delivered = select(deliveries.c.subscriber_id).join(sends, sends.c.id == deliveries.c.send_id)
        delivered = delivered.where(or_(sends.c.settled_at.is_(None), sends.c.settled_at >= since))
        yield "part of a send since", delivered.where(deliveries.c.subscriber_id.in_(ids))
        moved = select(proofs.c.subscriber_id).where(proofs.c.kind == FORMER_ADDRESS, proofs.c.at >= since)
        yield "changed her address", moved.where(proofs.c.subscriber_id.in_(ids))
        waiting = select(reader.id).where(reader.id.in_(ids), reader.pending_address.is_not(None))
        yield "is changing her address", waiting
        asked = select(signups.c.subscriber_id).where(signups.c.subscriber_id.in_(ids))
        yield "signed up since", asked.where(or_(signups.c.requested_at >= since, signups.c.confirmed_at >= since))
        wrote = select(service_mails.c.subscriber_id).where(service_mails.c.subscriber_id.in_(ids))
        yield "was written to since", wrote.where(service_mails.c.queued_at >= since)
        paused = select(listing.subscriber_id).where(listing.subscriber_id.in_(ids), listing.paused_until.is_not(None))
        yield "paused", paused.where(listing.newsletter == self.batch.newsletter)
        suppressed = select(reader.id).join(suppressions, suppressions.c.address_hash == reader.address_hash)
        suppressed = suppressed.where(suppressions.c.at >= since, reader.id.in_(ids))
        other = or_(suppressions.c.batch_id.is_(None), suppressions.c.batch_id != made)
        yield "suppressed since", suppressed.where(other)
        elsewhere = select(reader.id).join(subscriptions, listing.subscriber_id == reader.id)
        elsewhere = elsewhere.where(reader.batch_id == made, listing.subscriber_id.in_(ids))
        elsewhere = elsewhere.where(listing.newsletter.in_(self.newsletters))
        yield (
            "listed for another newsletter since",
            elsewhere.where(or_(listing.batch_id.is_(None), listing.batch_id != made)),
        )

    def _renamed_since(self, ids: list[int]) -> Iterator[int]:
        """Readers who are called otherwise than the import left it, or were renamed by a later import."""
        rows = self.connection.execute(
            select(proofs.c.subscriber_id, proofs.c.detail, subscribers.c.first_name, subscribers.c.lang)
            .join(subscribers, subscribers.c.id == proofs.c.subscriber_id)
            .where(proofs.c.kind == BEFORE_IMPORT, proofs.c.subscriber_id.in_(ids))
            .order_by(proofs.c.id)
        )
        after: dict[int, tuple[list[str | None], list[str | None]]] = {}
        for row in rows:
            told = json.loads(row.detail)
            batch = told["batch"]
            if batch == self.batch.id:
                after[row.subscriber_id] = told["after"], [row.first_name, row.lang]
            elif batch is None or batch > self.batch.id:
                yield row.subscriber_id
        yield from (reader for reader, (left, now) in after.items() if left != now)

    def _keep(self, ids: list[int]) -> None:
        """Let these readers' state stand without the batch."""
        if not ids:
            return
        name = self.batch.newsletter
        source = f"kept when import {self.batch.id} was undone"
        entries = []
        for reader, history in ledger.histories(self.connection, name, ids).items():
            entry = deciding(history)
            if entry and entry.batch_id == self.batch.id:
                entries.append((reader, replace(entry, batch_id=None, source=source, actor=self.actor)))
        ledger.record(self.connection, name, entries, now=self.now)
        for table, chosen in (
            (subscribers, subscribers.c.id.in_(ids)),
            (subscriptions, and_(subscriptions.c.newsletter == name, subscriptions.c.subscriber_id.in_(ids))),
            (suppressions, suppressions.c.address_hash.in_(_hashes(ids))),
        ):
            freed = update(table).where(table.c.batch_id == self.batch.id, chosen).values(batch_id=None)
            self.connection.execute(freed)

    def _remove(self, ids: list[int]) -> None:
        """Take away what the batch made of these readers, and put back what it changed."""
        if not ids:
            return
        run, made, name = self.connection.execute, self.batch.id, self.batch.newsletter
        listing, entry = subscriptions.c, consent.c
        listed = listing.newsletter == name, listing.subscriber_id.in_(ids)
        run(delete(subscriptions).where(*listed, listing.batch_id == made))
        run(delete(suppressions).where(suppressions.c.batch_id == made, suppressions.c.address_hash.in_(_hashes(ids))))
        mine = entry.newsletter == name, entry.purpose == Purpose.SEND.value, entry.subscriber_id.in_(ids)
        entries = select(entry.id).where(*mine, entry.batch_id == made)
        run(delete(proofs).where(proofs.c.kind == VISIT, proofs.c.consent_id.in_(entries)))
        self._put_names_back(ids)
        blank = {"address": None, "first_name": None, "lang": None, "batch_id": None}
        run(update(subscribers).where(subscribers.c.batch_id == made, subscribers.c.id.in_(ids)).values(blank))

    def _put_names_back(self, ids: list[int]) -> None:
        chosen = proofs.c.subscriber_id.in_(ids), self._renames()
        rows = self.connection.execute(
            select(proofs.c.subscriber_id, proofs.c.detail).where(*chosen).order_by(proofs.c.id.desc())
        ).all()  # the first rename of this batch comes last and wins
        before = {row.subscriber_id: ledger.Profile(*json.loads(row.detail)["before"]) for row in rows}
        ledger.update_profiles(self.connection, before)
        self.connection.execute(delete(proofs).where(*chosen))

    def _renames(self) -> ColumnElement[bool]:
        """The names this batch changed; `detail` begins as claims.py writes it."""
        return and_(proofs.c.kind == BEFORE_IMPORT, proofs.c.detail.like(f'{{"batch": {self.batch.id},%'))


def _hashes(ids: Sequence[int]) -> Select[tuple[str]]:
    return select(subscribers.c.address_hash).where(subscribers.c.id.in_(ids))
