"""Leaving works at once, as often as one likes, and does no harm to anybody else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Purpose, may_track
from newsletter.audience.links import ReaderLink, read_unsubscribe, sign_unsubscribe
from newsletter.audience.select import verdicts
from newsletter.audience.undo import undo_import
from newsletter.audience.unsubscribe import Outcome, leave_everything, still_in, unsubscribe
from newsletter.errors import InputError
from newsletter.store.tables import consent, subscribers


def entries(newsroom: Any) -> int:
    with newsroom.app.store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(consent)) or 0)


def link_of(newsroom: Any, address: str) -> ReaderLink:
    with newsroom.app.store.read() as connection:
        query = select(subscribers.c.id).where(subscribers.c.address_hash == newsroom.hash(address))
        found = connection.scalar(query)
    token = sign_unsubscribe(newsroom.app.keys, found, "daily", "abcd2345")
    link = read_unsubscribe(newsroom.app.keys, token)
    assert link is not None
    return link


@pytest.mark.parametrize("source", ["one-click", "page"])
def test_one_click_leaves_before_the_next_batch_and_says_where_from(newsroom: Any, source: Any) -> None:
    newsroom.imports("email\nalice@example.com\nbob@example.com\n")
    bob = link_of(newsroom, "bob@example.com")
    done = unsubscribe(newsroom.app.store, bob, source=source, now=newsroom.now)
    assert done.outcome is Outcome.UNSUBSCRIBED
    with newsroom.app.store.read() as connection:
        rows = connection.execute(verdicts("daily", newsroom.settings, newsroom.now)).all()
    assert sorted(str(row.reason) for row in rows) == ["None", "unsubscribed"]
    told = newsroom.explains("bob@example.com").evidence
    assert told == f"withdrawn on 2024-10-10, source: {source}, send {bob.send}"
    assert newsroom.reason("alice@example.com") == "mailable"


def test_leaving_twice_is_leaving_once(newsroom: Any) -> None:
    newsroom.imports("email\nbob@example.com\n")
    bob = link_of(newsroom, "bob@example.com")
    first = unsubscribe(newsroom.app.store, bob, source="one-click", now=newsroom.now)
    before = entries(newsroom)
    again = unsubscribe(newsroom.app.store, bob, source="page", now=newsroom.now)
    assert (again.outcome, again.entry) == (Outcome.ALREADY, first.entry)
    assert entries(newsroom) == before


def test_a_link_to_nobody_or_to_another_newsletter_is_harmless(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    before = entries(newsroom)
    for link in (ReaderLink(999, "daily", "abcd2345"), ReaderLink(1, "weekly", "abcd2345")):
        done = unsubscribe(newsroom.app.store, link, source="one-click", now=newsroom.now)
        assert (done.outcome, done.entry) == (Outcome.UNKNOWN, None)
    assert entries(newsroom) == before


def test_one_who_has_not_confirmed_can_leave_too(newsroom: Any) -> None:
    newsroom.imports("email,status\ndora@example.com,pending\n")
    assert newsroom.leaves("dora@example.com") is Outcome.UNSUBSCRIBED
    assert newsroom.reason("dora@example.com") == "unsubscribed"


def test_ops_can_unsubscribe_by_address_in_any_spelling(newsroom: Any) -> None:
    newsroom.imports("email\nBob@example.com\n")
    assert newsroom.leaves(" bob@EXAMPLE.com ") is Outcome.UNSUBSCRIBED
    assert newsroom.leaves("bob@example.com") is Outcome.ALREADY
    assert newsroom.leaves("nobody@example.com") is Outcome.UNKNOWN
    with pytest.raises(InputError, match="must have an @-sign"):
        newsroom.leaves("bob")


def allow_measuring(newsroom: Any, reader: int, *purposes: Purpose, newsletter: str = "daily") -> None:
    yes = Entry(Event.CONFIRMED, newsroom.now, "form", "reader", "gdpr", basis=Basis.EXPRESS)
    with newsroom.app.store.write() as connection:
        for purpose in purposes:
            ledger.record(connection, newsletter, [(reader, yes)], now=newsroom.now, purpose=purpose)


def is_measured(newsroom: Any, reader: int, purpose: Purpose, newsletter: str = "daily") -> bool:
    with newsroom.app.store.read() as connection:
        return may_track(ledger.histories(connection, newsletter, [reader], purpose).get(reader, []))


def test_who_leaves_is_not_measured_any_more_and_who_never_allowed_it_gets_no_entry(newsroom: Any) -> None:
    newsroom.imports("email\nbob@example.com\n")
    bob = link_of(newsroom, "bob@example.com")
    allow_measuring(newsroom, bob.subscriber_id, Purpose.OPEN_TRACKING)
    before = entries(newsroom)
    unsubscribe(newsroom.app.store, bob, source="one-click", now=newsroom.now)
    assert not is_measured(newsroom, bob.subscriber_id, Purpose.OPEN_TRACKING)
    assert entries(newsroom) == before + 2


def test_one_who_is_out_already_but_still_measured_is_measured_no_more(newsroom: Any) -> None:
    newsroom.imports("email\nbob@example.com\n")
    bob = link_of(newsroom, "bob@example.com")
    unsubscribe(newsroom.app.store, bob, source="page", now=newsroom.now)
    allow_measuring(newsroom, bob.subscriber_id, Purpose.CLICK_TRACKING)
    assert unsubscribe(newsroom.app.store, bob, source="one-click", now=newsroom.now).outcome is Outcome.ALREADY
    assert not is_measured(newsroom, bob.subscriber_id, Purpose.CLICK_TRACKING)


def test_leaving_everything_leaves_what_was_given_up_since_too_and_nobody_else(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\nbob@example.com\n")
    bob = link_of(newsroom, "bob@example.com").subscriber_id
    with newsroom.app.store.write() as connection:
        ledger.list_for(connection, "given-up", [bob], now=newsroom.now)
        assert still_in(connection, bob) == ["daily", "given-up"]
    done = leave_everything(newsroom.app.store, bob, now=newsroom.now)
    before = entries(newsroom)
    assert done.outcome is Outcome.UNSUBSCRIBED
    with newsroom.app.store.read() as connection:
        assert still_in(connection, bob) == []
    assert newsroom.reason("alice@example.com") == "mailable"
    assert leave_everything(newsroom.app.store, bob, now=newsroom.now).outcome is Outcome.ALREADY
    assert leave_everything(newsroom.app.store, 999, now=newsroom.now).outcome is Outcome.UNKNOWN
    assert entries(newsroom) == before


def test_a_withdrawal_that_an_undone_import_claimed_keeps_nobody_out(newsroom: Any) -> None:
    newsroom.imports("email\nbob@example.com\n")
    bob = link_of(newsroom, "bob@example.com").subscriber_id
    report = newsroom.imports("email,status\nbob@example.com,unsubscribed\n")
    undo_import(newsroom.app.store, report.batch, actor="editor", now=newsroom.now)
    with newsroom.app.store.read() as connection:
        assert still_in(connection, bob) == ["daily"]
    assert newsroom.leaves("bob@example.com") is Outcome.UNSUBSCRIBED
