"""What else has touched a reader since an import: she is not the import's alone any more, and undoing spares her."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, or_, select

from newsletter.audience import ledger
from newsletter.audience.batches import LEDGER_BEFORE, Batch
from newsletter.audience.consent import Purpose
from newsletter.audience.proofs import BEFORE_IMPORT, FORMER_ADDRESS, OWN_NAME
from newsletter.store.tables import (
    consent,
    deliveries,
    proofs,
    sends,
    service_mails,
    signups,
    subscribers,
    subscriptions,
    suppressions,
    votes,
)

RENAMED = "name or language changed since"


@dataclass(frozen=True)
class Since:
    """What happened since one import. Newsletters and voters are looked up once for all of its readers."""

    batch: Batch
    newsletters: tuple[str, ...]  # every one anybody is listed for: with it, a reader's rows are found by index
    voters: frozenset[int]

    def touched(self, connection: Connection, ids: Sequence[int]) -> dict[int, str]:
        """What touched which of these readers; the first reason found."""
        found: dict[int, str] = {}
        for reason, query in self._traces(ids):
            met: set[int] = set(connection.scalars(query))
            found.update(dict.fromkeys(met - found.keys(), reason))
        found.update(dict.fromkeys(self.voters.intersection(ids) - found.keys(), "voted since"))
        found.update(dict.fromkeys(self.renamed(connection, ids) - found.keys(), RENAMED))
        return found

    def renamed(self, connection: Connection, ids: Sequence[int]) -> set[int]:
        """Readers who are called otherwise than the import left it, or were renamed by themselves or another import."""
        own = select(proofs.c.subscriber_id).where(proofs.c.kind == OWN_NAME, proofs.c.at >= self.batch.at)
        return {
            *connection.scalars(own.where(proofs.c.subscriber_id.in_(ids))),
            *self._renamed_otherwise(connection, ids),
        }

    def _traces(self, ids: Sequence[int]) -> Iterator[tuple[str, Select[tuple[int]]]]:
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
        herself = or_(listing.batch_id.is_(None), listing.batch_id != made)
        yield "paused", paused.where(listing.newsletter == self.batch.newsletter, herself)
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

    def _renamed_otherwise(self, connection: Connection, ids: Sequence[int]) -> Iterator[int]:
        rows = connection.execute(
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


def since(connection: Connection, batch: Batch) -> Since:
    """What to look for after this import."""
    names = connection.scalars(select(subscriptions.c.newsletter).distinct())
    voters = connection.scalars(select(votes.c.subscriber_id).where(votes.c.at >= batch.at))
    return Since(batch, tuple(names), frozenset(voters))
