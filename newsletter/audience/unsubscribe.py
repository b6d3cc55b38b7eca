"""Leaving: at once, for ever, as often as anyone likes, and harmless when there is nobody to leave."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from sqlalchemy import Connection

from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Entry, Event, deciding
from newsletter.audience.links import ReaderLink
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing

Source = Literal["one-click", "page", "cli"]
_UNDECLARED = "none"  # the jurisdiction of a withdrawal that follows no other entry


class Outcome(StrEnum):
    """What unsubscribing did."""

    UNSUBSCRIBED = "unsubscribed"
    ALREADY = "already"
    UNKNOWN = "unknown"


def unsubscribe(store: Store, link: ReaderLink, *, source: Source, now: datetime, actor: str = "reader") -> Outcome:
    """Act on a link that `read_unsubscribe` has checked. It takes effect before this returns."""
    with store.write() as connection:
        return _withdraw(connection, link.subscriber_id, link.newsletter, source=source, now=now, actor=actor)


def unsubscribe_address(
    store: Store, keys: KeyRing, address: str, *, newsletter: str, source: Source, now: datetime, actor: str
) -> Outcome:
    """The same by address, for a person who was asked by telephone or letter. Raises InputError for no address."""
    hashed = address_hash(normalise(address).normal, keys.hash)
    with store.write() as connection:
        found = ledger.find_subscribers(connection, [hashed]).get(hashed)
        if found is None:
            return Outcome.UNKNOWN
        return _withdraw(connection, found.id, newsletter, source=source, now=now, actor=actor)


def _withdraw(
    connection: Connection, subscriber_id: int, newsletter: str, *, source: Source, now: datetime, actor: str
) -> Outcome:
    if not ledger.listed(connection, newsletter, [subscriber_id]):
        return Outcome.UNKNOWN
    history = ledger.histories(connection, newsletter, [subscriber_id]).get(subscriber_id, [])
    current = deciding(history)
    if current and current.event is Event.WITHDRAWN:
        return Outcome.ALREADY
    jurisdiction = history[-1].jurisdiction if history else _UNDECLARED
    entry = Entry(Event.WITHDRAWN, now, source=source, actor=actor, jurisdiction=jurisdiction)
    ledger.record(connection, newsletter, [(subscriber_id, entry)], now=now)
    return Outcome.UNSUBSCRIBED
