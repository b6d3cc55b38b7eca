"""A newsroom that sends through an SMTP relay: the issue and the mails to one person, from the settings alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from relay import Aiosmtpd, aiosmtpd
from sqlalchemy import select
from ways import Received

from newsletter.app import App, open_app
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Basis, Entry, Event
from newsletter.audience.ledger import Profile, add_subscribers, list_for, record
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.errors import Refused
from newsletter.sending.order import Order, fulfil
from newsletter.sending.service.post import deliver
from newsletter.store.tables import deliveries

ISSUE = """\
newsletter = "daily"
date = 2024-10-10
subject = "Walls at home"
preheader = "And what they mean for the neighbours, in four minutes"

[[blocks]]
type = "lead"
story = "walls"
"""


@pytest.fixture
def relay() -> Iterator[Aiosmtpd]:
    with aiosmtpd(pipelining=True) as found:
        yield found


@pytest.fixture
def newsroom(make_workspace: Callable[..., Path], app: App, relay: Aiosmtpd) -> Iterator[App]:
    settings = f'[smtp]\nhost = "127.0.0.1"\nport = {relay.port}\nsecurity = "none"\nhello = "news.example.org"\n'
    config = (app.workspace.root / "config.toml").read_text().replace('kind = "outbox"', 'kind = "smtp"')
    root = make_workspace(settings, config=config, name="by-smtp")
    folder = root / "issues" / "2024-10-10"
    folder.mkdir()
    (folder / "issue.toml").write_text(ISSUE)
    (folder / "walls.md").write_text('+++\ntitle = "Walls at home"\n+++\n\nThe walls went up.\n')
    found = open_app(root, now=app.now)
    yield found
    found.store.close()


def add_reader(app: App, written: str, name: str) -> int:
    address = normalise(written)
    hashed = address_hash(address.normal, app.keys.hash)
    yes = Entry(Event.CONFIRMED, app.now(), source="form", actor="reader", jurisdiction="gdpr", basis=Basis.EXPRESS)
    with app.store.write() as connection:
        reader = add_subscribers(connection, [(hashed, address.ascii, Profile(name))], now=app.now())[hashed]
        list_for(connection, "daily", [reader], now=app.now())
        record(connection, "daily", [(reader, yes)], now=app.now())
    return reader


def order() -> Order:
    return Order("2024-10-10", person="ed", waive=["DATE=an old issue", "LINK=example addresses"])


def test_an_issue_goes_through_the_relay_and_its_account_says_whom_the_relay_refused(
    newsroom: App, relay: Aiosmtpd
) -> None:
    relay.refuse["bo@example.com"] = "550 5.1.1 no such user"
    for address, name in (("ann@example.org", "Ann"), ("bo@example.com", "Bo"), ("cy@example.net", "")):
        add_reader(newsroom, address, name)
    done = fulfil(newsroom.store, newsroom.workspace, newsroom.keys, newsroom.transport(), order(), now=newsroom.now)
    assert done.report is not None, done.findings
    assert done.report.settled
    assert (done.report.account.accepted, done.report.account.refused) == (2, 1)
    received = {envelope.rcpt_tos[0]: Received.parse(bytes(envelope.content or b"")) for envelope in relay.envelopes}
    assert set(received) == {"ann@example.org", "cy@example.net"}
    assert "The walls went up." in received["ann@example.org"].text
    with newsroom.store.read() as connection:
        rows = connection.execute(select(deliveries.c.state, deliveries.c.message_id, deliveries.c.reason)).all()
    ids = {mail.headers["message-id"] for mail in received.values()}
    assert {row.message_id for row in rows if row.state == "accepted"} == ids
    assert [row.reason for row in rows if row.state == "refused"] == ["550 5.1.1 no such user"]


def test_service_mail_goes_through_the_relay(newsroom: App, relay: Aiosmtpd) -> None:
    reader = add_reader(newsroom, "ann@example.org", "Ann")
    with newsroom.store.write() as connection:
        owe(connection, MailKind.WELCOME, reader, "daily", request="welcome", now=newsroom.now())
    deliver(newsroom.store, newsroom.workspace, newsroom.keys, newsroom.post(), now=newsroom.now)
    (envelope,) = relay.envelopes
    assert envelope.rcpt_tos == ["ann@example.org"]


def test_a_relay_that_is_not_there_stops_a_send_before_it_begins(
    newsroom: App, monkeypatch: pytest.MonkeyPatch, nobody: int
) -> None:
    add_reader(newsroom, "ann@example.org", "Ann")
    monkeypatch.setenv("NEWSLETTER_SMTP__PORT", str(nobody))
    elsewhere = open_app(newsroom.workspace.root, now=newsroom.now)
    with pytest.raises(Refused, match=r"The relay 127\.0\.0\.1:\d+ cannot be used: connection refused"):
        fulfil(elsewhere.store, elsewhere.workspace, elsewhere.keys, elsewhere.transport(), order(), now=elsewhere.now)
    with elsewhere.store.read() as connection:
        assert connection.execute(select(deliveries)).all() == []
    elsewhere.store.close()
