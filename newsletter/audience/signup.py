"""Signing up: a request from a form, which counts for nothing, until the owner of the mailbox confirms it.

A request does the same whatever is known about its address: the same statements in the same order, the same answer.
Only the mail tells more, and that goes to the mailbox. It is the confirmation that makes a consent, and that lifts an
unsubscribe or an erasure; a complaint and a hard bounce it leaves standing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, update

from newsletter.audience import ledger
from newsletter.audience.addresses import Address, address_hash, normalise
from newsletter.audience.consent import MAILABLE, SUPPRESSION_REASONS, Basis, Entry, Event, Reason, Suppressed, may_mail
from newsletter.audience.limits import Over, use_form
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.opt_in import LIFTED, opt_in
from newsletter.audience.policies import policy_in_force
from newsletter.audience.proofs import Visit, keep_visit
from newsletter.audience.suppression import suppressions_of
from newsletter.audience.wordings import remember_wording
from newsletter.config import Workspace
from newsletter.errors import InputError, Place, Problem
from newsletter.settings import NewsletterSettings, Settings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import consent, service_mails, signups, subscribers
from newsletter.store.upsert import insert_new

# The fields a Problem of `request` may be about, as its place.
EMAIL, NEWSLETTERS, CONSENT, LANG = "email", "newsletters", "consent_version", "lang"
MOST_MAILS = 2  # for requests that wait for their confirmation: the first, and one more
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)
# Subscribed, though no issue may go out to her at present.
_SUBSCRIBED = (MAILABLE, Reason.PAUSED, Reason.RECONSENT_OWED)
# What no confirmation lifts.
_LASTING = tuple(SUPPRESSION_REASONS[reason] for reason in Suppressed if reason not in LIFTED)


@dataclass(frozen=True)
class Requested:
    """A request as taken: the address in the spelling given, and the limit that stopped it, if any did."""

    address: str
    over: Over | None = None


def request(
    store: Store,
    workspace: Workspace,
    keys: KeyRing,
    *,
    address: str,
    newsletters: Mapping[str, str],
    lang: str | None,
    source: str,
    visit: Visit,
    now: datetime,
) -> Requested:
    """Take a request to subscribe, and owe the mail that asks for its confirmation.

    `newsletters` are those chosen, each with the version of the text that was shown beside it; it must be the present
    one. Raises InputError, each problem's place naming the field, and then nothing is stored.
    """
    settings = workspace.settings
    found = _checked(settings, address, newsletters, lang)
    chosen = list(newsletters)
    with store.write() as connection:
        over = use_form(
            connection, keys.hash, settings.signup, address=found, network_address=visit.network_address, now=now
        )
        if over is None:
            lang = lang or settings.newsletters[chosen[0]].lang
            reader = _row_of(connection, address_hash(found.normal, keys.hash), found, lang, now=now)
            waiting = _mailed_and_waiting(connection, reader, now - timedelta(days=settings.signup.purge_after_days))
            row = {"subscriber_id": reader, "newsletters": json.dumps(chosen), "lang": lang, "source": source}
            made = insert(signups).values(**row, requested_at=now).returning(signups.c.id)
            number = int(connection.execute(made).scalar_one())
            entries = [
                _record_request(connection, reader, name, settings.newsletters[name], source=source, now=now)
                for name in chosen
            ]
            keep_visit(connection, reader, entries, visit, now=now, days=settings.retention.proof_days)
            # Enough mails have gone out: the same statement again, about a mail that is owed already.
            about = waiting[-1] if len(waiting) >= MOST_MAILS else number
            owe(connection, MailKind.CONFIRM, reader, chosen[0], request=f"confirm:{about}", reference=about, now=now)
    return Requested(found.spelling, over)


def _checked(settings: Settings, address: str, newsletters: Mapping[str, str], lang: str | None) -> Address:
    problems, found = [], None
    try:
        found = normalise(address)
    except InputError as error:
        problems.append(Problem(Place(EMAIL), error.problems[0].message))
    if not newsletters:
        problems.append(Problem(Place(NEWSLETTERS), "Choose a newsletter."))
    elif any(name not in settings.newsletters for name in newsletters):
        problems.append(Problem(Place(NEWSLETTERS), "One of the chosen newsletters does not exist. Choose again."))
    elif any(version != settings.newsletters[name].consent_version for name, version in newsletters.items()):
        problems.append(Problem(Place(CONSENT), "What you agree to has changed. Read it again and agree anew."))
    if lang is not None and not _LANGUAGE.fullmatch(lang):
        problems.append(Problem(Place(LANG), "It is not a language tag such as `en` or `pt-BR`."))
    if problems or found is None:
        raise InputError(problems)
    return found


def _row_of(connection: Connection, hashed: str, found: Address, lang: str, *, now: datetime) -> int:
    """The id of the reader's row; one that was purged or erased has an address again, a known one keeps its own.

    All three statements run for everybody.
    """
    this = subscribers.c.address_hash == hashed
    row = {"address": found.spelling, "lang": lang}
    insert_new(connection, subscribers, [{**row, "address_hash": hashed, "created_at": now}])
    blank = update(subscribers).where(this, subscribers.c.address.is_(None))
    connection.execute(blank.values(**row, batch_id=None))
    return int(connection.execute(select(subscribers.c.id).where(this)).scalar_one())


def _mailed_and_waiting(connection: Connection, reader: int, since: datetime) -> list[int]:
    """The reader's requests since a moment that a mail was owed for and nobody has confirmed."""
    about = and_(service_mails.c.reference == signups.c.id, service_mails.c.kind == MailKind.CONFIRM.value)
    query = select(signups.c.id).join(service_mails, about).order_by(signups.c.id)
    query = query.where(signups.c.subscriber_id == reader, signups.c.confirmed_at.is_(None))
    return list(connection.scalars(query.where(signups.c.requested_at > since)))


