"""Events: each counts once, in any order, and says the truth about the hand-over, the outcome and the reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, update

from newsletter.app import App
from newsletter.audience.proofs import FORMER_ADDRESS, keep_detail
from newsletter.feedback.apply import Applied, apply_messages
from newsletter.feedback.standing import Standing, rank_of
from newsletter.feedback.vocabulary import parse
from newsletter.store.tables import builds, deliveries, events, raw_events, sends, subscribers, suppressions

NOW = datetime(2024, 10, 10, 12, 0, tzinfo=UTC)
SEND = "abcdefgh"
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "Send": ("send", {}),
    "Delivery": ("delivery", {"recipients": ["ann@example.com"]}),
    "DeliveryDelay": ("deliveryDelay", {"delayType": "MailboxFull"}),
    "Bounce": ("bounce", {"bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "f1"}),
    "Soft": ("bounce", {"bounceType": "Transient", "bounceSubType": "General", "feedbackId": "f2"}),
    "Complaint": ("complaint", {"feedbackId": "f3", "complaintFeedbackType": "abuse"}),
    "NotSpam": ("complaint", {"feedbackId": "f4", "complaintFeedbackType": "not-spam"}),
    "Reject": ("reject", {"reason": "Bad content"}),
    "Rendering Failure": ("failure", {"errorMessage": "Attribute 'x' is not present"}),
    "Open": ("open", {}),
}
NAMES = {"Soft": "Bounce", "NotSpam": "Complaint"}


def said(kind: str, reader: int = 1, *, attempt: int = 1, minute: int = 0, **more: Any) -> str:
    """An event record as SES writes it."""
    at = (NOW + timedelta(minutes=minute)).isoformat()
    part, values = PARTS[kind]
    mail = {
        "timestamp": NOW.isoformat(),
        "messageId": f"m-{reader}-{attempt}",
        "destination": [f"reader{reader}@example.com"],
        "tags": {"delivery": [f"{SEND}-{reader}-{attempt}"]},
    }
    return json.dumps({"eventType": NAMES.get(kind, kind), "mail": mail, part: {"timestamp": at, **values, **more}})


@pytest.fixture
def ledger(app: App) -> App:
    """A send with readers 1 to 9, all uncertain after their first attempt."""
    with app.store.write() as connection:
        row = {"hash": "b" * 64, "newsletter": "daily", "issue": "i", "date": date(2024, 10, 10), "built_at": NOW}
        connection.execute(insert(builds).values(row))
        row = {"id": SEND, "newsletter": "daily", "issue": "i", "build": "b" * 64, "state": "done", "person": "ann"}
        connection.execute(insert(sends).values(transport="ses", date_waived=False, created_at=NOW, **row))
        for reader in range(1, 10):
            person = {"id": reader, "address_hash": f"h1:{reader}", "address": f"reader{reader}@example.com"}
            connection.execute(insert(subscribers).values(created_at=NOW, **person))
            row = {"send_id": SEND, "subscriber_id": reader, "batch": 1, "state": "uncertain", "reason": "lost"}
            connection.execute(insert(deliveries).values(attempt=1, **row))
    return app


@contextmanager
def changed(app: App, reader: int, **values: object) -> Iterator[None]:
    with app.store.write() as connection:
        connection.execute(deliveries.update().where(deliveries.c.subscriber_id == reader).values(values))
    yield


def hear(app: App, *messages: str) -> Applied:
    with app.store.write() as connection:
        return apply_messages(connection, messages, settings=app.settings, keys=app.keys, now=NOW)


def row(app: App, reader: int = 1) -> Any:
    with app.store.read() as connection:
        return connection.execute(select(deliveries).where(deliveries.c.subscriber_id == reader)).one()


def suppressed(connection: Connection) -> set[tuple[str, str, str]]:
    query = select(suppressions.c.address_hash, suppressions.c.scope, suppressions.c.reason)
    return {tuple(found) for found in connection.execute(query)}


@pytest.mark.parametrize(
    "kind", ["Send", "Delivery", "DeliveryDelay", "Bounce", "Soft", "Complaint", "NotSpam", "Open"]
)
def test_proof_of_a_hand_over_settles_who_was_in_doubt(ledger: App, kind: str) -> None:
    assert hear(ledger, said(kind)).settled == 1
    found = row(ledger)
    assert (found.state, found.reason, found.message_id) == ("accepted", None, "m-1-1")
    assert row(ledger, 2).state == "uncertain"


@pytest.mark.parametrize("kind", ["Reject", "Rendering Failure"])
def test_what_the_provider_did_not_mail_settles_as_refused(ledger: App, kind: str) -> None:
    assert hear(ledger, said(kind)).settled == 1
    assert (row(ledger).state, row(ledger).outcome) == ("refused", "rejected")


def test_an_event_is_stored_and_counts_once_however_often_it_comes(ledger: App) -> None:
    once = said("Bounce")
    assert hear(ledger, once, once).duplicates == 1
    again = hear(ledger, once)
    assert (again.duplicates, again.new, again.settled, again.outcomes) == (1, 0, 0, 0)
    with ledger.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(raw_events)) == 1
        assert connection.scalar(select(func.count()).select_from(events)) == 1


def test_the_gravest_outcome_stands_in_any_order_of_arrival(ledger: App) -> None:
    """All orders of four events, each as pages of its own."""
    kinds = ["Send", "Delivery", "Bounce", "Complaint"]
    ends = set()
    for reader, order in zip(range(1, 10), permutations(kinds), strict=False):
        for kind in order:
            hear(ledger, said(kind, reader))
        found = row(ledger, reader)
        ends.add((found.state, found.outcome))
    assert ends == {("accepted", "complained")}


@given(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=6), st.randoms())
def test_the_fold_is_the_same_in_any_order_and_number(kinds: list[str], chance: Any) -> None:
    heard = [parse(said(kind, minute=minute)) for minute, kind in enumerate(kinds)]
    shuffled = [*heard, chance.choice(heard)]
    chance.shuffle(shuffled)
    ends = []
    for order in (heard, shuffled):
        standing = Standing("uncertain", 1)
        for event in order:
            standing.take(event, 1)
        ends.append((standing.state, standing.outcome, standing.rank, standing.outcome_at, standing.detail))
    assert ends[0] == ends[1]


def test_an_automatic_reply_after_a_delivery_is_no_bounce(ledger: App) -> None:
    hear(ledger, said("Soft"))
    assert row(ledger).outcome == "bounced"
    hear(ledger, said("Delivery"))
    assert row(ledger).outcome == "delivered"
    hear(ledger, said("Soft", minute=5))
    assert row(ledger).outcome == "delivered"
    hear(ledger, said("Bounce"))
    hear(ledger, said("Delivery", minute=9))
    assert row(ledger).outcome == "bounced"


def test_the_outcome_never_moves_the_state(ledger: App) -> None:
    with changed(ledger, 1, state="accepted", message_id="m-1-1"):
        hear(ledger, said("Reject"))
    assert (row(ledger).state, row(ledger).outcome) == ("accepted", "rejected")


def test_hard_bounces_and_complaints_suppress_everywhere_and_soft_ones_nobody(ledger: App) -> None:
    done = hear(
        ledger, said("Bounce", 1), said("Complaint", 2), said("Soft", 3), said("NotSpam", 4), said("Delivery", 5)
    )
    assert done.suppressed == 2
    with ledger.store.read() as connection:
        assert suppressed(connection) == {("h1:1", "*", "hard-bounce"), ("h1:2", "*", "complaint")}


def test_who_is_suppressed_is_our_reader_not_the_address_the_receiver_names(ledger: App) -> None:
    named = [{"emailAddress": "reader9@example.com", "status": "5.1.1"}]
    hear(ledger, said("Bounce", 1, bouncedRecipients=named))
    with ledger.store.read() as connection:
        assert suppressed(connection) == {("h1:1", "*", "hard-bounce")}


def test_a_refusal_of_our_configuration_never_blames_the_reader(ledger: App) -> None:
    refused = [{"emailAddress": "reader1@example.com", "diagnosticCode": "smtp; 550 5.7.515 Access denied"}]
    assert hear(ledger, said("Bounce", 1, bouncedRecipients=refused)).suppressed == 0
    assert row(ledger).outcome == "bounced"


def test_proof_of_an_earlier_attempt_counts_before_the_reader_is_mailed_again(ledger: App) -> None:
    """A person sent again, and before the second hand-over the first one's event arrives."""
    with changed(ledger, 1, state="pending", reason=None):
        assert hear(ledger, said("Send", attempt=1)).settled == 1
    assert row(ledger).state == "accepted"
    with changed(ledger, 2, state="uncertain", attempt=2):
        hear(ledger, said("Delivery", 2, attempt=1))
    assert (row(ledger, 2).state, row(ledger, 2).attempt) == ("accepted", 2)


