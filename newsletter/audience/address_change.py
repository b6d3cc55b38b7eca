"""Another address for the same reader: asked for on her private page, confirmed from the new mailbox, told to the old.

Until it is confirmed nothing changes, and the answer to asking is the same whatever we know of the new address.
Confirming is one transaction:

- The row keeps its id, so her ledger, subscriptions, votes and links stay hers.
- What was on the suppression list for the person (complaint, unsubscribe, by hand) holds for the new address too; a
  hard bounce belonged to the old mailbox. The old address goes on the list as `moved`, so no import revives it.
- A row that stands in the way because it holds the new address's hash gives it up, if nobody is behind it: it was
  erased, blanked by the undoing of an import, or a request that was never confirmed. The hash is replaced by a random
  one that no address can have; the row keeps its id, for the ledger's sake, and nothing that names anybody. An address
  with a reader of its own behind it is refused: two ledgers cannot become one.
- The former address is kept among the proofs, for the mail that tells it and to answer who says it was not her.

A link confirms one address only: its mail's row holds the end of that address's hash.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select, update

from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import EVERYWHERE, Event, Suppressed
from newsletter.audience.ledger import Subscriber, find_subscribers
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.preferences import reader_of
from newsletter.audience.proofs import FORMER_ADDRESS, keep_detail
from newsletter.audience.suppression import lift, suppress, suppress_many, suppressions_of
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import consent, proofs, service_mails, signups, subscribers

MAILS_A_DAY = 3
TAIL = 16  # how much of the hash a mail's row holds
_SOURCE = "change of address"
# What bars an address from being taken, and what follows a reader from her old one.
_BARRED = frozenset({Suppressed.COMPLAINT, Suppressed.HARD_BOUNCE, Suppressed.MANUAL})
_FOLLOWS = frozenset({Suppressed.COMPLAINT, Suppressed.UNSUBSCRIBE, Suppressed.MANUAL})


class Asked(StrEnum):
    """What became of asking. It tells nothing of the new address, only of the one on record and of today's mails."""

    ASKED = "asked"
    SAME = "same"  # it is her address already
    TOO_OFTEN = "too-often"
    NOBODY = "nobody"


class Confirmed(StrEnum):
    """What became of confirming."""

    CHANGED = "changed"
    ALREADY = "already"
    TAKEN = "taken"  # another reader has it
    BARRED = "barred"  # mail must not go there
    OVERTAKEN = "overtaken"  # another address was asked for since, or nobody is left to ask


@dataclass(frozen=True)
class Change:
    """A change a mail asked to confirm, as it stands now. `done`: it was made, and stands."""

    reader: Subscriber
    newsletter: str
    address: str
    hash: str
    done: bool


def ask_for_address(
    store: Store, keys: KeyRing, subscriber_id: int, written: str, *, newsletter: str, now: datetime
) -> Asked:
    """Remember the new address and owe it a mail. Raises InputError when it is none."""
    found = normalise(written)
    hashed = address_hash(found.normal, keys.hash)
    with store.write() as connection:
        reader = reader_of(connection, subscriber_id)
        if reader is None or reader.gone:
            return Asked.NOBODY
        if reader.address_hash == hashed:
            return Asked.SAME
        pending = {"pending_address": found.ascii, "pending_hash": hashed}
        hers = _mails_today(connection, now, service_mails.c.subscriber_id == subscriber_id)
        waiting = ("queued", hashed[-TAIL:]) in hers
        if len(hers) >= MAILS_A_DAY and not waiting:
            return Asked.TOO_OFTEN
        connection.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(pending))
        # Many readers naming one address must not flood it, and the answer must not tell.
        there = _mails_today(connection, now, service_mails.c.detail == hashed[-TAIL:])
        if not waiting and len(there) < MAILS_A_DAY:
            request = f"address-confirm:{subscriber_id}:{now:%Y-%m-%d}:{len(hers) + 1}"
            kind, detail = MailKind.ADDRESS_CONFIRM, hashed[-TAIL:]
            owe(connection, kind, subscriber_id, newsletter, request=request, now=now, detail=detail)
        return Asked.ASKED


def change_asked(connection: Connection, mail_id: int) -> Change | None:
    """The change this mail asked to confirm; None when another was asked for since, or nobody is left to ask."""
    mails, people = service_mails.c, subscribers.c
    query = (
        select(mails.subscriber_id, mails.newsletter, mails.detail, people.pending_address, people.pending_hash)
        .join(subscribers, people.id == mails.subscriber_id)
        .where(mails.id == mail_id, mails.kind == MailKind.ADDRESS_CONFIRM.value)
    )
    row = connection.execute(query).one_or_none()
    reader = reader_of(connection, row.subscriber_id) if row is not None else None
    if row is None or reader is None or reader.address is None or reader.erased:
        return None
    if row.pending_address and is_about(row.detail, row.pending_hash):
        return Change(reader, row.newsletter, row.pending_address, row.pending_hash, done=False)
    if is_about(row.detail, reader.address_hash):
        return Change(reader, row.newsletter, reader.address, reader.address_hash, done=True)
    return None


