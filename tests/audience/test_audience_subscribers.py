"""One reader at a time: added by hand with a source and a basis, shown as on record."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from newsletter.audience import ledger
from newsletter.audience.claims import Effect
from newsletter.audience.consent import Basis
from newsletter.audience.subscribers import Shown, add_subscriber, show_subscriber
from newsletter.audience.undo import undo_import
from newsletter.cli.root import cli
from newsletter.errors import InputError, NotFound, Refused
from newsletter.store.tables import subscribers


def add(newsroom: Any, address: str, **changed: Any) -> Effect:
    options = {"source": "letter of 2024-10-09", "basis": Basis.EXPRESS, "actor": "ops", **changed}
    return add_subscriber(
        newsroom.app.store,
        newsroom.app.keys,
        address,
        newsletter="daily",
        settings=newsroom.settings,
        now=newsroom.now,
        **options,
    )


def show(newsroom: Any, address: str) -> Shown:
    app = newsroom.app
    return show_subscriber(app.store, app.keys, address, newsletters=app.settings.newsletters, at=newsroom.now)


def test_a_reader_added_by_hand_is_mailable_and_shown(newsroom: Any) -> None:
    assert add(newsroom, "Alice@example.com", first_name="Alice", lang="pt-BR") is Effect.NEW
    assert add(newsroom, "alice@example.com") is Effect.UNCHANGED
    shown = show(newsroom, "ALICE@example.com")
    assert shown.subscriber.address == "Alice@example.com"
    assert (shown.subscriber.profile.first_name, shown.subscriber.profile.lang) == ("Alice", "pt-BR")
    [daily] = shown.newsletters
    assert (daily.newsletter, daily.mailable) == ("daily", True)
    assert daily.evidence == "imported on 2024-10-10, basis express, source: letter of 2024-10-09"


def test_one_who_unsubscribed_cannot_be_added_back_by_hand(newsroom: Any) -> None:
    add(newsroom, "bob@example.com")
    newsroom.leaves("bob@example.com")
    with pytest.raises(Refused, match=r"bob@example\.com was not added to daily: unsubscribed on 2024-10-10"):
        add(newsroom, "bob@example.com")
    assert newsroom.reason("bob@example.com") == "unsubscribed"


def test_what_cannot_be_used_is_named(newsroom: Any) -> None:
    with pytest.raises(InputError, match="must have an @-sign"):
        add(newsroom, "alice")
    with pytest.raises(InputError, match="names no source"):
        add(newsroom, "alice@example.com", source="")
    with pytest.raises(InputError, match="`first_name` holds a line break"):
        add(newsroom, "alice@example.com", first_name="Alice\r\nBcc: x")
    with pytest.raises(NotFound, match=r"the address alice@example\.com"):
        show(newsroom, "alice@example.com")


def test_an_erased_reader_is_shown_as_erased_and_one_whose_import_was_undone_as_nobody(newsroom: Any) -> None:
    batch = newsroom.imports("email\nalice@example.com\nbob@example.com\n").batch
    with newsroom.app.store.write() as connection:
        bob = subscribers.c.address_hash == newsroom.hash("bob@example.com")
        connection.execute(update(subscribers).where(bob).values(address=None, erased_at=newsroom.now))
    undo_import(newsroom.app.store, batch, actor="editor", now=newsroom.now)
    with pytest.raises(NotFound, match=r"Nobody with the address alice@example\.com"):
        show(newsroom, "alice@example.com")
    assert show(newsroom, "bob@example.com").subscriber.erased
    root = str(newsroom.app.workspace.root)
    said = CliRunner().invoke(cli, ["-w", root, "subscriber", "show", "bob@example.com"]).output
    assert "bob@example.com  erased on 2024-10-10" in said
    with newsroom.app.store.read() as connection:
        people = ledger.find_subscribers(
            connection, [newsroom.hash(f"{name}@example.com") for name in ("alice", "bob")]
        )
    assert [(p.erased, p.gone) for _, p in sorted(people.items(), key=lambda found: found[1].id)] == [
        (False, True),
        (True, True),
    ]