def _record_request(
    connection: Connection, reader: int, newsletter: str, settings: NewsletterSettings, *, source: str, now: datetime
) -> int:
    entry = Entry(
        Event.REQUESTED,
        now,
        source=source,
        actor="reader",
        jurisdiction=settings.jurisdiction,
        basis=Basis.EXPRESS,
        wording=remember_wording(connection, newsletter, settings, now=now),
        policy_version=policy_in_force(settings, now),
    )
    return ledger.record_one(connection, newsletter, reader, entry, now=now)


# -- the confirmation -------------------------------------------------------------------------------------------------


class State(StrEnum):
    """What has become of a request."""

    WAITING = "waiting"
    DONE = "done"  # confirmed, and the reader is still subscribed
    GONE = "gone"  # expired, purged, erased, or overtaken by what happened since


@dataclass(frozen=True)
class SignUp:
    """A request as it stands: its newsletters, and those whose mail the address cannot get for all her consent."""

    state: State
    newsletters: tuple[str, ...] = ()
    kept_out: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict, compare=False)  # of the texts shown when she asked


def look_up(store: Store, workspace: Workspace, number: int, *, now: datetime) -> SignUp:
    """The request that a confirmation link names."""
    with store.read() as connection:
        row = _row(connection, number)
        found = _stands(connection, workspace.settings, row, now)
        return found if row is None else replace(found, versions=_versions(connection, row))


def confirm(store: Store, workspace: Workspace, number: int, *, visit: Visit, now: datetime) -> SignUp:
    """Confirm the request that a link names: the reader holds the mailbox. Confirming again writes nothing."""
    settings = workspace.settings
    with store.write() as connection:
        row = _row(connection, number)
        found = _stands(connection, settings, row, now)
        if row is None or found.state is not State.WAITING:
            return found
        before = _standings(connection, row, settings, found.newsletters, now)
        entries = {
            name: opt_in(
                connection,
                row.subscriber_id,
                name,
                settings.newsletters[name],
                event=Event.CONFIRMED,
                source=row.source,
                now=now,
                visit=visit,
                days=settings.retention.proof_days,
            )
            for name in found.newsletters
        }
        connection.execute(update(signups).where(signups.c.id == number).values(confirmed_at=now))
        done = _stands(connection, settings, _row(connection, number), now)
        for name in done.newsletters:
            if before[name] not in _SUBSCRIBED and name not in done.kept_out:
                entry = entries[name]
                key = f"welcome:{name}:{entry}"
                owe(connection, MailKind.WELCOME, row.subscriber_id, name, request=key, reference=entry, now=now)
        return done


def _versions(connection: Connection, row: Row[Any]) -> dict[str, str]:
    table = consent.c
    query = select(table.newsletter, table.wording_version).where(
        table.subscriber_id == row.subscriber_id,
        table.event == Event.REQUESTED.value,
        table.recorded_at == row.requested_at,
    )
    return {name: str(version) for name, version in connection.execute(query)}


def _row(connection: Connection, number: int) -> Row[Any] | None:
    """A sign-up with its reader."""
    reader = subscribers.c
    query = select(signups, reader.address_hash, reader.address, reader.erased_at)
    query = query.join(subscribers, reader.id == signups.c.subscriber_id).where(signups.c.id == number)
    return connection.execute(query).one_or_none()


def _stands(connection: Connection, settings: Settings, row: Row[Any] | None, now: datetime) -> SignUp:
    if row is None or row.address is None or (row.erased_at is not None and row.requested_at < row.erased_at):
        return SignUp(State.GONE)
    names = tuple(name for name in json.loads(row.newsletters) if name in settings.newsletters)
    if row.confirmed_at is None:
        lapsed = row.requested_at + timedelta(days=settings.signup.purge_after_days) <= now
        return SignUp(State.GONE) if lapsed or not names else SignUp(State.WAITING, names)
    standings = _standings(connection, row, settings, names, now)
    kept_out = tuple(name for name in names if standings[name] in _LASTING)
    still = tuple(name for name in names if standings[name] in _SUBSCRIBED or name in kept_out)
    return SignUp(State.DONE, still, kept_out) if still else SignUp(State.GONE)


def _standings(
    connection: Connection, row: Row[Any], settings: Settings, names: Sequence[str], now: datetime
) -> dict[str, str]:
    """Whether she is subscribed to each newsletter, and if not, why: a Reason, or `mailable`."""
    reader, hashed, found = row.subscriber_id, row.address_hash, {}
    for name in names:
        found[name] = may_mail(
            ledger.histories(connection, name, [reader]).get(reader, []),
            suppressions=suppressions_of(connection, [hashed], name).get(hashed, []),
            erased=row.erased_at is not None,
            settings=settings.newsletters[name],
            at=now,
        ).reason
    return found
