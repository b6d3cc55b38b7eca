"""An issue to colleagues: tests before it goes out, and the seeds of a send, who get it to look at.

Neither is a reader: no account counts them, no consent is asked, and their links do nothing to anybody. An address that
complained, bounced for good or asked to be forgotten is refused all the same. Each mail is one row, by the keyed hash
of its address, committed before the hand-over; so a crash leaves it in flight and nobody is mailed twice.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from newsletter.audience.addresses import Address, address_hash, normalise, unfit_name
from newsletter.audience.consent import Suppressed
from newsletter.audience.suppression import suppressions_of
from newsletter.config import Workspace
from newsletter.documents import did_you_mean
from newsletter.errors import InputError, NewsletterError, NotFound, Place, Problem
from newsletter.rendering.build import DEFAULT_VARIANT, Build
from newsletter.sending import pace
from newsletter.sending.messages import KEY_LENGTH, mail_of, public_url_of
from newsletter.sending.sends import State, get
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import pace as pace_rows
from newsletter.store.tables import test_mails
from newsletter.store.upsert import insert_into, insert_new
from newsletter.transports.mail import Answer, Mail, Quota, Recipient, Transport, Verdict

if TYPE_CHECKING:
    from newsletter.sending.course import Course

MOST = 20
MARK = "[Test] "
HARMLESS = "test-mail"  # the readers' page to which every personal link of such a mail leads
SEED, TEST = "seed", "test"
_TRIES = 3
_SEEDER = "the seed list"
_GRAVE = {
    Suppressed.COMPLAINT: "whoever reads there has complained about our mail",
    Suppressed.HARD_BOUNCE: "mail to it has bounced for good",
    Suppressed.ERASURE: "it was asked to be forgotten",
}


@dataclass(frozen=True)
class Outcome:
    """What became of the mail to one address."""

    address: str
    state: str  # accepted | refused | uncertain
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """What to try: a frozen build as one of its readers would get it."""

    build: Build
    variant: str = DEFAULT_VARIANT
    reader_name: str = ""
    person: str = "unknown"


def send_tests(
    store: Store,
    workspace: Workspace,
    ring: KeyRing,
    transport: Transport,
    trial: Trial,
    *,
    addresses: Sequence[str],
    now: datetime,
    wait: Callable[[float], None] = time.sleep,
) -> list[Outcome]:
    """Mail a frozen build to these addresses at once, its subject marked. Raises InputError, NotFound and Refused."""
    found = _checked(addresses)
    build = trial.build
    if trial.variant not in build.variants:
        raise NotFound(
            f"Issue {build.issue} has no variant `{trial.variant}`. {did_you_mean(trial.variant, build.variants)}"
        )
    name, settings = workspace.newsletter(build.newsletter)
    mail = mail_of(build, settings, trial.variant)
    key = hashlib.sha256(f"{mail.key} test".encode()).hexdigest()[:KEY_LENGTH]
    url = public_url_of(build, workspace.settings.public_url)
    marked = replace(mail, key=key, subject=MARK + mail.subject)
    hand = _Hand(store, ring, transport, name, transport.quota(), wait)
    row: dict[str, object] = {
        "kind": TEST,
        "build": build.hash,
        "variant": trial.variant,
        "person": trial.person,
        "at": now,
    }
    return [
        hand.over(marked, address, _fields(url, trial.reader_name), {**row, "request": f"test:{secrets.token_hex(16)}"})
        for address in found
    ]


def mail_seeds(
    store: Store,
    ring: KeyRing,
    course: Course,
    send_id: str,
    *,
    now: datetime,
    wait: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Give each seed of the newsletter the issue once, however often the send is gone on with.

    What goes wrong is told, a sentence each, and stops nothing.
    """
    if not course.settings.seeds:
        return ()
    try:
        return _mail_seeds(store, ring, course, send_id, now=now, wait=wait)
    except NewsletterError as error:
        return (f"The seeds could not be mailed: {error}",)


def _mail_seeds(
    store: Store, ring: KeyRing, course: Course, send_id: str, *, now: datetime, wait: Callable[[float], None]
) -> tuple[str, ...]:
    seeds: dict[str, Address] = {}
    problems: list[str] = []
    for written in course.settings.seeds:
        try:
            seed = normalise(written)
        except InputError as error:
            problems.append(f"Seed {written} was not mailed: {error}")
            continue
        seeds.setdefault(f"seed:{send_id}:{address_hash(seed.normal, ring.hash)}", seed)
    with store.read() as connection:
        if get(connection, send_id).state is not State.SENDING:
            return ()
        known = set(connection.scalars(select(test_mails.c.request).where(test_mails.c.send_id == send_id)))
    build = course.build
    fields = _fields(public_url_of(build, course.workspace.settings.public_url), "")
    hand = _Hand(store, ring, course.transport, course.newsletter, course.quota, wait)
    row: dict[str, object] = {"kind": SEED, "build": build.hash, "variant": DEFAULT_VARIANT, "send_id": send_id}
    row |= {"person": _SEEDER, "at": now}
    for request, seed in seeds.items():
        if request in known:
            continue
        done = hand.over(course.mails[DEFAULT_VARIANT], seed, fields, {**row, "request": request})
        if done.state != "accepted":
            problems.append(f"Seed {done.address} ({done.state}): {done.reason}")
    return tuple(problems)


