"""The consent ledger is only ever added to, and what identifies a person stands in `subscribers` alone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Suppressed
from newsletter.audience.ledger import Profile
from newsletter.audience.suppression import suppress, suppressions_of
from newsletter.store.tables import consent, metadata, subscribers, suppressions


@pytest.mark.parametrize("change", [update(consent).values(event="confirmed"), delete(consent)])
def test_the_database_itself_refuses_to_change_or_delete_an_entry(newsroom: Any, change: Any) -> None:
    newsroom.imports("email,status\nbob@example.com,unsubscribed\n")
    with pytest.raises(DBAPIError, match="append-only"), newsroom.app.store.write() as connection:
        connection.execute(change)
    assert newsroom.reason("bob@example.com") == "unsubscribed"


def test_entries_come_back_as_they_were_written_oldest_first(newsroom: Any) -> None:
    now = newsroom.now
    written = [
        Entry(Event.REQUESTED, now, "form", "reader", "gdpr"),
        Entry(Event.CONFIRMED, now, "form", "reader", "gdpr", Basis.EXPRESS, expires_at=now),
    ]
    with newsroom.app.store.write() as connection:
        ids = ledger.add_subscribers(connection, [("h1:aa", "alice@example.com", Profile("Alice", "en"))], now=now)
        ledger.record(connection, "daily", [(ids["h1:aa"], entry) for entry in written], now=now)
    with newsroom.app.store.read() as connection:
        assert ledger.histories(connection, "daily", ids.values()) == {ids["h1:aa"]: written}
        found = ledger.everything_of(connection, ids["h1:aa"])
        assert [(row.at, row.newsletter, row.purpose, row.entry) for row in found] == [
            (now, "daily", "send", entry) for entry in written
        ]


def test_adding_someone_twice_keeps_the_first(newsroom: Any) -> None:
    with newsroom.app.store.write() as connection:
        people = [("h1:aa", "Alice@example.com", Profile("Alice"))]
        first = ledger.add_subscribers(connection, people, now=newsroom.now)
        again = ledger.add_subscribers(connection, [("h1:aa", "alice@example.com", Profile())], now=newsroom.now)
        found = ledger.find_subscribers(connection, ["h1:aa"])["h1:aa"]
    assert first == again
    assert (found.address, found.profile.first_name) == ("Alice@example.com", "Alice")


def test_addresses_and_names_are_nowhere_but_in_the_subscribers_table(newsroom: Any) -> None:
    newsroom.imports(
        "email,first_name,status\nalice.secret@example.com,Alicia,subscribed\ncarol.secret@example.com,Carol,bounced\n"
    )
    newsroom.leaves("alice.secret@example.com")
    with newsroom.app.store.read() as connection:
        for table in metadata.sorted_tables:
            if table is not subscribers:
                content = str(connection.execute(text(f"SELECT * FROM {table.name}")).all())
                assert "secret" not in content, table.name
                assert "Alicia" not in content, table.name


def test_suppressing_twice_keeps_the_first_record(newsroom: Any) -> None:
    for source in ("first", "second"):
        with newsroom.app.store.write() as connection:
            suppress(connection, "h1:aa", reason=Suppressed.MANUAL, source=source, at=newsroom.now)
    with newsroom.app.store.read() as connection:
        assert connection.scalars(select(suppressions.c.source)).all() == ["first"]


def test_a_suppression_counts_in_its_scope_only(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    hashed = newsroom.hash("alice@example.com")
    with newsroom.app.store.write() as connection:
        suppress(connection, hashed, reason=Suppressed.MANUAL, source="ops", at=newsroom.now, scope="weekly")
    assert newsroom.reason("alice@example.com") == "mailable"
    with newsroom.app.store.write() as connection:
        suppress(connection, hashed, reason=Suppressed.COMPLAINT, source="ses", at=newsroom.now)
        assert len(suppressions_of(connection, [hashed])[hashed]) == 2
        assert len(suppressions_of(connection, [hashed], "daily")[hashed]) == 1
    assert newsroom.reason("alice@example.com") == "suppressed-complaint"
