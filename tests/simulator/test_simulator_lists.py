"""The account's own lists: who is suppressed, and which configuration sets publish what."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from newsletter.simulator.server import Running, start

Fetch = Callable[[str], dict[str, Any]]
CONTENT = {
    "Simple": {
        "Subject": {"Data": "Hello"},
        "Body": {
            "Html": {
                "Data": '<p><a href="https://a.example/1">one</a> <a ses:no-track href="https://a.example/own">own</a> '
                '<a href="https://a.example/2">two</a> <a href="mailto:a@example.org">write</a></p>'
            }
        },
    }
}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Running]:
    """A simulator of the test's own: lists are the account's."""
    with start(tmp_path) as running:
        yield running


@pytest.fixture
def own(alone: Running, make_client: Callable[[str], Any]) -> Any:
    return make_client(alone.url)


def send(client: Any, address: str = "ann@example.org", **more: Any) -> str:
    found: str = client.send_email(
        FromEmailAddress="a@news.example.org", Destination={"ToAddresses": [address]}, Content=CONTENT, **more
    )["MessageId"]
    return found


def events_of(simulator: Running, fetch: Fetch, message_id: str) -> list[dict[str, Any]]:
    envelopes = fetch(f"{simulator.url}/_simulator/events?limit=1000")["messages"]
    found = [json.loads(envelope["Message"]) for envelope in envelopes]
    return [event for event in found if event["mail"]["messageId"] == message_id]


def test_mail_to_a_suppressed_address_is_accepted_and_bounces(alone: Running, own: Any, fetch: Fetch) -> None:
    own.put_suppressed_destination(EmailAddress="Ann@Example.org", Reason="COMPLAINT")
    event = events_of(alone, fetch, send(own))[-1]
    assert event["bounce"]["bounceSubType"] == "OnAccountSuppressionList"
    own.delete_suppressed_destination(EmailAddress="ann@example.org")
    assert events_of(alone, fetch, send(own))[-1]["eventType"] == "Delivery"
    with pytest.raises(ClientError) as caught:
        own.get_suppressed_destination(EmailAddress="ann@example.org")
    assert caught.value.response["Error"]["Code"] == "NotFoundException"


def test_the_suppression_list_is_read_in_pages_by_reason_and_by_date(own: Any) -> None:
    for number in range(5):
        reason = "BOUNCE" if number % 2 else "COMPLAINT"
        own.put_suppressed_destination(EmailAddress=f"r{number}@example.org", Reason=reason)
    found, token = [], ""
    while True:
        page = own.list_suppressed_destinations(PageSize=2, **({"NextToken": token} if token else {}))
        found += [row["EmailAddress"] for row in page["SuppressedDestinationSummaries"]]
        token = page.get("NextToken", "")
        if not token:
            break
    assert found == [f"r{number}@example.org" for number in range(5)]
    bounces = own.list_suppressed_destinations(Reasons=["BOUNCE"])["SuppressedDestinationSummaries"]
    assert [row["EmailAddress"] for row in bounces] == ["r1@example.org", "r3@example.org"]
    hour, now = timedelta(hours=1), datetime.now(UTC)
    assert len(own.list_suppressed_destinations(StartDate=now - hour)["SuppressedDestinationSummaries"]) == 5
    assert own.list_suppressed_destinations(EndDate=now - hour)["SuppressedDestinationSummaries"] == []
    own.get_suppressed_destination(EmailAddress="R1@example.org")["SuppressedDestination"]["LastUpdateTime"].isoformat()


def test_a_configuration_set_publishes_what_its_destinations_match(alone: Running, own: Any, fetch: Fetch) -> None:
    own.create_configuration_set(ConfigurationSetName="quiet")
    assert events_of(alone, fetch, send(own, ConfigurationSetName="quiet")) == []
    destination = {"Enabled": True, "MatchingEventTypes": ["DELIVERY"], "SnsDestination": {"TopicArn": "arn:x"}}
    own.create_configuration_set_event_destination(
        ConfigurationSetName="quiet", EventDestinationName="few", EventDestination=destination
    )
    kinds = [event["eventType"] for event in events_of(alone, fetch, send(own, ConfigurationSetName="quiet"))]
    assert kinds == ["Delivery"]
    assert own.list_configuration_sets()["ConfigurationSets"] == ["newsletter", "quiet"]
    found = own.get_configuration_set_event_destinations(ConfigurationSetName="quiet")["EventDestinations"]
    assert [each["Name"] for each in found] == ["few"]
    own.delete_configuration_set_event_destination(ConfigurationSetName="quiet", EventDestinationName="few")
    assert events_of(alone, fetch, send(own, ConfigurationSetName="quiet")) == []
    own.delete_configuration_set(ConfigurationSetName="quiet")
    for unknown in ("quiet", "never"):
        with pytest.raises(ClientError) as caught:
            send(own, ConfigurationSetName=unknown)
        assert caught.value.response["Error"]["Code"] == "NotFoundException"


def tracking(opens: str, clicks: str) -> dict[str, Any]:
    return {"ConfigurationOverrides": {"Tracking": {"OpenTrackingEnabled": opens, "ClickTrackingEnabled": clicks}}}


EAGER = {"recipients": {"opens": 1, "clicks": 1, "scanners": 1}}


def test_nothing_is_measured_unless_the_call_allows_it(
    alone: Running, own: Any, fetch: Fetch, order: Callable[[str, dict[str, Any]], None]
) -> None:
    order(alone.url, EAGER)
    silent = [
        {},
        tracking("DISABLED", "DISABLED"),
        {"ConfigurationSetName": "newsletter", **tracking("DISABLED", "DISABLED")},
    ]
    for choice in silent:
        kinds = [event["eventType"] for event in events_of(alone, fetch, send(own, **choice))]
        assert kinds == ["Send", "Delivery"]
    opens = [event["eventType"] for event in events_of(alone, fetch, send(own, **tracking("ENABLED", "DISABLED")))]
    assert opens == ["Send", "Delivery", "Open", "Open"]
    rows = fetch(f"{alone.url}/_simulator/messages")["messages"]
    assert [row["tracking"] for row in rows] == [None, None, None, "opens"]


def test_a_machine_follows_every_measured_link_within_a_second_and_a_person_later(
    alone: Running, own: Any, fetch: Fetch, order: Callable[[str, dict[str, Any]], None]
) -> None:
    order(alone.url, EAGER)
    message_id = send(own, **tracking("DISABLED", "ENABLED"))
    events = events_of(alone, fetch, message_id)
    delivered = datetime.fromisoformat(events[1]["delivery"]["timestamp"])
    clicks = [event["click"] for event in events if event["eventType"] == "Click"]
    after = [datetime.fromisoformat(click["timestamp"]) - delivered for click in clicks]
    assert [click["link"] for click in clicks[:2]] == ["https://a.example/1", "https://a.example/2"]
    assert all(wait < timedelta(seconds=1) for wait in after[:2])
    assert len(clicks) == 3
    assert after[2] > timedelta(minutes=1)
    assert clicks[2]["userAgent"] != clicks[0]["userAgent"]
    kept = (alone.data / "messages" / f"{message_id}.eml").read_bytes()
    assert b"no-track" not in kept
    assert b"https://a.example/own" in kept


def test_the_mark_is_taken_off_a_raw_mail_too(alone: Running, own: Any) -> None:
    data = (
        b"From: a@news.example.org\r\nTo: ann@example.org\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b'<a ses:no-track href=3D"https://a.example/own">own</a><a href=3D"https://a.example/1">\r\n'
    )
    ask = {"FromEmailAddress": "a@news.example.org", "Destination": {"ToAddresses": ["ann@example.org"]}}
    message_id = own.send_email(**ask, Content={"Raw": {"Data": data}}, **tracking("DISABLED", "ENABLED"))["MessageId"]
    import email
    import email.policy

    kept = (alone.data / "messages" / f"{message_id}.eml").read_bytes()
    message = email.message_from_bytes(kept, policy=email.policy.default)
    assert message.get_content().strip() == '<a href="https://a.example/own">own</a><a href="https://a.example/1">'
    assert (alone.data / "links.jsonl").read_text() == '["https://a.example/1"]\n'