def test_that_an_earlier_attempt_was_not_mailed_says_nothing_of_the_present_one(ledger: App) -> None:
    with changed(ledger, 1, state="in_flight", attempt=2, owner="o"):
        assert hear(ledger, said("Reject", attempt=1)).settled == 0
    assert (row(ledger).state, row(ledger).owner) == ("in_flight", "o")


def test_a_reader_left_out_after_a_lost_hand_over_is_accounted_for_as_having_it(ledger: App) -> None:
    with changed(ledger, 1, state="excluded", reason="unsubscribed"):
        hear(ledger, said("Delivery"))
    assert (row(ledger).state, row(ledger).outcome) == ("accepted", "delivered")


def test_an_event_that_comes_before_its_answer_settles_the_hand_over(ledger: App) -> None:
    with changed(ledger, 1, state="in_flight", owner="o"):
        assert hear(ledger, said("Send")).settled == 1
    assert (row(ledger).state, row(ledger).owner) == ("accepted", None)


def test_events_of_mail_we_do_not_know_are_kept_and_counted(ledger: App) -> None:
    stranger = said("Bounce", 77)
    untagged = json.dumps({**json.loads(said("Bounce")), "mail": {"timestamp": NOW.isoformat(), "messageId": "x"}})
    done = hear(ledger, stranger, untagged)
    assert (done.unknown_deliveries, done.settled, done.suppressed) == (2, 0, 0)
    with ledger.store.read() as connection:
        assert set(connection.scalars(select(events.c.applied))) == {"unknown-delivery"}


