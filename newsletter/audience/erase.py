"""Forgetting a reader, as far as this stage keeps her: her row becomes an id and a keyed hash, and nothing more.

The ledger and the suppression list stay, since they hold ids and hashes: they are what keeps her from being mailed
again. Sending and feedback keep more of her: `sending.erasure` is the verb that erases all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, delete, func, select, update

from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import EVERYWHERE, OWN_YES, Entry, Event, Purpose, Suppressed, Suppression, deciding
from newsletter.audience.proofs import FORMER_ADDRESS
from newsletter.audience.suppression import suppress_many
from newsletter.errors import InputError
from newsletter.store.keys import KeyRing
from newsletter.store.tables import consent, proofs, service_mails, signups, subscribers

SOURCE = "erasure"
REASON = "erased"


@dataclass(frozen=True)
class Forgotten:
    """What was erased here."""

    withdrawn: int  # consents that stood, for newsletters and for measuring
    proofs: int
    signups: int
    service_mails: int  # that were still owed


def addresses_of(connection: Connection, subscriber_id: int) -> tuple[str, ...]:
    """Every address we know to be hers, or to have been: the present, the one asked for, former ones."""
    table = subscribers.c
    query = select(table.address, table.pending_address).where(table.id == subscriber_id)
    present = connection.execute(query).one_or_none() or ()
    return tuple(dict.fromkeys(found for found in (*present, *_former(connection, subscriber_id)) if found))


def erase(connection: Connection, keys: KeyRing, subscriber_id: int, *, actor: str, now: datetime) -> Forgotten:
    """Forget her in the caller's transaction. Once more finds nothing left to do."""
    hashes = hashes_of(connection, keys, subscriber_id)
    withdrawn = _withdraw(connection, subscriber_id, actor=actor, now=now)
    listed = Suppression(Suppressed.ERASURE, EVERYWHERE, f"asked for; by {actor}", now)
    suppress_many(connection, [(found, listed) for found in hashes])
    proven = connection.execute(delete(proofs).where(proofs.c.subscriber_id == subscriber_id)).rowcount
    asked = connection.execute(delete(signups).where(signups.c.subscriber_id == subscriber_id)).rowcount
    owed = _refuse_mails(connection, subscriber_id)
    blank = dict.fromkeys(("address", "first_name", "lang", "pending_address", "pending_hash"))
    erased_at = func.coalesce(subscribers.c.erased_at, now)
    connection.execute(
        update(subscribers).where(subscribers.c.id == subscriber_id).values(**blank, erased_at=erased_at)
    )
    return Forgotten(withdrawn, proven, asked, owed)


def _former(connection: Connection, subscriber_id: int) -> list[str]:
    table = proofs.c
    query = select(table.detail).where(table.subscriber_id == subscriber_id, table.kind == FORMER_ADDRESS)
    return [found for found in connection.scalars(query.order_by(table.id)) if found]


def hashes_of(connection: Connection, keys: KeyRing, subscriber_id: int) -> set[str]:
    """Of her address, and of former ones unless they are another reader's by now."""
    own = connection.scalar(select(subscribers.c.address_hash).where(subscribers.c.id == subscriber_id))
    former = set()
    for written in _former(connection, subscriber_id):
        try:
            former.add(address_hash(normalise(written).normal, keys.hash))
        except InputError:  # kept as it came; what is no address cannot be mailed either
            continue
    taken = select(subscribers.c.address_hash).where(
        subscribers.c.address_hash.in_(former), subscribers.c.id != subscriber_id, subscribers.c.address.is_not(None)
    )
    return {str(own), *(former - set(connection.scalars(taken)))}


def _withdraw(connection: Connection, subscriber_id: int, *, actor: str, now: datetime) -> int:
    """End every consent that stands, lapsed or not, each by an entry of its own."""
    query = select(consent.c.newsletter, consent.c.purpose).where(consent.c.subscriber_id == subscriber_id).distinct()
    withdrawn = 0
    for newsletter, named in connection.execute(query.order_by(consent.c.newsletter, consent.c.purpose)).all():
        purpose = Purpose(named)
        history = ledger.histories(connection, newsletter, [subscriber_id], purpose).get(subscriber_id, [])
        current = deciding(history)
        if current and current.event in (*OWN_YES, Event.IMPORTED):
            entry = Entry(Event.WITHDRAWN, now, source=SOURCE, actor=actor, jurisdiction=current.jurisdiction)
            ledger.record(connection, newsletter, [(subscriber_id, entry)], now=now, purpose=purpose)
            withdrawn += 1
    return withdrawn


def _refuse_mails(connection: Connection, subscriber_id: int) -> int:
    """What she is still owed does not go out; what was given to an outbox before a crash stays in doubt."""
    table = service_mails.c
    given = table.handed_over_at.is_not(None)
    owed = update(service_mails).where(table.subscriber_id == subscriber_id, table.state == "queued")
    return connection.execute(owed.values(state=case((given, "uncertain"), else_="refused"), reason=REASON)).rowcount
