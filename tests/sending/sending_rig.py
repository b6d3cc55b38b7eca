"""What tests of sending stand on: readers with consent on record, a frozen build, and a transport that remembers."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select, update

from newsletter.app import App
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import freeze
from newsletter.sending import sends
from newsletter.sending.accounts import Account, account
from newsletter.sending.answers import Patience
from newsletter.sending.dispatch import Job, dispatch
from newsletter.sending.ledger import Scope
from newsletter.sending.messages import Fields, mails_of, public_url_of
from newsletter.sending.prepare import prepare
from newsletter.sending.sends import NewSend, Send, State
from newsletter.store.tables import consent, deliveries, subscribers, subscriptions
from newsletter.transports.mail import Answer, Mail, Quota, Recipient, Verdict

MORNING = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
ISSUE = "2024-10-10"
IMPATIENT = Patience(first_wait=0.0, longest_wait=0.0)

ACCEPT = Answer(Verdict.ACCEPTED, message_id="m-1")
REFUSE = Answer(Verdict.REFUSED, reason="the address is not valid")
RETRY = Answer(Verdict.RETRY, reason="the provider is busy")
LOST = Answer(Verdict.UNKNOWN, reason="no answer came")
STOP = Answer(Verdict.STOP, reason="the account is suspended")
TOO_FAST = Answer(Verdict.RETRY, reason="Maximum sending rate exceeded", throttled=True)
QUOTA_SPENT = Answer(Verdict.RETRY, reason="Daily message quota exceeded", quota_spent=True)


UNLIMITED = Quota(rate=None, left_today=None)


def always_accept(_recipient: Recipient) -> Answer:
    return ACCEPT


@dataclass
class Memory:
    """A transport that takes mail into memory and answers as told; what it took is what readers got."""

    answer: Callable[[Recipient], Answer] = always_accept
    batch_size: int = 10
    connections: int = 3
    idempotent: bool = False
    name: str = "memory"
    scope: str = "memory"
    allowed: Quota = UNLIMITED
    before_call: Callable[[], None] = lambda: None
    taken: list[Recipient] = field(default_factory=list)
    calls: list[list[int]] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def quota(self) -> Quota:
        return self.allowed

    def prepare(self, mail: Mail) -> None:
        self.mails.append(mail)

    def hand_over(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Answer]:
        self.before_call()
        with self.lock:
            answers = [self.answer(recipient) for recipient in recipients]
            self.calls.append([reader_of(recipient) for recipient in recipients])
            self.mails.append(mail)
            got = {Verdict.ACCEPTED, Verdict.UNKNOWN}
            self.taken += [r for r, a in zip(recipients, answers, strict=True) if a.verdict in got]
            return answers

    @property
    def mailed(self) -> Counter[int]:
        """How often each reader was mailed, lost answers counted as mail."""
        if self.idempotent:
            return Counter(reader_of(recipient) for recipient in {r.tag: r for r in self.taken}.values())
        return Counter(reader_of(recipient) for recipient in self.taken)


def reader_of(recipient: Recipient) -> int:
    return int(recipient.tag.split("-")[1])


def add_readers(app: App, number: int, *, first: int = 1, newsletter: str = "daily") -> list[int]:
    """So many readers who confirmed their subscription long ago."""
    ids = list(range(first, first + number))
    since = datetime(2024, 1, 1, tzinfo=UTC)
    with app.store.write() as connection:
        connection.execute(
            insert(subscribers),
            [
                {
                    "id": i,
                    "address_hash": f"h1:{i:064x}",
                    "address": f"reader{i}@example.com",
                    "first_name": f"Ann{i}" if i % 3 else None,
                    "created_at": since,
                }
                for i in ids
            ],
        )
        connection.execute(
            insert(subscriptions), [{"newsletter": newsletter, "subscriber_id": i, "created_at": since} for i in ids]
        )
        connection.execute(insert(consent), [entry(i, "confirmed", at=since, newsletter=newsletter) for i in ids])
    return ids


def entry(reader: int, event: str, *, at: datetime = MORNING, newsletter: str = "daily") -> dict[str, object]:
    return {
        "subscriber_id": reader,
        "newsletter": newsletter,
        "purpose": "send",
        "event": event,
        "basis": "express",
        "jurisdiction": "gdpr",
        "source": "test",
        "actor": "test",
        "occurred_at": at,
        "recorded_at": at,
    }


def withdraw(app: App, readers: Iterable[int]) -> None:
    """These readers unsubscribe."""
    with app.store.write() as connection:
        connection.execute(insert(consent), [entry(reader, "withdrawn") for reader in readers])


def make_build(issue: str = ISSUE, *, word: str = "News", settings: dict[str, str] | None = None) -> Build:
    """A small frozen build; `word` makes it another one."""
    link = "{{unsubscribe_url}}"
    bodies = {
        "subject.txt": f"{word} for {{{{first_name|reader}}}}\n".encode(),
        "preheader.txt": b"What happened\n",
        "body.html": f'<p>{word}, {{{{first_name|reader}}}}.</p><a href="{link}">Leave</a>\n'.encode(),
        "body.txt": f"{word}, {{{{first_name|reader}}}}.\n\nLeave: {link}\n".encode(),
    }
    manifest: dict[str, object] = {"newsletter": "daily", "issue": issue, "date": "2024-10-10", "assets": {}}
    manifest["variants"] = {"default": {name: hashlib.sha256(data).hexdigest() for name, data in bodies.items()}}
    if settings is not None:
        manifest["settings"] = settings
    return Build({"manifest.json": canonical_json(manifest), **bodies})


def frozen(app: App, build: Build) -> Build:
    freeze(app.store, app.workspace, build, now=MORNING)
    return build


def start(app: App, transport: Memory, *, issue: str = ISSUE, build: Build | None = None) -> Send:
    """A prepared send in state `sending`, nobody handed over yet."""
    build = frozen(app, build or make_build(issue))
    _, settings = app.workspace.newsletter("daily")
    with app.store.write() as connection:
        wanted = NewSend("daily", issue, build.hash, transport.name, "ann", date_waived=False)
        send = sends.move(connection, sends.create(connection, wanted, MORNING), State.PREPARING)
        prepare(connection, send, settings, batch_size=transport.batch_size, now=MORNING)
        return sends.move(connection, send, State.SENDING)


def run(app: App, send: Send, transport: Memory, *, patience: Patience = IMPATIENT, locks: Path | None = None) -> Send:
    """Dispatch, from whatever state the send is in."""
    build = make_build(send.issue)
    name, settings = app.workspace.newsletter("daily")
    with app.store.write() as connection:
        current = sends.get(connection, send.id)
        if not current.finished:
            sends.move(connection, current, State.SENDING)
    dispatch(
        Job(
            store=app.store,
            locks=locks or app.workspace.locks,
            transport=transport,
            mails=mails_of(build, settings),
            fields=Fields(app.keys, name, send.id, public_url_of(build, app.settings.public_url)),
            scope=Scope(send.id, name, settings),
            now=app.now,
            quota=transport.quota(),
            progress=lambda done, total: None,
            patience=patience,
        )
    )
    return reread(app, send)


def reread(app: App, send: Send) -> Send:
    with app.store.read() as connection:
        return sends.get(connection, send.id)


def account_of(app: App, send: Send) -> Account:
    with app.store.read() as connection:
        return account(connection, send.id)


def states(app: App, send: Send) -> dict[int, str]:
    query = select(deliveries.c.subscriber_id, deliveries.c.state).where(deliveries.c.send_id == send.id)
    with app.store.read() as connection:
        return {row.subscriber_id: row.state for row in connection.execute(query)}


def crash(app: App, send: Send, readers: Iterable[int], *, owner: str = "0123456789abcdef") -> None:
    """Leave these pending readers as a killed process would: in flight, their owner gone."""
    rows = update(deliveries).where(deliveries.c.send_id == send.id, deliveries.c.subscriber_id.in_(list(readers)))
    rows = rows.where(deliveries.c.state == "pending")
    values = {"state": "in_flight", "owner": owner, "handed_over_at": MORNING}
    with app.store.write() as connection:
        connection.execute(rows.values(attempt=deliveries.c.attempt + 1, **values))
