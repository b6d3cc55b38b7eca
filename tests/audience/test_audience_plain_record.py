"""A reader's own record: plain sentences, on the newsletter's days, and nothing of the newsroom's notes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from newsletter.app import App
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Basis, Entry, Event, Purpose, Suppressed
from newsletter.audience.ledger import Profile, add_subscribers, record
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.plain_record import Line, plain_record, words_agreed
from newsletter.audience.suppression import suppress
from newsletter.audience.wordings import remember_wording

LATE = datetime(2024, 10, 10, 2, 30, tzinfo=UTC)  # still the ninth in New York


@pytest.fixture
def ada(app: App) -> int:
    hashed = address_hash(normalise("ada@example.org").normal, app.keys.hash)
    with app.store.write() as connection:
        return add_subscribers(connection, [(hashed, "ada@example.org", Profile())], now=app.now())[hashed]


def entry(event: Event, *, actor: str = "reader", source: str = "form", at: datetime = LATE) -> Entry:
    return Entry(event, at, source=source, actor=actor, jurisdiction="gdpr", basis=Basis.EXPRESS)


def read(app: App, reader: int) -> list[Line]:
    hashed = address_hash(normalise("ada@example.org").normal, app.keys.hash)
    with app.store.read() as connection:
        return plain_record(connection, reader, hashed, newsletters=app.settings.newsletters)


def test_what_she_did_is_said_to_her_on_the_newsletters_own_days(app: App, ada: int) -> None:
    with app.store.write() as connection:
        record(connection, "daily", [(ada, entry(Event.REQUESTED)), (ada, entry(Event.CONFIRMED))], now=app.now())
        allowed = [(ada, entry(Event.CONFIRMED, at=app.now()))]
        record(connection, "daily", allowed, now=app.now(), purpose=Purpose.CLICK_TRACKING)
    assert read(app, ada) == [
        Line(date(2024, 10, 9), "You asked for The Meridian."),
        Line(date(2024, 10, 9), "You confirmed that you want The Meridian."),
        Line(date(2024, 10, 10), "You allowed us to record which links you follow in The Meridian."),
    ]


def test_nobody_of_the_newsroom_and_none_of_their_notes_are_named(app: App, ada: int) -> None:
    with app.store.write() as connection:
        told = [entry(event, actor="Edith", source="secret list") for event in Event]
        record(connection, "daily", [(ada, each) for each in told], now=app.now())
        hashed = address_hash(normalise("ada@example.org").normal, app.keys.hash)
        for reason in Suppressed:
            suppress(connection, hashed, reason=reason, source="rude on the phone; by Edith", at=app.now())
    said = " ".join(line.words for line in read(app, ada))
    assert "The newsroom entered you as a reader of The Meridian." in said
    assert "We stopped sending to your address." in said
    assert not [word for word in ("Edith", "secret", "rude") if word in said]


def test_only_mail_that_went_out_is_said_to_have_gone_out(app: App, ada: int) -> None:
    with app.store.write() as connection:
        for kind in MailKind:
            owe(connection, kind, ada, "daily", request=kind, now=app.now())
    assert read(app, ada) == []


def test_each_newsletter_shows_the_words_she_agreed_to_last(app: App, ada: int) -> None:
    settings = app.settings.newsletters["daily"]
    with app.store.write() as connection:
        wording = remember_wording(connection, "daily", settings, now=app.now())
        yes = Entry(Event.CONFIRMED, LATE, "form", "reader", "gdpr", basis=Basis.EXPRESS, wording=wording)
        record(connection, "daily", [(ada, yes)], now=app.now())
    with app.store.read() as connection:
        assert words_agreed(connection, ada, newsletters=app.settings.newsletters) == [
            ("The Meridian", settings.wording)
        ]
