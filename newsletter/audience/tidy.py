"""What is kept for a while only, taken away when its time is over. Run hourly; anything left is found the next time.

Unconfirmed requests go after `signup.purge_after_days`, with their proofs; an address that has nothing else goes with
them, though her `requested` entry stays (it names an id). Proofs go after their retention time, counters of form uses
after two days, a new address nobody confirmed after seven. Consents that lapsed are written down. What an import or its
undoing left half done when it was broken off is settled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, exists, func, or_, select, update

from newsletter.audience.consent import Event
from newsletter.audience.expiry import record_expired
from newsletter.audience.ledger import not_undone
from newsletter.audience.mail_owed import MailKind
from newsletter.audience.proofs import delete_over_age
from newsletter.audience.undo import settle_if_nobody_imports
from newsletter.settings import Settings
from newsletter.store.engine import Store
from newsletter.store.tables import consent, form_uses, proofs, service_mails, signups, subscribers, subscriptions

FORM_USES_KEPT = timedelta(days=2)
PENDING_ADDRESS_KEPT = timedelta(days=7)
_CHUNK = 1_000


@dataclass(frozen=True)
class Tidied:
    """How much was taken away, and how many lapsed consents were written down."""

    signups: int
    addresses: int
    proofs: int
    form_uses: int
    pending_addresses: int
    expired: int


def tidy(store: Store, settings: Settings, now: datetime) -> Tidied:
    """Take away what is over. Once more at the same moment finds nothing."""
    settle_if_nobody_imports(store, now=now)
    with store.write() as connection:
        readers = _purge_signups(connection, now - timedelta(days=settings.signup.purge_after_days))
        addresses = _blank_strangers(connection, readers)
        over_age = delete_over_age(connection, now)
        uses = connection.execute(delete(form_uses).where(form_uses.c.window_start < now - FORM_USES_KEPT)).rowcount
        pending = _forget_pending(connection, now - PENDING_ADDRESS_KEPT)
    return Tidied(len(readers), addresses, over_age, uses, pending, record_expired(store, settings.newsletters, now))


def _purge_signups(connection: Connection, before: datetime) -> list[int]:
    """Delete requests nobody confirmed in time, and the proofs of their entries. Gives whose they were, one each."""
    over = and_(signups.c.confirmed_at.is_(None), signups.c.requested_at <= before)
    readers = list(connection.scalars(select(signups.c.subscriber_id).where(over)))
    asked = select(consent.c.id).join(signups, signups.c.subscriber_id == consent.c.subscriber_id)
    asked = asked.where(over, consent.c.event == Event.REQUESTED.value, consent.c.occurred_at == signups.c.requested_at)
    connection.execute(delete(proofs).where(proofs.c.consent_id.in_(asked)))
    connection.execute(delete(signups).where(over))
    return readers


def _blank_strangers(connection: Connection, readers: list[int]) -> int:
    """Forget the address of those of whom there was nothing but the request. They may come again like anybody.

    An erased reader who asked anew and did not confirm has nothing else either: her row is blank again.
    """
    reader = subscribers.c.id
    asked_again = exists().where(signups.c.subscriber_id == reader)
    known = or_(
        exists().where(subscriptions.c.subscriber_id == reader),
        exists().where(consent.c.subscriber_id == reader, consent.c.event != Event.REQUESTED.value, not_undone()),
    )
    blank = dict.fromkeys(("address", "first_name", "lang", "pending_address", "pending_hash"))
    strangers = update(subscribers).where(
        subscribers.c.address.is_not(None), ~asked_again, or_(subscribers.c.erased_at.is_not(None), ~known)
    )
    chunks = [readers[start : start + _CHUNK] for start in range(0, len(readers), _CHUNK)]
    return sum(connection.execute(strangers.where(reader.in_(chunk)).values(blank)).rowcount for chunk in chunks)


def _forget_pending(connection: Connection, before: datetime) -> int:
    """New addresses that were not confirmed in time; the mail that asked for it says since when they wait."""
    mail = service_mails.c
    asked = select(func.max(mail.queued_at)).where(
        mail.subscriber_id == subscribers.c.id, mail.kind == MailKind.ADDRESS_CONFIRM.value
    )
    waiting = subscribers.c.pending_address.is_not(None)
    since = asked.correlate(subscribers).scalar_subquery()
    over = update(subscribers).where(waiting, or_(since.is_(None), since <= before))
    return connection.execute(over.values(pending_address=None, pending_hash=None)).rowcount
