"""A reader's own yes, shown to be hers: from the link in a confirmation mail, or from her own pages.

It is the one thing that lifts an unsubscribe, an erasure or a change of address. A complaint and a hard bounce stay:
those only a person of the newsroom lifts.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from newsletter.audience import ledger
from newsletter.audience.consent import EVERYWHERE, Basis, Entry, Event, Suppressed
from newsletter.audience.policies import policy_in_force
from newsletter.audience.proofs import Visit, keep_visit
from newsletter.audience.suppression import lift
from newsletter.audience.wordings import remember_wording
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import subscribers, subscriptions

LIFTED = (Suppressed.UNSUBSCRIBE, Suppressed.ERASURE, Suppressed.MOVED)


def opt_in(
    connection: Connection,
    subscriber_id: int,
    newsletter: str,
    settings: NewsletterSettings,
    *,
    event: Event,
    source: str,
    visit: Visit,
    now: datetime,
    days: int,
) -> int:
    """Record an express consent (`confirmed` or `reaffirmed`) and make it good; the id of its ledger entry.

    `days` is how long the visit is kept as its proof.
    """
    entry = Entry(
        event,
        now,
        source=source,
        actor="reader",
        jurisdiction=settings.jurisdiction,
        basis=Basis.EXPRESS,
        wording=remember_wording(connection, newsletter, settings, now=now),
        policy_version=policy_in_force(settings, now),
    )
    number = ledger.record_one(connection, newsletter, subscriber_id, entry, now=now)
    keep_visit(connection, subscriber_id, [number], visit, now=now, days=days)
    ledger.list_for(connection, newsletter, [subscriber_id], now=now)
    reader = subscribers.c.id == subscriber_id
    connection.execute(update(subscribers).where(reader).values(erased_at=None))
    this = (subscriptions.c.newsletter == newsletter, subscriptions.c.subscriber_id == subscriber_id)
    connection.execute(update(subscriptions).where(*this).values(paused_until=None))
    address_hash = connection.scalar(select(subscribers.c.address_hash).where(reader))
    lift(
        connection,
        str(address_hash),
        reasons=LIFTED,
        scopes=(EVERYWHERE, newsletter),
        actor="reader",
        why=f"opted in again: {source}",
        now=now,
    )
    return number
