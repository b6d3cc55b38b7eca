"""Takes an import back, for every reader whom nothing else has touched since.

The entries of an undone batch stay in the ledger and count no more. What the import made is taken away: subscription
rows, suppressions, addresses and names of rows it made; what it changed is put back. A reader somebody or something
else has touched since keeps everything: the entry that decides for her is written down anew, without the batch.

All in short transactions. An import that was broken off is taken back by the same means: nothing of it ever counted, so
nothing is kept but the row of a reader who came by herself meanwhile.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, select, union, update

from newsletter.audience import ledger
from newsletter.audience.batches import BROKEN_OFF, Batch, announce_undoing, end, find, importing, unsettled
from newsletter.audience.consent import Purpose, deciding
from newsletter.audience.proofs import BEFORE_IMPORT, VISIT
from newsletter.audience.touched import Since, since
from newsletter.errors import NotFound, Refused
from newsletter.store.engine import Store
from newsletter.store.tables import consent, proofs, subscribers, subscriptions, suppressions

CHUNK = 2_000
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

    def add(self, connection: Connection, ids: Sequence[int], touched: dict[int, str]) -> None:
        kept = [reader for reader in ids if reader in touched]
        self.undone += len(ids) - len(kept)
        self.kept += len(kept)
        self.kept_by.update(touched.values())
        if shown := kept[: MOST_KEPT - len(self.readers_kept)]:
            query = select(subscribers.c.id, subscribers.c.address).where(subscribers.c.id.in_(shown))
            addresses = {row.id: row.address for row in connection.execute(query)}
            self.readers_kept += [Kept(reader, addresses[reader], touched[reader]) for reader in shown]


def undo_import(store: Store, batch: int, *, actor: str, now: datetime, dry_run: bool = False) -> UndoReport:
    """Take an import back. Raises NotFound for a batch there is not, Refused for one undone already.

    Broken off, it is gone on with by the next import, or by undoing it again.
    """
    if dry_run:
        return _would_undo(store, batch)
    with importing(store):
        broken_off = settle(store, now=now)
        if batch in broken_off:
            return broken_off[batch]
        with store.write() as connection:
            found = _in_force(connection, batch)
            announce_undoing(connection, batch, actor)
        return _undo(store, found, actor, now)


def settle(store: Store, *, now: datetime) -> dict[int, UndoReport]:
    """Settle what was broken off: take imports away, go on undoing. Only inside `importing`. Gives what was undone."""
    reports = {}
    for batch in unsettled(store):
        if batch.under_way:
            _take_away(store, batch, now)
        else:
            reports[batch.id] = _undo(store, batch, batch.undone_by or BROKEN_OFF, now)
    return reports


def settle_if_nobody_imports(store: Store, *, now: datetime) -> None:
    """The same at any time: whoever is importing has done it."""
    if unsettled(store):
        with suppress(Refused), importing(store):
            settle(store, now=now)


def _in_force(connection: Connection, batch: int) -> Batch:
    found = find(connection, batch)
    if found is None:
        raise NotFound(f"There is no import {batch}. List them with: newsletter subscriber imports")
    if found.under_way:
        raise Refused(f"Import {batch} was not finished: nothing of it counts.")
    if found.undone:
        raise Refused(f"Import {batch} was undone already, on {found.undone_at:%Y-%m-%d} by {found.undone_by}.")
    return found


def _would_undo(store: Store, batch: int) -> UndoReport:
    report = UndoReport(batch)
    with store.read() as connection:
        found = _in_force(connection, batch)
        later = since(connection, found)
        for ids in _chunks(_concerned(connection, found)):
            report.add(connection, ids, later.touched(connection, ids))
    return report


def _undo(store: Store, batch: Batch, actor: str, now: datetime) -> UndoReport:
    report = UndoReport(batch.id)
    with store.read() as connection:
        undoing, readers = _Undoing(batch, since(connection, batch), actor, now), _concerned(connection, batch)
    for ids in _chunks(readers):
        with store.write() as connection:
            undoing.take_back(connection, ids, report)
    with store.write() as connection:
        end(connection, batch.id, by=actor, now=now)
    return report


def _take_away(store: Store, batch: Batch, now: datetime) -> None:
    with store.read() as connection:
        undoing, readers = _Undoing(batch, since(connection, batch), BROKEN_OFF, now), _concerned(connection, batch)
    for ids in _chunks(readers):
        with store.write() as connection:
            undoing.take_away(connection, ids)
    with store.write() as connection:
        end(connection, batch.id, by=BROKEN_OFF, now=now)


def _chunks(ids: array[int]) -> Iterator[list[int]]:
    walk = iter(ids)
    while chunk := list(islice(walk, CHUNK)):
        yield chunk


def _concerned(connection: Connection, batch: Batch) -> array[int]:
    """Every reader the batch did something to."""
    made = batch.id
    suppressed = select(subscribers.c.id).join(suppressions, suppressions.c.address_hash == subscribers.c.address_hash)
    query = union(
        select(consent.c.subscriber_id).where(consent.c.batch_id == made),
        select(subscribers.c.id).where(subscribers.c.batch_id == made),
        select(subscriptions.c.subscriber_id).where(subscriptions.c.batch_id == made),
        suppressed.where(suppressions.c.batch_id == made),
        select(proofs.c.subscriber_id).where(_renames(batch)),
    )
    return array("q", sorted(connection.scalars(query)))


def _renames(batch: Batch) -> ColumnElement[bool]:
    """The names this batch changed; `detail` begins as claims.py writes it."""
    return and_(proofs.c.kind == BEFORE_IMPORT, proofs.c.detail.like(f'{{"batch": {batch.id},%'))


@dataclass(frozen=True)
class _Undoing:
    """The taking back of one batch, some readers at a time. Doing it again to the same readers changes nothing."""

    batch: Batch
    since: Since
    actor: str
    now: datetime

    def take_back(self, connection: Connection, ids: list[int], report: UndoReport) -> None:
        """An import that counted: readers it was the last to touch."""
        touched = self.since.touched(connection, ids)
        report.add(connection, ids, touched)
        self._keep(connection, [reader for reader in ids if reader in touched])
        alone = [reader for reader in ids if reader not in touched]
        self._remove_marks(connection, alone)
        self._put_names_back(connection, alone)
        self._blank(connection, alone)

    def take_away(self, connection: Connection, ids: list[int]) -> None:
        """An import that never counted: all of it. Who touched her row meanwhile keeps that, and the name she chose."""
        touched = self.since.touched(connection, ids)
        renamed = self.since.renamed(connection, ids)
        self._remove_marks(connection, ids)
        self._put_names_back(connection, [reader for reader in ids if reader not in renamed])
        self._forget_renames(connection, ids)
        self._blank(connection, [reader for reader in ids if reader not in touched])
        kept = subscribers.c.batch_id == self.batch.id, subscribers.c.id.in_(touched.keys())
        connection.execute(update(subscribers).where(*kept).values(batch_id=None))

    def _keep(self, connection: Connection, ids: list[int]) -> None:
        """Let these readers' state stand without the batch."""
        if not ids:
            return
        name = self.batch.newsletter
        source = f"kept when import {self.batch.id} was undone"
        entries = []
        for reader, history in ledger.histories(connection, name, ids).items():
            entry = deciding(history)
            if entry and entry.batch_id == self.batch.id:
                entries.append((reader, replace(entry, batch_id=None, source=source, actor=self.actor)))
        ledger.record(connection, name, entries, now=self.now)
        for table, chosen in (
            (subscribers, subscribers.c.id.in_(ids)),
            (subscriptions, and_(subscriptions.c.newsletter == name, subscriptions.c.subscriber_id.in_(ids))),
            (suppressions, suppressions.c.address_hash.in_(_hashes(ids))),
        ):
            freed = update(table).where(table.c.batch_id == self.batch.id, chosen).values(batch_id=None)
            connection.execute(freed)

    def _remove_marks(self, connection: Connection, ids: list[int]) -> None:
        """Take away the listings, suppressions and proofs the batch made of these readers."""
        if not ids:
            return
        run, made, name = connection.execute, self.batch.id, self.batch.newsletter
        listing, entry = subscriptions.c, consent.c
        listed = listing.newsletter == name, listing.subscriber_id.in_(ids)
        run(delete(subscriptions).where(*listed, listing.batch_id == made))
        run(delete(suppressions).where(suppressions.c.batch_id == made, suppressions.c.address_hash.in_(_hashes(ids))))
        mine = entry.newsletter == name, entry.purpose == Purpose.SEND.value, entry.subscriber_id.in_(ids)
        entries = select(entry.id).where(*mine, entry.batch_id == made)
        run(delete(proofs).where(proofs.c.kind == VISIT, proofs.c.consent_id.in_(entries)))

    def _put_names_back(self, connection: Connection, ids: list[int]) -> None:
        rows = connection.execute(
            select(proofs.c.subscriber_id, proofs.c.detail)
            .where(proofs.c.subscriber_id.in_(ids), _renames(self.batch))
            .order_by(proofs.c.id.desc())
        ).all()  # the first rename of this batch comes last and wins
        before = {row.subscriber_id: ledger.Profile(*json.loads(row.detail)["before"]) for row in rows}
        ledger.update_profiles(connection, before)
        self._forget_renames(connection, ids)

    def _forget_renames(self, connection: Connection, ids: list[int]) -> None:
        connection.execute(delete(proofs).where(proofs.c.subscriber_id.in_(ids), _renames(self.batch)))

    def _blank(self, connection: Connection, ids: list[int]) -> None:
        blank = {"address": None, "first_name": None, "lang": None, "batch_id": None}
        made = subscribers.c.batch_id == self.batch.id, subscribers.c.id.in_(ids)
        connection.execute(update(subscribers).where(*made).values(blank))


def _hashes(ids: Sequence[int]) -> Select[tuple[str]]:
    return select(subscribers.c.address_hash).where(subscribers.c.id.in_(ids))
