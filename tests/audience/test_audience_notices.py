"""A change of policy is told to those it concerns, once; who must agree anew gets nothing until she does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Suppressed
from newsletter.audience.ledger import Profile
from newsletter.audience.notices import Agreed, Notices, agree, asked, owe_notices, standings
from newsletter.audience.proofs import Visit
from newsletter.audience.suppression import suppress
from newsletter.config import Workspace
from newsletter.settings import NewsletterSettings, PolicySettings
from newsletter.store.tables import proofs, service_mails, subscribers, subscriptions

FIRST = PolicySettings(version="1", effective=date(2023, 1, 1), change="notice", summary="First.")
NOTICE = PolicySettings(version="2", effective=date(2024, 11, 1), change="notice", summary="A new host.")
RECONSENT = PolicySettings(version="3", effective=date(2024, 12, 1), change="reconsent", summary="Measures opens.")
EDITORIAL = PolicySettings(version="4", effective=date(2024, 12, 2), change="editorial", summary="Commas.")
IN_FORCE = datetime(2024, 12, 24, tzinfo=UTC)


@pytest.fixture
def readers(newsroom: Any) -> dict[str, int]:
    """One reader of each kind, each having agreed to version 1 (`new` to 3), by name."""
    now, ids = newsroom.now, {}
    cast = ("plain", "paused", "new", "left", "asked", "lapsed", "complained", "erased", "imported")
    with newsroom.app.store.write() as connection:
        for name in cast:
            address = f"{name}@example.com"
            [ids[name]] = ledger.add_subscribers(
                connection, [(newsroom.hash(address), address, Profile())], now=now
            ).values()
            ledger.list_for(connection, "daily", [ids[name]], now=now)
            event = {"asked": Event.REQUESTED, "imported": Event.IMPORTED}.get(name, Event.CONFIRMED)
            over = now if name == "lapsed" else None
            version = "3" if name == "new" else "1"
            entry = Entry(event, now, "form", "reader", "gdpr", Basis.EXPRESS, expires_at=over, policy_version=version)
            ledger.record(connection, "daily", [(ids[name], entry)], now=now)
        gone = Entry(Event.WITHDRAWN, now, "page", "reader", "gdpr")
        ledger.record(connection, "daily", [(ids["left"], gone)], now=now)
        suppress(connection, newsroom.hash("complained@example.com"), reason=Suppressed.COMPLAINT, source="ses", at=now)
        row = subscribers.c.id == ids["erased"]
        connection.execute(update(subscribers).where(row).values(address=None, erased_at=now))
        paused = subscriptions.c.subscriber_id == ids["paused"]
        connection.execute(update(subscriptions).where(paused).values(paused_until=now + timedelta(days=900)))
    return ids


def with_policies(newsroom: Any, *policies: PolicySettings) -> NewsletterSettings:
    settings: NewsletterSettings = newsroom.settings.model_copy(update={"policies": policies})
    return settings


def workspace_of(newsroom: Any, settings: NewsletterSettings) -> Workspace:
    workspace: Workspace = newsroom.app.workspace
    return replace(workspace, settings=workspace.settings.model_copy(update={"newsletters": {"daily": settings}}))


def owes(newsroom: Any, settings: NewsletterSettings, *, now: datetime | None = None, **options: Any) -> Any:
    with newsroom.app.store.write() as connection:
        return owe_notices(connection, "daily", settings, now=now or newsroom.now, **options)


def queued(newsroom: Any, readers: dict[str, int]) -> Sequence[tuple[str, str, str]]:
    names = {number: name for name, number in readers.items()}
    table = service_mails.c
    with newsroom.app.store.read() as connection:
        rows = connection.execute(select(table.subscriber_id, table.kind, table.detail).order_by(table.id)).all()
    return sorted((names[row[0]], row[1], row[2]) for row in rows)


def test_a_notice_goes_once_to_everyone_still_subscribed_on_an_earlier_version(
    newsroom: Any, readers: dict[str, int]
) -> None:
    settings = with_policies(newsroom, FIRST, NOTICE)
    assert owes(newsroom, settings, dry_run=True) == Notices("2", 4, 0, 4)
    assert queued(newsroom, readers) == []
    assert owes(newsroom, settings) == Notices("2", 4, 0, 4)
    told = [(name, "policy-notice", "2") for name in ("imported", "new", "paused", "plain")]
    assert queued(newsroom, readers) == told  # version 3, that `new` names, is not of this configuration
    assert owes(newsroom, settings, now=IN_FORCE) == Notices("2", 4, 4, 0)
    assert queued(newsroom, readers) == told


def test_a_new_yes_is_asked_for_before_the_day_and_owed_from_it_on(newsroom: Any, readers: dict[str, int]) -> None:
    settings = with_policies(newsroom, FIRST, NOTICE, RECONSENT, EDITORIAL)
    assert owes(newsroom, settings) == Notices("3", 3, 0, 3)
    wanted = [(name, "policy-reconsent", "3") for name in ("imported", "paused", "plain")]
    assert queued(newsroom, readers) == wanted
    assert newsroom.reason("plain@example.com", settings=settings) == "mailable"
    assert newsroom.reason("plain@example.com", settings=settings, at=IN_FORCE) == "reconsent-owed"
    assert owes(newsroom, settings, now=IN_FORCE) == Notices("3", 3, 3, 0)


def test_a_later_notice_still_asks_who_owes_an_earlier_yes(newsroom: Any, readers: dict[str, int]) -> None:
    later = NOTICE.model_copy(update={"version": "5", "effective": date(2024, 12, 20)})
    owes(newsroom, with_policies(newsroom, FIRST, RECONSENT, later))
    kinds = {name: kind for name, kind, _ in queued(newsroom, readers)}
    assert kinds["plain"] == "policy-reconsent"
    assert kinds["new"] == "policy-notice"


def test_editorial_changes_are_told_to_nobody(newsroom: Any, readers: dict[str, int]) -> None:
    assert owes(newsroom, with_policies(newsroom, EDITORIAL)) is None
    assert owes(newsroom, newsroom.settings) is None
    assert queued(newsroom, readers) == []


def test_agreeing_counts_for_the_version_asked_about_even_before_its_day_and_only_once(
    newsroom: Any, readers: dict[str, int]
) -> None:
    settings = with_policies(newsroom, FIRST, RECONSENT, EDITORIAL)
    workspace, store = workspace_of(newsroom, settings), newsroom.app.store
    owes(newsroom, settings)
    mails = mail_ids(newsroom)
    visit = Visit("192.0.2.9", "Firefox")
    assert agree(store, workspace, mails[readers["paused"]], visit=visit, now=newsroom.now) is Agreed.AGREED
    assert agree(store, workspace, mails[readers["paused"]], visit=visit, now=newsroom.now) is Agreed.ALREADY
    assert newsroom.reason("paused@example.com", settings=settings, at=IN_FORCE) == "paused"  # still, as she wished
    assert agree(store, workspace, mails[readers["plain"]], visit=visit, now=IN_FORCE) is Agreed.AGREED
    assert newsroom.reason("plain@example.com", settings=settings, at=IN_FORCE) == "mailable"
    with store.read() as connection:
        last = ledger.histories(connection, "daily", [readers["plain"]])[readers["plain"]][-1]
        assert (last.event, last.basis, last.policy_version) == ("reaffirmed", "express", "4")
        assert connection.scalars(select(proofs.c.network_address)).all() == ["192.0.2.9"] * 2
        told = {
            s.policy.version: (s.told, s.on_their_way, s.owing)
            for s in standings(connection, "daily", settings, now=IN_FORCE)
        }
    assert told == {"1": (0, 0, 0), "3": (0, 3, 1), "4": (0, 0, 0)}


def test_who_left_since_cannot_agree_and_a_wrong_number_means_nothing(newsroom: Any, readers: dict[str, int]) -> None:
    settings = with_policies(newsroom, FIRST, RECONSENT)
    workspace, store = workspace_of(newsroom, settings), newsroom.app.store
    owes(newsroom, settings)
    mails = mail_ids(newsroom)
    newsroom.leaves("plain@example.com")
    assert agree(store, workspace, mails[readers["plain"]], visit=Visit(), now=IN_FORCE) is Agreed.NOT_SUBSCRIBED
    assert agree(store, workspace, 999, visit=Visit(), now=IN_FORCE) is Agreed.UNKNOWN
    with store.read() as connection:
        question = asked(connection, mails[readers["plain"]])
        assert question is not None
        assert (question.newsletter, question.version) == ("daily", "3")
        assert asked(connection, 999) is None
    assert newsroom.reason("plain@example.com", settings=settings, at=IN_FORCE) == "unsubscribed"


def mail_ids(newsroom: Any) -> dict[int, int]:
    with newsroom.app.store.read() as connection:
        rows = connection.execute(select(service_mails.c.subscriber_id, service_mails.c.id))
        return {row.subscriber_id: row.id for row in rows}
