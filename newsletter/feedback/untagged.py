"""Events that do not say which mail they are about: Amazon SES's older notifications carry no tags.

They are told by the address they went to and the provider's message id together. The address leads to the reader by an
index there is; the message id then says which of her mails it was. So nothing is kept, and nothing indexed, for a
channel few use. What cannot be told is stored under a key of its own: the same event told with its tag still counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from newsletter.audience.addresses import address_hash, normalise
from newsletter.errors import InputError
from newsletter.feedback.vocabulary import Delivery, Event, ServiceMail, addressee
from newsletter.store.keys import KeyRing
from newsletter.store.tables import deliveries, service_mails, subscribers

Told = tuple[str, Event]  # the message, and what it says


def told_apart(connection: Connection, found: Sequence[Told], keys: KeyRing) -> list[Told]:
    """The same events, in order; those without a tag name their mail now, where that can be known."""
    untagged = [(message, event) for message, event in found if event.untagged]
    if not untagged:
        return list(found)
    mails = _mails(connection, {event.message_id for _, event in untagged}, _readers(connection, untagged, keys))
    return [(message, _named(event, mails) if event.untagged else event) for message, event in found]


def _readers(connection: Connection, untagged: Sequence[Told], keys: KeyRing) -> set[int]:
    hashes = set()
    for message, _ in untagged:
        try:
            hashes.add(address_hash(normalise(addressee(message)).normal, keys.hash))
        except InputError:  # several addresses, or none: no mail of ours
            continue
    return set(connection.scalars(select(subscribers.c.id).where(subscribers.c.address_hash.in_(hashes))))


def _mails(connection: Connection, ids: set[str], readers: set[int]) -> Mapping[str, Delivery | ServiceMail]:
    """The readers' mails with these message ids."""
    mail, service = deliveries.c, service_mails.c
    query = select(mail.message_id, mail.send_id, mail.subscriber_id, mail.attempt)
    query = query.where(mail.subscriber_id.in_(readers), mail.message_id.in_(ids))
    found: dict[str, Delivery | ServiceMail] = {
        str(row.message_id): Delivery(row.send_id, row.subscriber_id, row.attempt) for row in connection.execute(query)
    }
    owed = select(service.message_id, service.id, service.attempt)
    owed = owed.where(service.subscriber_id.in_(readers), service.message_id.in_(ids))
    return found | {str(row.message_id): ServiceMail(row.id, row.attempt) for row in connection.execute(owed)}


def _named(event: Event, mails: Mapping[str, Delivery | ServiceMail]) -> Event:
    mail = mails.get(event.message_id)
    if isinstance(mail, Delivery):
        return replace(event, delivery=mail)
    if isinstance(mail, ServiceMail):
        return replace(event, service=mail)
    return replace(event, dedup=hashlib.sha256(f"untold|{event.dedup}".encode()).hexdigest())
