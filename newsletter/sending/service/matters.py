"""May this mail go out now, to which address, and what is it about? Asked in the transaction that claims it.

Service mail is something the reader, or the law, asked for, so consent to the newsletter is not its condition. A
complaint, a hard bounce and an erasure are; mail that takes a subscription for granted goes only to people who are
still subscribed; and what has lapsed or was overtaken is not sent late.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, exists, or_, select

from newsletter.audience.address_change import change_asked, is_about
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Event, Reason, Suppressed
from newsletter.audience.mail_owed import MailKind
from newsletter.audience.select import verdicts
from newsletter.audience.suppression import suppressions_of
from newsletter.audience.tidy import PENDING_ADDRESS_KEPT
from newsletter.errors import InputError
from newsletter.sending.service.queue import Request
from newsletter.settings import Settings
from newsletter.store.keys import KeyRing
from newsletter.store.tables import consent, proofs, signups, subscribers, subscriptions

PRIVATE_LINK_WORKS = timedelta(hours=24)
AGREEING_WORKS = timedelta(days=90)

# Subscribed, though no issue goes out to them at present.
_STILL_SUBSCRIBED = (None, Reason.PAUSED, Reason.RECONSENT_OWED)
_FOR_SUBSCRIBERS = frozenset({MailKind.WELCOME, MailKind.POLICY_NOTICE, MailKind.POLICY_RECONSENT})
_ABOUT_A_POLICY = frozenset({MailKind.POLICY_NOTICE, MailKind.POLICY_RECONSENT})


class Refusal(StrEnum):
    """Why a service mail is not sent."""

    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard-bounce"
    ERASED = "erased"
    NO_ADDRESS = "no-address"
    EXPIRED = "expired"  # the time in which it meant something is over
    SUPERSEDED = "superseded"  # what it was asked for has changed since, or is done
    NOT_SUBSCRIBED = "not-subscribed"


@dataclass(frozen=True)
class Matter:
    """What a mail is about, in the moment of sending."""

    request: Request
    address: str  # where it goes
    own_address: str  # the reader's present one
    newsletters: tuple[str, ...]  # a sign-up may name several
    until: datetime  # how long its link works
    already: bool = False  # asked to subscribe to what she gets already
    asked_at: datetime | None = None
    known_otherwise: bool = False  # on record for more than this request


def look_up(
    connection: Connection, request: Request, settings: Settings, ring: KeyRing, now: datetime
) -> Matter | Refusal:
    """What the mail is about, or why it is not sent."""
    if request.newsletter not in settings.newsletters:
        return Refusal.SUPERSEDED
    known = _Reader.read(connection, request.subscriber_id)
    if known is None:
        return Refusal.NO_ADDRESS
    match request.kind:
        case MailKind.CONFIRM:
            return _sign_up(connection, request, known, settings, now)
        case MailKind.ADDRESS_CONFIRM:
            return _new_address(connection, request, known, now)
        case MailKind.ADDRESS_TOLD:
            return _former_address(connection, request, known, ring, now)
    return _own_address(connection, request, known, settings, now)


@dataclass(frozen=True)
class _Reader:
    address: str | None
    hash: str
    erased: bool

    @classmethod
    def read(cls, connection: Connection, subscriber_id: int) -> _Reader | None:
        table = subscribers.c
        query = select(table.address, table.address_hash, table.erased_at).where(table.id == subscriber_id)
        row = connection.execute(query).one_or_none()
        return _Reader(row.address, row.address_hash, row.erased_at is not None) if row is not None else None


def _sign_up(
    connection: Connection, request: Request, reader: _Reader, settings: Settings, now: datetime
) -> Matter | Refusal:
    """A request to subscribe. An erased reader who has asked again is asked too: it is her word that lifts it."""
    row = connection.execute(select(signups).where(signups.c.id == request.reference)).one_or_none()
    if row is None:  # nobody confirmed it in time, and it was purged
        return Refusal.EXPIRED
    if reader.address is None:
        return Refusal.ERASED if reader.erased else Refusal.NO_ADDRESS
    refusal = _grave(connection, reader.hash, request.newsletter, but={Suppressed.ERASURE})
    until = row.requested_at + timedelta(days=settings.signup.purge_after_days)
    if refusal or until <= now:
        return refusal or Refusal.EXPIRED
    names = tuple(name for name in json.loads(row.newsletters) if name in settings.newsletters)
    if not names:
        return Refusal.SUPERSEDED
    already = all(_verdict(connection, request.subscriber_id, name, settings, now) is None for name in names)
    if row.confirmed_at is not None and not already:
        return Refusal.SUPERSEDED
    return Matter(
        request,
        reader.address,
        reader.address,
        names,
        until,
        already=already,
        asked_at=row.requested_at,
        known_otherwise=not reader.erased and _known_otherwise(connection, request.subscriber_id),
    )


def _new_address(connection: Connection, request: Request, reader: _Reader, now: datetime) -> Matter | Refusal:
    """The address a reader wants to have from now on."""
    if reader.erased or reader.address is None:
        return Refusal.ERASED if reader.erased else Refusal.NO_ADDRESS
    change = change_asked(connection, request.id)
    if change is None or change.done:
        return Refusal.SUPERSEDED
    refusal = _grave(connection, change.hash, request.newsletter)
    until = request.queued_at + PENDING_ADDRESS_KEPT
    if refusal or until <= now:
        return refusal or Refusal.EXPIRED
    return Matter(request, change.address, reader.address, (request.newsletter,), until)


def _former_address(
    connection: Connection, request: Request, reader: _Reader, ring: KeyRing, now: datetime
) -> Matter | Refusal:
    """The address a reader had until just now, kept among the proofs."""
    query = select(proofs.c.detail).where(proofs.c.id == request.reference)
    former = connection.scalar(query.where(proofs.c.subscriber_id == request.subscriber_id))
    if reader.erased or reader.address is None or not former:
        return Refusal.ERASED if reader.erased else Refusal.NO_ADDRESS
    try:
        normal = normalise(former)
    except InputError:
        return Refusal.NO_ADDRESS
    refusal = _grave(connection, address_hash(normal.normal, ring.hash), request.newsletter)
    return refusal or Matter(request, normal.ascii, reader.address, (request.newsletter,), now)


def _own_address(
    connection: Connection, request: Request, reader: _Reader, settings: Settings, now: datetime
) -> Matter | Refusal:
    if reader.erased or reader.address is None:
        return Refusal.ERASED if reader.erased else Refusal.NO_ADDRESS
    refusal = _grave(connection, reader.hash, request.newsletter)
    if refusal:
        return refusal
    newsletter = settings.newsletters[request.newsletter]
    if request.kind in _ABOUT_A_POLICY and request.detail not in {policy.version for policy in newsletter.policies}:
        return Refusal.SUPERSEDED
    if request.kind is MailKind.PRIVATE_LINK and not is_about(request.detail, reader.hash):
        return Refusal.SUPERSEDED  # asked for from another address: its link would open nothing
    verdict = _verdict(connection, request.subscriber_id, request.newsletter, settings, now)
    if request.kind in _FOR_SUBSCRIBERS and verdict not in _STILL_SUBSCRIBED:
        return Refusal.NOT_SUBSCRIBED
    until = request.queued_at + (PRIVATE_LINK_WORKS if request.kind is MailKind.PRIVATE_LINK else AGREEING_WORKS)
    if request.kind in {MailKind.PRIVATE_LINK, MailKind.POLICY_RECONSENT} and until <= now:
        return Refusal.EXPIRED
    return Matter(request, reader.address, reader.address, (request.newsletter,), until)


def _grave(connection: Connection, hashed: str, newsletter: str, *, but: Collection[Suppressed] = ()) -> Refusal | None:
    """The one of the three suppressions that stop service mail too."""
    found = {entry.reason for entry in suppressions_of(connection, [hashed], newsletter).get(hashed, [])} - set(but)
    grave = {
        Suppressed.COMPLAINT: Refusal.COMPLAINT,
        Suppressed.HARD_BOUNCE: Refusal.HARD_BOUNCE,
        Suppressed.ERASURE: Refusal.ERASED,
    }
    return next((refusal for suppressed, refusal in grave.items() if suppressed in found), None)


def _known_otherwise(connection: Connection, reader: int) -> bool:
    """Whether the address stays on record when the request is purged: see `tidy`."""
    answered = exists().where(consent.c.subscriber_id == reader, consent.c.event != Event.REQUESTED.value)
    listed = exists().where(subscriptions.c.subscriber_id == reader)
    return bool(connection.scalar(select(or_(answered, listed))))


def _verdict(connection: Connection, reader: int, newsletter: str, settings: Settings, now: datetime) -> str | None:
    """None: may be mailed; otherwise why not."""
    query = verdicts(newsletter, settings.newsletters[newsletter], now, subscriber_ids=[reader])
    row = connection.execute(query).one_or_none()
    return Refusal.NOT_SUBSCRIBED if row is None else row.reason
