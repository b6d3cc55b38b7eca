"""SES's words turned into ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from newsletter.feedback.vocabulary import Delivery, Kind, NotAnEvent, parse

AT = "2024-10-10T11:00:00.000Z"


def record(event: str, *, key: str = "eventType", tag: str | None = "abcdefgh-7-1", **parts: object) -> str:
    mail: dict[str, Any] = {"timestamp": AT, "messageId": "m-1", "destination": ["ann@example.com"]}
    mail["tags"] = {"ses:source-ip": ["192.0.2.0"], **({"delivery": [tag]} if tag else {})}
    return json.dumps({key: event, "mail": mail, "notSeenBefore": {"x": 1}, **parts})


def bounce(kind: str = "Permanent", **recipient: str) -> dict[str, Any]:
    who = {"emailAddress": "ann@example.com", "status": "5.1.1", **recipient}
    return {
        "bounceType": kind,
        "bounceSubType": "General",
        "bouncedRecipients": [who],
        "timestamp": AT,
        "feedbackId": "f-1",
    }


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (record("Send", send={}), Kind.SEND),
        (record("Delivery", delivery={"timestamp": AT, "recipients": ["ann@example.com"]}), Kind.DELIVERY),
        (record("DeliveryDelay", deliveryDelay={"timestamp": AT, "delayType": "MailboxFull"}), Kind.DELAY),
        (record("Bounce", bounce=bounce()), Kind.BOUNCE),
        (record("Bounce", bounce=bounce("Transient")), Kind.SOFT_BOUNCE),
        (record("Bounce", bounce=bounce("Undetermined")), Kind.SOFT_BOUNCE),
        (record("Bounce", bounce=bounce("SomethingNew")), Kind.BOUNCE),
        (record("Complaint", complaint={"timestamp": AT, "complaintFeedbackType": "abuse"}), Kind.COMPLAINT),
        (record("Complaint", complaint={"timestamp": AT, "complaintFeedbackType": "not-spam"}), Kind.NOT_SPAM),
        (record("Complaint", complaint={"timestamp": AT, "complaintSubType": None}), Kind.COMPLAINT),
        (record("Reject", reject={"reason": "Bad content"}), Kind.REJECT),
        (record("Rendering Failure", failure={"errorMessage": "Attribute 'x' is missing"}), Kind.NOT_RENDERED),
        (record("Open", open={"timestamp": AT, "ipAddress": "192.0.2.1"}), Kind.OPEN),
        (record("Click", click={"timestamp": AT, "link": "https://example.org"}), Kind.CLICK),
        (record("Subscription", subscription={}), Kind.SUBSCRIPTION),
        (record("Bounce", key="notificationType", bounce=bounce()), Kind.BOUNCE),
        (record("Tomorrow's Event"), Kind.UNKNOWN),
    ],
)
def test_every_event_has_its_word(message: str, kind: Kind) -> None:
    event = parse(message)
    assert event.kind is kind
    assert event.delivery == Delivery("abcdefgh", 7, 1)
    assert event.message_id == "m-1"


@pytest.mark.parametrize(
    "message",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "",
        "[]",
        "null",
        '{"eventType": "Send"}',
        '{"eventType": "Send", "mail": {"messageId": "m", "timestamp": "yesterday"}}',
        '{"eventType": "Send", "mail": {"messageId": "m", "timestamp": "2024-10-10T11:00:00"}}',
        '{"eventType": "Send", "mail": "m"}',
    ],
)
def test_what_is_no_event_says_so(message: str) -> None:
    with pytest.raises(NotAnEvent):
        parse(message)


@pytest.mark.parametrize(
    "tag",
    ["", "abcdefgh", "abcdefgh-0-1", "abcdefgh-7-0", "ABCDEFGH-7-1", "abcdefgh-7-1-2", f"abcdefgh-{'9' * 30}-1"],
)
def test_a_tag_that_is_not_ours_names_no_delivery(tag: str) -> None:
    assert parse(record("Send", tag=tag)).delivery is None


def test_a_mail_without_a_tag_names_no_delivery() -> None:
    assert parse(record("Send", tag=None)).delivery is None


@pytest.mark.parametrize(
    ("recipient", "ours"),
    [
        ({"status": "5.7.515"}, True),
        ({"status": "5.0.0", "diagnosticCode": "smtp; 550 5.7.515 Access denied, sending domain"}, True),
        ({"status": "5.7.26"}, True),
        ({"status": "5.1.1"}, False),
        ({"status": "5.7.1"}, False),
        ({"status": "15.7.515"}, False),
    ],
)
def test_a_bounce_for_our_configuration_is_told_from_one_for_the_reader(recipient: dict[str, str], ours: bool) -> None:
    assert parse(record("Bounce", bounce=bounce(**recipient))).our_fault is ours


def test_what_a_receiver_says_is_not_kept_with_the_outcome_since_it_names_the_person() -> None:
    event = parse(record("Bounce", bounce=bounce(diagnosticCode="550 ann@example.com unknown")))
    assert event.detail == "Permanent/General 5.1.1"


def test_the_same_event_has_the_same_key_and_another_has_another() -> None:
    first = parse(record("Bounce", bounce=bounce())).dedup
    assert parse(record("Bounce", bounce=bounce(), more=1)).dedup == first
    other = {**bounce(), "feedbackId": "f-2"}
    assert parse(record("Bounce", bounce=other)).dedup != first
    assert parse(record("Send", send={})).dedup != first
