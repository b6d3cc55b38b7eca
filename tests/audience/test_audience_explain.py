"""Ops can say of every reader why she is in or out, and the numbers add up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from newsletter.audience.consent import Suppressed
from newsletter.audience.explain import count
from newsletter.audience.suppression import suppress
from newsletter.errors import InputError
from newsletter.store.tables import subscriptions

CAST = """\
email,first_name,status,basis,date,expires
alice@example.com,Alice,subscribed,express,2024-09-01,
bob@example.com,Bob,unsubscribed,,2024-09-02,
carol@example.com,Carol,bounced,,2024-09-03,
dora@example.com,Dora,pending,,2024-09-04,
erin@example.com,Erin,complained,,2024-09-05,
frank@example.com,Frank,subscribed,implied,2024-09-06,
grace@example.com,Grace,subscribed,soft-opt-in,2024-01-01,2024-07-01
"""

VERDICTS = {
    "alice@example.com": ("mailable", "imported on 2024-09-01, basis express, source: site export"),
    "bob@example.com": ("unsubscribed", "withdrawn on 2024-10-10, source: site export"),
    "carol@example.com": ("suppressed-hard-bounce", "hard-bounce on 2024-10-10, source: site export"),
    "dora@example.com": ("unconfirmed", "requested on 2024-09-04, basis express, source: site export"),
    "erin@example.com": ("suppressed-complaint", "complaint on 2024-10-10, source: site export"),
    "frank@example.com": ("basis-not-accepted", "imported on 2024-09-06, basis implied, source: site export"),
    "grace@example.com": (
        "expired",
        "imported on 2024-01-01, basis soft-opt-in, until 2024-07-01, source: site export",
    ),
    "nobody@example.com": ("no-consent", "nobody with this address is known to daily"),
}


def test_everyone_in_the_cast_is_explained(newsroom: Any) -> None:
    newsroom.imports(CAST)
    found = {address: newsroom.explains(address) for address in VERDICTS}
    assert {address: (said.reason, said.evidence) for address, said in found.items()} == VERDICTS
    assert [address for address, said in found.items() if said.mailable] == ["alice@example.com"]


def test_the_audience_adds_up(newsroom: Any) -> None:
    newsroom.imports(CAST)
    with newsroom.app.store.read() as connection:
        found = count(connection, "daily", settings=newsroom.settings, at=newsroom.now)
    assert found == {
        "audience": 7,
        "mailable": 1,
        "excluded_by": {
            "suppressed-complaint": 1,
            "suppressed-hard-bounce": 1,
            "unsubscribed": 1,
            "unconfirmed": 1,
            "expired": 1,
            "basis-not-accepted": 1,
        },
    }


def test_an_unknown_address_on_the_suppression_list_is_told_so(newsroom: Any) -> None:
    with newsroom.app.store.write() as connection:
        hashed = newsroom.hash("mallory@example.com")
        suppress(connection, hashed, reason=Suppressed.MANUAL, source="letter", at=newsroom.now)
    assert newsroom.reason("mallory@example.com") == "suppressed-manual"


def test_a_reader_of_another_newsletter_is_not_in_this_audience(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n", newsletter="weekly")
    said = newsroom.explains("alice@example.com")
    assert (said.mailable, said.evidence) == (False, "the reader has no subscription to daily")


def test_a_reader_who_paused_is_explained(newsroom: Any) -> None:
    newsroom.imports("email,date\nalice@example.com,2024-09-01\n")
    with newsroom.app.store.write() as connection:
        connection.execute(update(subscriptions).values(paused_until=newsroom.now + timedelta(days=3)))
    said = newsroom.explains("alice@example.com")
    assert (said.reason, said.evidence[:23]) == ("paused", "paused until 2024-10-13")


def test_what_is_no_address_cannot_be_explained(newsroom: Any) -> None:
    with pytest.raises(InputError, match="must have an @-sign"):
        newsroom.explains("alice")
