"""Events about service mail: they settle what is in doubt, take bad addresses off the list, and touch no send."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from newsletter.app import App
from newsletter.feedback.apply import Applied, apply_messages
from newsletter.feedback.vocabulary import ServiceMail, parse
from newsletter.store.tables import events, service_mails, subscribers, suppressions

NOW = datetime(2024, 10, 10, 12, 0, tzinfo=UTC)
OWN, PENDING = f"h1:{'a' * 64}", f"h1:{'b' * 64}"
BOUNCE = {"bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "f1"}


@pytest.fixture
def ledger(app: App) -> App:
    """A reader who is changing her address, and a mail of each sort, all uncertain."""
    with app.store.write() as connection:
        reader = {"id": 1, "address_hash": OWN, "address": "ada@example.org", "pending_hash": PENDING}
        connection.execute(insert(subscribers).values(created_at=NOW, pending_address="new@example.org", **reader))
        for number, (kind, detail) in enumerate(
            [("confirm", None), ("address-confirm", "b" * 16), ("address-told", None)], start=1
        ):
            row = {"id": number, "request": f"r{number}", "kind": kind, "detail": detail, "newsletter": "daily"}
            row |= {"state": "uncertain", "reason": "lost", "attempt": 1, "subscriber_id": 1}
            connection.execute(insert(service_mails).values(queued_at=NOW, **row))
    return app


def said(kind: str, number: int = 1, part: dict[str, Any] | None = None, *, attempt: int = 1) -> str:
    mail = {
        "timestamp": NOW.isoformat(),
        "messageId": f"m-{number}",
        "destination": ["ada@example.org"],
        "tags": {"delivery": [f"service-{number}-{attempt}"]},
    }
    return json.dumps({"eventType": kind, "mail": mail, kind.lower(): {"timestamp": NOW.isoformat(), **(part or {})}})


def hear(app: App, *messages: str) -> Applied:
    with app.store.write() as connection:
        return apply_messages(connection, messages, settings=app.settings, keys=app.keys, now=NOW)


def row(app: App, number: int = 1) -> Any:
    with app.store.read() as connection:
        return connection.execute(select(service_mails).where(service_mails.c.id == number)).one()


def suppressed(app: App) -> set[tuple[str, str]]:
    with app.store.read() as connection:
        query = select(suppressions.c.address_hash, suppressions.c.reason)
        return {(found.address_hash, found.reason) for found in connection.execute(query)}


def test_a_tag_of_service_mail_is_no_delivery() -> None:
    event = parse(said("Send", 7, attempt=2))
    assert (event.delivery, event.service) == (None, ServiceMail(7, 2))


def test_proof_of_a_hand_over_settles_a_mail_in_doubt_and_a_rejection_refuses_it(ledger: App) -> None:
    assert hear(ledger, said("Delivery"), said("Reject", 2, {"reason": "Bad content"})).settled == 2
    assert (row(ledger).state, row(ledger).message_id, row(ledger).owner) == ("accepted", "m-1", None)
    assert row(ledger, 2).state == "refused"
    assert hear(ledger, said("Delivery")).duplicates == 1


def test_a_hard_bounce_or_a_complaint_takes_the_address_off_for_good(ledger: App) -> None:
    assert hear(ledger, said("Bounce", 1, BOUNCE)).suppressed == 1
    hear(ledger, said("Complaint", 1, {"feedbackId": "f3", "complaintFeedbackType": "abuse"}))
    assert suppressed(ledger) == {(OWN, "hard-bounce"), (OWN, "complaint")}


def test_a_soft_bounce_takes_nothing_off(ledger: App) -> None:
    hear(ledger, said("Bounce", 1, {**BOUNCE, "bounceType": "Transient"}))
    assert suppressed(ledger) == set()


def test_a_new_address_that_bounces_is_not_taken_for_the_readers_own(ledger: App) -> None:
    hear(ledger, said("Bounce", 2, BOUNCE))
    assert suppressed(ledger) == {(PENDING, "hard-bounce")}


def test_nor_is_the_former_one_nor_a_new_one_given_up_since(ledger: App) -> None:
    with ledger.store.write() as connection:
        connection.execute(update(subscribers).values(pending_hash=None, pending_address=None))
    hear(ledger, said("Bounce", 2, BOUNCE), said("Bounce", 3, BOUNCE))
    assert suppressed(ledger) == set()


def test_an_event_names_its_reader_so_that_erasing_her_finds_it(ledger: App) -> None:
    hear(ledger, said("Bounce", 1, BOUNCE), said("Delivery", 99))
    with ledger.store.read() as connection:
        found = connection.execute(select(events.c.send_id, events.c.subscriber_id, events.c.applied)).all()
    assert {tuple(event) for event in found} == {(None, 1, "settled"), (None, None, "unknown-delivery")}