def _checked(addresses: Sequence[str]) -> list[Address]:
    """Each address once. Raises InputError with everything wrong with them."""
    problems: list[Problem] = []
    found: dict[str, Address] = {}
    for written in addresses:
        try:
            address = normalise(written)
        except InputError as error:
            problems += error.problems
            continue
        found.setdefault(address.normal, address)
    if len(found) > MOST:
        problems.append(Problem(Place("--to"), f"{len(found)} addresses are too many for a test: at most {MOST}."))
    if not found and not problems:
        problems.append(Problem(Place("--to"), "nobody is named.", "Say to whom: --to you@example.org"))
    if problems:
        raise InputError(problems)
    return list(found.values())


def _fields(public_url: str, name: str) -> dict[str, str]:
    """A made-up reader's fields. What is signed is nobody's link: there is nothing in it that could do anything."""
    harmless = f"{public_url}/{HARMLESS}"
    links = dict.fromkeys(("unsubscribe_url", "preferences_url", "vote_url"), harmless)
    return {"first_name": "" if unfit_name(name) else name, **links}


@dataclass(frozen=True)
class _Hand:
    """Hands over one mail at a time, at the account's pace."""

    store: Store
    ring: KeyRing
    transport: Transport
    newsletter: str
    quota: Quota
    wait: Callable[[float], None]

    def over(self, mail: Mail, address: Address, fields: dict[str, str], row: dict[str, object]) -> Outcome:
        """One mail to one address, at most once. `row` says what it is."""
        hashed = address_hash(address.normal, self.ring.hash)
        with self.store.write() as connection:
            if why := _barred(connection, hashed, self.newsletter):
                return Outcome(address.spelling, "refused", why)
            number = _claim(connection, {**row, "address_hash": hashed})
        if number is None:
            return Outcome(address.spelling, "refused", "it was mailed already")
        tag = f"{row['kind']}-{number}-1"  # too short to be a send's: no event is taken for a reader's
        answer = self._call(mail, Recipient(address.ascii, fields, tag))
        states = {Verdict.ACCEPTED: "accepted", Verdict.UNKNOWN: "uncertain"}
        state = states.get(answer.verdict, "refused")
        reason = "" if state == "accepted" else answer.reason or "no reason given"
        written = reason.replace(address.ascii, "…").replace(address.spelling, "…") or None
        with self.store.write() as connection:
            values = {"state": state, "message_id": answer.message_id, "reason": written}
            connection.execute(update(test_mails).where(test_mails.c.id == number).values(values))
        return Outcome(address.spelling, state, reason)

    def _call(self, mail: Mail, recipient: Recipient) -> Answer:
        """Handed over, again only while it was surely not taken."""
        answer = Answer(Verdict.RETRY)
        for _ in range(_TRIES):
            self._take_turn()
            try:
                [answer] = self.transport.hand_over(mail, [recipient])
            except Exception as error:  # noqa: BLE001 - a transport that broke its promise: who knows what it did
                return Answer(Verdict.UNKNOWN, reason=f"the transport failed: {type(error).__name__}")
            if answer.verdict is not Verdict.RETRY or answer.quota_spent:
                break
        return answer

    def _take_turn(self) -> None:
        if self.quota.rate is None:
            return
        with self.store.write() as connection:
            row = {"scope": self.transport.scope, "next_slot": 0.0, "rate": self.quota.rate}
            insert_new(connection, pace_rows, [row])  # what a send under way has come down to stays
            seconds = pace.reserve(connection, self.transport.scope, 1).wait
        if seconds > 0:
            self.wait(seconds)


def _barred(connection: Connection, hashed: str, newsletter: str) -> str | None:
    """Why nothing at all may go to this address; None when it may."""
    found = {entry.reason for entry in suppressions_of(connection, [hashed], newsletter).get(hashed, [])}
    return next((f"{words} ({grave})" for grave, words in _GRAVE.items() if grave in found), None)


def _claim(connection: Connection, row: dict[str, object]) -> int | None:
    """The number of a new row in flight; None when there is one of this request already."""
    statement = insert_into(connection, test_mails).values({**row, "state": "in_flight"})
    number: int | None = connection.scalar(statement.on_conflict_do_nothing().returning(test_mails.c.id))
    return number
