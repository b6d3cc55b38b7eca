"""The older notifications, which carry no tags: told by address and message id, and never counted twice."""

from __future__ import annotations

import pytest
from feedback_rig import (
    NOW,
    add_send,
    address_of,
    change_delivery,
    delivery,
    hash_of,
    hear,
    message_id,
    said,
    suppressed,
)
from sqlalchemy import func, insert, select, update

from newsletter.app import App
from newsletter.feedback.figures import Figures, kept
from newsletter.store.tables import events, raw_events, service_mails, subscribers

SEND = "abcdefgh"


@pytest.fixture
def ledger(app: App) -> App:
    add_send(app, SEND, readers=9)
    return app


def counts(app: App) -> tuple[int, int]:
    with app.store.read() as connection:
        return tuple(connection.scalar(select(func.count()).select_from(t)) or 0 for t in (raw_events, events))  # type: ignore[return-value]


def test_a_notification_without_a_tag_finds_its_mail(ledger: App) -> None:
    done = hear(ledger, said("Bounce", SEND, 3, older=True), said("Delivery", SEND, 4, older=True))
    assert (done.outcomes, done.suppressed, done.unknown_deliveries) == (2, 1, 0)
    assert delivery(ledger, SEND, 3).outcome == "bounced"
    assert delivery(ledger, SEND, 4).outcome == "delivered"
    assert suppressed(ledger) == {hash_of(ledger, 3): "hard-bounce"}


@pytest.mark.parametrize("older_first", [True, False])
def test_both_kinds_at_once_count_once(ledger: App, older_first: bool) -> None:
    both = [said("Bounce", SEND, 3), said("Bounce", SEND, 3, older=True)]
    first, second = reversed(both) if older_first else both
    assert hear(ledger, first).outcomes == 1
    again = hear(ledger, second)
    assert (again.duplicates, again.outcomes, again.suppressed) == (1, 0, 0)
    assert counts(ledger) == (1, 1)
    with ledger.store.read() as connection:
        assert kept(connection, [SEND])[SEND].figures == Figures(1, 1, 0)


def test_one_that_cannot_be_told_yet_does_not_keep_the_tagged_one_from_counting(ledger: App) -> None:
    """The answer was lost, so the ledger does not know the message id; only the tag settles that."""
    change_delivery(ledger, SEND, 3, state="uncertain", message_id=None)
    older = said("Delivery", SEND, 3, older=True)
    assert hear(ledger, older).unknown_deliveries == 1
    assert hear(ledger, older).duplicates == 1
    assert hear(ledger, said("Delivery", SEND, 3)).settled == 1
    assert hear(ledger, older).new == 0  # now it can be told, and says nothing new
    assert delivery(ledger, SEND, 3).state == "accepted"


def test_the_address_alone_or_the_message_id_alone_is_not_enough(ledger: App) -> None:
    change_delivery(ledger, SEND, 3, message_id="another")
    assert hear(ledger, said("Complaint", SEND, 3, older=True)).unknown_deliveries == 1
    with ledger.store.write() as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == 4).values(address_hash="h1:moved"))
    assert hear(ledger, said("Complaint", SEND, 4, older=True)).unknown_deliveries == 1
    assert suppressed(ledger) == {}


def test_a_notification_of_several_recipients_blames_nobody(ledger: App) -> None:
    several = said("Complaint", SEND, 3, older=True).replace(
        f'"{address_of(3)}"', f'"{address_of(3)}", "{address_of(4)}"'
    )
    assert hear(ledger, several).unknown_deliveries == 1
    assert suppressed(ledger) == {}


def test_service_mail_is_told_the_same_way(ledger: App) -> None:
    with ledger.store.write() as connection:
        row = {"request": "r", "kind": "welcome", "subscriber_id": 5, "newsletter": "daily", "state": "accepted"}
        connection.execute(
            insert(service_mails).values(attempt=1, message_id=message_id("mail", 5), queued_at=NOW, **row)
        )
    assert hear(ledger, said("Complaint", "mail", 5, older=True)).suppressed == 1
    assert suppressed(ledger) == {hash_of(ledger, 5): "complaint"}
