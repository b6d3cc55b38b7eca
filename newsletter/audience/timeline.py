"""A reader's story as it is on record: what she agreed to, what suppressed her, what was sent to her about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import EVERYWHERE, Suppressed
from newsletter.audience.ledger import Subscriber
from newsletter.audience.sentences import SUPPRESSED, Batch, day, told, told_of_mail, told_of_suppression
from newsletter.audience.suppression import suppressions_of
from newsletter.audience.wordings import text_of
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import import_batches, service_mails, subscriptions, suppression_lifts

Newsletters = Mapping[str, NewsletterSettings]


@dataclass(frozen=True)
class Moment:
    """One thing that happened to a reader, in plain words."""

    at: datetime
    newsletter: str  # * for what holds for all
    words: str


def timeline(
    store: Store, keys: KeyRing, address: str, *, newsletters: Newsletters, newsletter: str | None = None
) -> list[Moment]:
    """Everything on record for an address (of one newsletter, or all), in the order it was written down.

    Raises InputError when it is no address; an unknown address has an empty record.
    """
    hashed = address_hash(normalise(address).normal, keys.hash)
    with store.read() as connection:
        person = ledger.find_subscribers(connection, [hashed]).get(hashed)
        return story(connection, person, hashed, newsletters=newsletters, newsletter=newsletter)


def story(
    connection: Connection,
    person: Subscriber | None,
    hashed: str,
    *,
    newsletters: Newsletters,
    newsletter: str | None = None,
) -> list[Moment]:
    """The same for a reader at hand; one without a row may still be on the suppression list.

    For the newsroom: it names who did what, and why. What the reader sees herself is `plain_record`.
    """
    moments = _suppressed(connection, hashed, newsletter)
    if person is not None:
        moments = [
            Moment(person.created_at, EVERYWHERE, "became known"),
            *_agreed(connection, person.id, newsletters, newsletter),
            *_mailed(connection, person.id, newsletter),
            *_paused(connection, person.id, newsletter),
            *moments,
        ]
        if person.erased_at:
            moments.append(Moment(person.erased_at, EVERYWHERE, "erased on request"))
    return sorted(moments, key=lambda moment: moment.at)


def last_agreed(store: Store, keys: KeyRing, address: str) -> str | None:
    """The text the reader with this address agreed to last, word for word."""
    hashed = address_hash(normalise(address).normal, keys.hash)
    with store.read() as connection:
        person = ledger.find_subscribers(connection, [hashed]).get(hashed)
        return newest_wording(connection, person.id) if person else None


def newest_wording(connection: Connection, subscriber_id: int) -> str | None:
    """The same for a reader at hand."""
    agreed = [row.entry.wording for row in ledger.everything_of(connection, subscriber_id) if row.entry.wording]
    return text_of(connection, agreed[-1]) if agreed else None


def batches_of(connection: Connection, ids: Iterable[int | None]) -> dict[int, Batch]:
    """These imports, by id."""
    table = import_batches.c
    columns = (table.id, table.file_name, table.file_sha256, table.undone_at, table.undone_by)
    rows = connection.execute(select(*columns).where(table.id.in_({i for i in ids if i is not None})))
    return {row.id: Batch(**row._mapping) for row in rows}


def _agreed(connection: Connection, reader: int, newsletters: Newsletters, newsletter: str | None) -> list[Moment]:
    rows = ledger.everything_of(connection, reader, newsletter)
    batches = batches_of(connection, [row.entry.batch_id for row in rows])
    moments = []
    for row in rows:
        settings = newsletters.get(row.newsletter)
        name = settings.name if settings else row.newsletter
        words = told(row.entry, row.purpose, name, batches.get(row.entry.batch_id or 0), beside=row.at)
        moments.append(Moment(row.at, row.newsletter, words))
    return moments


def _mailed(connection: Connection, reader: int, newsletter: str | None) -> list[Moment]:
    table = service_mails.c
    query = select(service_mails).where(table.subscriber_id == reader).order_by(table.id)
    if newsletter is not None:
        query = query.where(table.newsletter == newsletter)
    return [
        Moment(
            row.handed_over_at or row.queued_at,
            row.newsletter,
            told_of_mail(row.kind, row.detail, state=row.state, reason=row.reason),
        )
        for row in connection.execute(query)
    ]


def _paused(connection: Connection, reader: int, newsletter: str | None) -> list[Moment]:
    table = subscriptions.c
    query = select(table.newsletter, table.paused_until)
    query = query.where(table.subscriber_id == reader, table.paused_until.is_not(None))
    if newsletter is not None:
        query = query.where(table.newsletter == newsletter)
    return [Moment(until, name, "the pause ends") for name, until in connection.execute(query)]


def _suppressed(connection: Connection, hashed: str, newsletter: str | None) -> list[Moment]:
    """What is on the suppression list, and what was taken off it."""
    table = suppression_lifts.c
    query = select(suppression_lifts).where(table.address_hash == hashed).order_by(table.id)
    if newsletter is not None:
        query = query.where(table.scope.in_([EVERYWHERE, newsletter]))
    moments = [
        Moment(found.at, found.scope, told_of_suppression(found))
        for found in suppressions_of(connection, [hashed], newsletter).get(hashed, [])
    ]
    for row in connection.execute(query):
        words = f"no longer suppressed ({SUPPRESSED[Suppressed(row.reason)]}, {day(row.suppressed_at)})"
        moments.append(Moment(row.lifted_at, row.scope, f"{words}: {row.why}; by {row.actor}"))
    return moments
