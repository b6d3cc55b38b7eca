"""What tests of service mail stand on: people who asked for something, and the mail that is owed for it."""

from __future__ import annotations

import email.policy
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from sqlalchemy import insert, select, update

from newsletter.app import App
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Basis, Entry, Event, Suppressed
from newsletter.audience.ledger import Profile, add_subscribers, list_for, record
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.proofs import FORMER_ADDRESS, keep_detail
from newsletter.audience.suppression import suppress
from newsletter.sending.service.post import Delivered, deliver
from newsletter.store.tables import service_mails, signups, subscribers

NEW_ADDRESS = "ada.new@example.net"
POLICIES = """\
[[newsletters.daily.policies]]
version = "2"
effective = 2024-11-01
change = "notice"
summary = "We keep proofs of consent for three years."
url = "https://news.example.org/privacy"

[[newsletters.daily.policies]]
version = "3"
effective = 2024-12-01
change = "reconsent"
summary = "We would like to count which links are followed."
"""


def add_reader(app: App, written: str = "ada@example.org", *, confirmed: str | None = "daily") -> int:
    """Somebody on record; with `confirmed`, subscribed to that newsletter."""
    address = normalise(written)
    hashed = address_hash(address.normal, app.keys.hash)
    yes = Entry(Event.CONFIRMED, app.now(), source="form", actor="reader", jurisdiction="gdpr", basis=Basis.EXPRESS)
    with app.store.write() as connection:
        reader = add_subscribers(connection, [(hashed, address.ascii, Profile("Ada"))], now=app.now())[hashed]
        if confirmed:
            list_for(connection, confirmed, [reader], now=app.now())
            record(connection, confirmed, [(reader, yes)], now=app.now())
    return reader


def leave(app: App, reader: int, newsletter: str = "daily") -> None:
    gone = Entry(Event.WITHDRAWN, app.now(), source="link", actor="reader", jurisdiction="gdpr")
    with app.store.write() as connection:
        record(connection, newsletter, [(reader, gone)], now=app.now())


def sign_up(app: App, reader: int, *names: str, at: datetime | None = None) -> int:
    """A request from the form; its number."""
    row = {"subscriber_id": reader, "newsletters": json.dumps(names or ("daily",)), "lang": "en", "source": "form"}
    with app.store.write() as connection:
        made = insert(signups).values(**row, requested_at=at or app.now()).returning(signups.c.id)
        return int(connection.execute(made).scalar_one())


def ask(app: App, kind: MailKind, reader: int, *, request: str = "", **about: Any) -> int:
    """Owe a mail; its number."""
    request = request or f"{kind}-{reader}-{about.get('reference')}"
    with app.store.write() as connection:
        if kind is MailKind.PRIVATE_LINK:
            hashed = connection.scalar(select(subscribers.c.address_hash).where(subscribers.c.id == reader))
            about = {"detail": str(hashed)[-16:], **about}
        owe(connection, kind, reader, "daily", request=request, now=app.now(), **about)
        return int(connection.scalar(select(service_mails.c.id).where(service_mails.c.request == request)) or 0)


def ask_for_new_address(app: App, reader: int, written: str = NEW_ADDRESS) -> int:
    hashed = address_hash(normalise(written).normal, app.keys.hash)
    with app.store.write() as connection:
        values = {"pending_address": written, "pending_hash": hashed}
        connection.execute(update(subscribers).where(subscribers.c.id == reader).values(values))
    return ask(app, MailKind.ADDRESS_CONFIRM, reader, detail=hashed[-16:])


def keep_former_address(app: App, reader: int, former: str = "ada.old@example.com") -> int:
    with app.store.write() as connection:
        return keep_detail(connection, reader, FORMER_ADDRESS, former, now=app.now(), days=30)


def ask_for(app: App, kind: MailKind, reader: int) -> int:
    """Owe a mail of this kind, with all that belongs to it."""
    if kind is MailKind.CONFIRM:
        return ask(app, kind, reader, reference=sign_up(app, reader))
    if kind is MailKind.ADDRESS_CONFIRM:
        return ask_for_new_address(app, reader)
    if kind is MailKind.ADDRESS_TOLD:
        return ask(app, kind, reader, reference=keep_former_address(app, reader))
    if kind is MailKind.PRIVATE_LINK:
        return ask(app, kind, reader)
    versions = {MailKind.POLICY_NOTICE: "2", MailKind.POLICY_RECONSENT: "3"}
    return ask(app, kind, reader, detail=versions.get(kind))


def put_on_list(app: App, reader: int, reason: Suppressed) -> None:
    with app.store.write() as connection:
        hashed = connection.scalar(select(subscribers.c.address_hash).where(subscribers.c.id == reader))
        suppress(connection, str(hashed), reason=reason, source="test", at=app.now())


def erase(app: App, reader: int) -> None:
    """Blank the row, as erasing does."""
    values = {"address": None, "first_name": None, "erased_at": app.now(), "pending_address": None}
    with app.store.write() as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == reader).values(values))
    put_on_list(app, reader, Suppressed.ERASURE)


def go(app: App, transport: Any = None, **options: Any) -> Delivered:
    return deliver(app.store, app.workspace, app.keys, transport or app.post(), now=app.now, **options)


def row_of(app: App, number: int) -> Any:
    with app.store.read() as connection:
        return connection.execute(select(service_mails).where(service_mails.c.id == number)).one()


def standing(app: App, number: int) -> tuple[str, str | None]:
    row = row_of(app, number)
    return row.state, row.reason


def in_outbox(app: App) -> dict[int, EmailMessage]:
    """The mails in the outbox, by the number of the row."""
    found = {}
    for file in sorted((app.workspace.outbox / "service").glob("*.eml")):
        parsed = BytesParser(policy=email.policy.default).parsebytes(file.read_bytes())
        assert isinstance(parsed, EmailMessage)
        found[int(file.stem.split("-")[1])] = parsed
    return found


def delivered(app: App, kind: MailKind, reader: int) -> EmailMessage:
    """The mail of this kind as it lies in the outbox."""
    number = ask_for(app, kind, reader)
    go(app)
    assert standing(app, number) == ("accepted", None)
    return in_outbox(app)[number]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def flat(text: str) -> str:
    return " ".join(text.split())


def link_to(mail: EmailMessage, path: str) -> str:
    """The token of the mail's one link there; both parts lead to the same."""
    [found] = {word for word in text_of(mail).split() if f"/{path}/" in word}
    assert found in html_of(mail)
    return found.rpartition("/")[2]


def days(number: int) -> timedelta:
    return timedelta(days=number)


Headers = Mapping[str, str]