def confirm_address(store: Store, mail_id: int, *, now: datetime, days: int) -> tuple[Confirmed, Change | None]:
    """Make the change. `days` is how long the former address is kept."""
    with store.write() as connection:
        change = change_asked(connection, mail_id)
        if change is None:
            return Confirmed.OVERTAKEN, None
        if change.done:
            return Confirmed.ALREADY, change
        if _is_barred(connection, change.hash):
            return Confirmed.BARRED, change
        holder = find_subscribers(connection, [change.hash]).get(change.hash)
        if holder is not None and not _nobody_is_behind(connection, holder.id):
            return Confirmed.TAKEN, change
        if holder is not None:
            _give_up_hash(connection, holder.id)
        _move(connection, change, now=now, days=days)
        return Confirmed.CHANGED, change


def _mails_today(connection: Connection, now: datetime, about: ColumnElement[bool]) -> list[tuple[str, str]]:
    """State and detail of the mails that ask to confirm an address, of this day."""
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    query = select(service_mails.c.state, service_mails.c.detail).where(about, service_mails.c.queued_at >= start)
    rows = connection.execute(query.where(service_mails.c.kind == MailKind.ADDRESS_CONFIRM.value))
    return [(row.state, row.detail) for row in rows]


def is_about(detail: str | None, hashed: str | None) -> bool:
    """Whether a mail's row, by its detail, was owed about the address with this hash."""
    return bool(detail and hashed) and hmac.compare_digest(str(detail), str(hashed)[-TAIL:])


def _is_barred(connection: Connection, hashed: str) -> bool:
    found = suppressions_of(connection, [hashed]).get(hashed, [])
    return any(suppression.reason in _BARRED for suppression in found)


def _nobody_is_behind(connection: Connection, holder: int) -> bool:
    """Whether a row is erased, blank, or no more than a request that was never confirmed."""
    known = exists().where(consent.c.subscriber_id == subscribers.c.id, consent.c.event != Event.REQUESTED.value)
    blank = or_(subscribers.c.address.is_(None), subscribers.c.erased_at.is_not(None))
    query = select(func.count()).where(subscribers.c.id == holder, or_(blank, ~known))
    return bool(connection.scalar(query))


def _give_up_hash(connection: Connection, holder: int) -> None:
    """Free the hash of a row nobody is behind, and forget what its request told us."""
    # No key is called "-", so no address ever has this hash.
    freed = {"address_hash": f"-:{secrets.token_hex(32)}", "address": None, "first_name": None, "lang": None}
    freed |= {"pending_address": None, "pending_hash": None}
    connection.execute(update(subscribers).where(subscribers.c.id == holder).values(freed))
    connection.execute(delete(signups).where(signups.c.subscriber_id == holder))
    connection.execute(delete(proofs).where(proofs.c.subscriber_id == holder))


def _move(connection: Connection, change: Change, *, now: datetime, days: int) -> None:
    reader, hashed = change.reader, change.hash
    _take_suppressions_along(connection, reader.address_hash, hashed, now=now)
    values = {"address": change.address, "address_hash": hashed, "pending_address": None, "pending_hash": None}
    connection.execute(update(subscribers).where(subscribers.c.id == reader.id).values(values))
    suppress(connection, reader.address_hash, reason=Suppressed.MOVED, source=_SOURCE, at=now)
    former = str(reader.address)
    proof = keep_detail(connection, reader.id, FORMER_ADDRESS, former, now=now, days=days)
    request = f"address-told:{proof}"
    kind = MailKind.ADDRESS_TOLD
    owe(connection, kind, reader.id, change.newsletter, request=request, now=now, reference=proof)


def _take_suppressions_along(connection: Connection, old: str, new: str, *, now: datetime) -> None:
    found = suppressions_of(connection, [old, new])
    scopes = {EVERYWHERE, *(suppression.scope for suppression in found.get(new, []))}
    # She has shown that the mailbox is hers: whoever was erased or moved away from there stands in nobody's way.
    reasons = (Suppressed.MOVED, Suppressed.ERASURE)
    lift(connection, new, reasons=reasons, scopes=scopes, actor="reader", why=_SOURCE, now=now)
    follows = [each for each in found.get(old, []) if each.reason in _FOLLOWS]
    suppress_many(connection, [(new, replace(each, source=f"{each.source}; {_SOURCE}")) for each in follows])
