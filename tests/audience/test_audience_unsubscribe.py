"""Leaving works at once, as often as one likes, and does no harm to anybody else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from newsletter.audience.links import ReaderLink, read_unsubscribe, sign_unsubscribe
from newsletter.audience.select import verdicts
from newsletter.audience.unsubscribe import Outcome, unsubscribe
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
    assert done is Outcome.UNSUBSCRIBED
    with newsroom.app.store.read() as connection:
        rows = connection.execute(verdicts("daily", newsroom.settings, newsroom.now)).all()
    assert sorted(str(row.reason) for row in rows) == ["None", "unsubscribed"]
    assert newsroom.explains("bob@example.com").evidence == f"withdrawn on 2024-10-10, source: {source}"
    assert newsroom.reason("alice@example.com") == "mailable"


def test_leaving_twice_is_leaving_once(newsroom: Any) -> None:
    newsroom.imports("email\nbob@example.com\n")
    bob = link_of(newsroom, "bob@example.com")
    unsubscribe(newsroom.app.store, bob, source="one-click", now=newsroom.now)
    before = entries(newsroom)
    assert unsubscribe(newsroom.app.store, bob, source="page", now=newsroom.now) is Outcome.ALREADY
    assert entries(newsroom) == before


def test_a_link_to_nobody_or_to_another_newsletter_is_harmless(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    before = entries(newsroom)
    for link in (ReaderLink(999, "daily", "abcd2345"), ReaderLink(1, "weekly", "abcd2345")):
        assert unsubscribe(newsroom.app.store, link, source="one-click", now=newsroom.now) is Outcome.UNKNOWN
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
