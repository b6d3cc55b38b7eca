"""What is kept for a while only goes when its time is over, and nothing else does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event
from newsletter.audience.ledger import Profile
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.proofs import Visit, keep_visit
from newsletter.audience.tidy import Tidied, tidy
from newsletter.audience.undo import undo_import
from newsletter.store.tables import consent, form_uses, proofs, signups, subscribers

NOTHING = Tidied(0, 0, 0, 0, 0, 0)
WEEK = timedelta(days=7)


def asks(newsroom: Any, address: str, at: datetime, *, confirmed: bool = False) -> int:
    """A request from a form; the reader's id."""
    with newsroom.app.store.write() as connection:
        people = [(newsroom.hash(address), address, Profile("Ann", "en"))]
        [reader] = ledger.add_subscribers(connection, people, now=at).values()
        blank = update(subscribers).where(subscribers.c.id == reader, subscribers.c.address.is_(None))
        connection.execute(blank.values(address=address))
        row = {"subscriber_id": reader, "newsletters": '["daily"]', "lang": "en", "source": "form", "requested_at": at}
        connection.execute(insert(signups).values(**row, confirmed_at=at if confirmed else None))
        asked = Entry(Event.REQUESTED, at, "form", "reader", "gdpr", Basis.EXPRESS)
        number = ledger.record_one(connection, "daily", reader, asked, now=at)
        keep_visit(connection, reader, [number], Visit("192.0.2.1", "Firefox"), now=at, days=900)
    return reader


def tidies(newsroom: Any, now: datetime | None = None) -> Tidied:
    return tidy(newsroom.app.store, newsroom.app.settings, now or newsroom.now)


def address_of(newsroom: Any, reader: int) -> str | None:
    with newsroom.app.store.read() as connection:
        found: str | None = connection.scalar(select(subscribers.c.address).where(subscribers.c.id == reader))
        return found


def test_a_request_nobody_confirmed_goes_with_its_proof_and_its_address_but_not_its_entry(newsroom: Any) -> None:
    asks(newsroom, "late@example.com", newsroom.now - WEEK)
    asks(newsroom, "fresh@example.com", newsroom.now - WEEK + timedelta(seconds=1))
    asks(newsroom, "done@example.com", newsroom.now - WEEK, confirmed=True)
    assert tidies(newsroom) == Tidied(1, 1, 0, 0, 0, 0)
    assert tidies(newsroom) == NOTHING
    with newsroom.app.store.read() as connection:
        rows = connection.execute(select(subscribers.c.address, subscribers.c.first_name)).all()
        assert sorted(rows, key=str) == [("done@example.com", "Ann"), ("fresh@example.com", "Ann"), (None, None)]
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (signups, proofs, consent)]
    assert counts == [2, 2, 3]


def test_who_is_forgotten_that_way_may_come_again_by_any_way(newsroom: Any) -> None:
    reader = asks(newsroom, "late@example.com", newsroom.now - WEEK)
    tidies(newsroom)
    assert newsroom.imports("email\nlate@example.com\n").new == 1
    assert address_of(newsroom, reader) == "late@example.com"
    assert newsroom.reason("late@example.com") == "mailable"


@pytest.mark.parametrize("also", ["listed", "asked again", "left the weekly", "an import that was undone"])
def test_an_address_with_more_to_it_than_the_request_stays_but_what_was_undone_is_no_more(
    newsroom: Any, also: str
) -> None:
    reader = asks(newsroom, "late@example.com", newsroom.now - WEEK)
    if also == "asked again":
        asks(newsroom, "late@example.com", newsroom.now)
    if also == "an import that was undone":
        report = newsroom.imports("email\nlate@example.com\n")
        undo_import(newsroom.app.store, report.batch, actor="boss", now=newsroom.now)
    with newsroom.app.store.write() as connection:
        if also == "listed":
            ledger.list_for(connection, "daily", [reader], now=newsroom.now)
        if also == "left the weekly":
            gone = Entry(Event.WITHDRAWN, newsroom.now, "page", "reader", "gdpr")
            ledger.record(connection, "weekly", [(reader, gone)], now=newsroom.now)
    assert tidies(newsroom).signups == 1
    assert address_of(newsroom, reader) == (None if "undone" in also else "late@example.com")


def test_an_erased_reader_who_asked_anew_and_did_not_confirm_is_blank_again(newsroom: Any) -> None:
    newsroom.imports("email\nlate@example.com\n")
    with newsroom.app.store.write() as connection:
        connection.execute(update(subscribers).values(address=None, erased_at=newsroom.now))
    reader = asks(newsroom, "late@example.com", newsroom.now)
    assert tidies(newsroom, newsroom.now + WEEK).addresses == 1
    assert address_of(newsroom, reader) is None
    assert newsroom.reason("late@example.com") == "erased"


def test_proofs_counters_and_unconfirmed_new_addresses_go_in_their_time(newsroom: Any) -> None:
    now = newsroom.now
    reader = asks(newsroom, "alice@example.com", now, confirmed=True)
    with newsroom.app.store.write() as connection:
        for days in (1, 3):
            row = {"bucket": f"b{days}", "window_start": now - timedelta(days=days), "uses": 1}
            connection.execute(insert(form_uses).values(row))
        connection.execute(update(subscribers).values(pending_address="new@example.com", pending_hash="h1:new"))
        for days in (8, 6):  # she asked twice: the newest counts
            at = now - timedelta(days=days)
            owe(connection, MailKind.ADDRESS_CONFIRM, reader, "daily", request=f"a{days}", now=at)
    assert tidies(newsroom) == Tidied(0, 0, 0, 1, 0, 0)
    assert tidies(newsroom, now + timedelta(days=1)) == Tidied(0, 0, 0, 0, 1, 0)
    assert tidies(newsroom, now + timedelta(days=900)) == Tidied(0, 0, 1, 1, 0, 0)
    assert address_of(newsroom, reader) == "alice@example.com"


def test_lapsed_consents_are_written_down_on_the_way(newsroom: Any) -> None:
    newsroom.imports("email,expires\nalice@example.com,2024-10-11\n")
    assert tidies(newsroom, newsroom.now + timedelta(days=2)).expired == 1