def test_what_is_no_event_is_ignored_and_the_rest_of_the_page_applied(ledger: App) -> None:
    done = hear(ledger, "Successfully validated SNS topic", said("Send"), "{}")
    assert (done.received, done.ignored, done.settled) == (3, 2, 1)
    assert hear(ledger) == Applied()


def test_stored_outcomes_keep_their_rank() -> None:
    for outcome in ("none", "delayed", "delivered", "rejected", "bounced", "complained"):
        assert Standing("accepted", 1, rank=rank_of(outcome, hard=True)).outcome == outcome
    assert rank_of("bounced", hard=False) < rank_of("delivered", hard=False) < rank_of("bounced", hard=True)


def test_what_comes_in_about_an_erased_reader_counts_but_keeps_nothing_of_her(ledger: App) -> None:
    """Invariant 9."""
    with ledger.store.write() as connection:
        gone = subscribers.c.id == 3
        connection.execute(update(subscribers).where(gone).values(address=None, erased_at=NOW))
    bounce = said("Bounce", 3, bouncedRecipients=[{"diagnosticCode": "550 <reader3@example.com> unknown"}])
    assert hear(ledger, bounce, said("Bounce", 4)).settled == 2
    with ledger.store.read() as connection:
        kept = list(connection.scalars(select(raw_events.c.body).order_by(raw_events.c.id)))
        row = connection.execute(select(deliveries).where(deliveries.c.subscriber_id == 3)).one()
    assert (kept[0], "reader4" in kept[1]) == ("", True)
    assert row.outcome == "bounced"
    assert "reader3" not in str(row)


def test_a_late_bounce_of_a_former_address_does_not_cost_the_reader_her_new_one(ledger: App) -> None:
    with ledger.store.write() as connection:
        connection.execute(update(deliveries).values(handed_over_at=NOW))
        for reader, moved in ((3, NOW + timedelta(hours=1)), (4, NOW - timedelta(hours=1))):
            keep_detail(connection, reader, FORMER_ADDRESS, "old@example.org", now=moved, days=30)
    assert hear(ledger, *(said("Bounce", reader) for reader in (3, 4, 5))).suppressed == 2
    assert hear(ledger, said("Complaint", 3)).suppressed == 1  # that she said herself
