"""The simulator's record is true over kills, its events follow from it, and its signature holds."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from newsletter.errors import InputError, NewsletterError
from newsletter.simulator.server import Running, run, start

Fetch = Callable[[str], dict[str, Any]]
MakeClient = Callable[[str], Any]
CONTENT = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Body"}}}}
TEMPLATE = {"TemplateContent": {"Subject": "Hello", "Text": "Dear {{name}}"}, "TemplateData": "{}"}


def send(client: Any, address: str, tag: str = "t", content: dict[str, Any] | None = None) -> str:
    found: str = client.send_email(
        FromEmailAddress="a@news.example.org",
        Destination={"ToAddresses": [address]},
        Content=content or CONTENT,
        EmailTags=[{"Name": "delivery", "Value": tag}],
    )["MessageId"]
    return found


def events_of(simulator: Running, fetch: Fetch, message_id: str) -> list[dict[str, Any]]:
    envelopes = _all(simulator, fetch)
    found = [json.loads(envelope["Message"]) for envelope in envelopes]
    return [event for event in found if event["mail"]["messageId"] == message_id]


def _all(simulator: Running, fetch: Fetch) -> list[dict[str, Any]]:
    envelopes: list[dict[str, Any]] = []
    after = 0
    while True:
        page = fetch(f"{simulator.url}/_simulator/events?after={after}&limit=7")
        if not page["messages"]:
            return envelopes
        envelopes += page["messages"]
        assert page["next"] == len(envelopes)
        after = page["next"]


@pytest.mark.parametrize(
    ("address", "kinds"),
    [
        ("ann@example.org", ["Send", "Delivery"]),
        ("success@simulator.amazonses.com", ["Send", "Delivery"]),
        ("bounce+a17@simulator.amazonses.com", ["Send", "Bounce"]),
        ("Complaint@Simulator.AmazonSES.com", ["Send", "Delivery", "Complaint"]),
        ("ooto@simulator.amazonses.com", ["Send", "Delivery", "Bounce"]),
        ("suppressionlist@simulator.amazonses.com", ["Send", "Bounce"]),
    ],
)
def test_each_address_has_the_events_its_mailbox_stands_for(
    simulator: Running, client: Any, fetch: Fetch, address: str, kinds: list[str]
) -> None:
    events = events_of(simulator, fetch, send(client, address, "k7f3m2qa-17-1"))
    assert [event["eventType"] for event in events] == kinds
    assert {tuple(event["mail"]["tags"]["delivery"]) for event in events} == {("k7f3m2qa-17-1",)}
    assert all(event["mail"]["destination"] == [address] for event in events)


@pytest.mark.parametrize(
    ("mailbox", "kind", "subtype"),
    [
        ("bounce", "Permanent", "General"),
        ("suppressionlist", "Permanent", "OnAccountSuppressionList"),
        ("ooto", "Transient", "General"),
    ],
)
def test_bounces_have_the_types_ses_gives(
    simulator: Running, client: Any, fetch: Fetch, mailbox: str, kind: str, subtype: str
) -> None:
    events = events_of(simulator, fetch, send(client, f"{mailbox}@simulator.amazonses.com"))
    bounce = events[-1]["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == (kind, subtype)


def test_a_missing_variable_is_accepted_and_fails_to_render(simulator: Running, client: Any, fetch: Fetch) -> None:
    message_id = send(client, "ann@example.org", content={"Template": TEMPLATE})
    (event,) = events_of(simulator, fetch, message_id)
    assert event["eventType"] == "Rendering Failure"
    assert event["failure"]["errorMessage"] == "Attribute 'name' is not present in the rendering data."
    assert not (simulator.data / "messages" / f"{message_id}.eml").exists()


def test_every_envelope_is_signed_with_the_certificate_it_names(simulator: Running, client: Any, fetch: Fetch) -> None:
    send(client, "ann@example.org")
    envelope = _all(simulator, fetch)[-1]
    assert envelope["SignatureVersion"] == "2"
    assert envelope["TopicArn"] == "arn:aws:sns:us-east-1:000000000000:newsletter-simulator"
    assert envelope["SigningCertURL"].startswith(f"{simulator.url}/SimpleNotificationService-")
    with urllib.request.urlopen(envelope["SigningCertURL"], timeout=10) as response:
        key = x509.load_pem_x509_certificate(response.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    text = "".join(f"{name}\n{envelope[name]}\n" for name in names)
    signature = base64.b64decode(envelope["Signature"])
    key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(signature, (text + ".").encode(), padding.PKCS1v15(), hashes.SHA256())


def test_a_killed_simulator_comes_back_with_the_same_record_and_events(
    tmp_path: Path, fetch: Fetch, make_client: MakeClient
) -> None:
    first = start(tmp_path)
    ids = [send(make_client(first.url), "ann@example.org", f"t-{number}") for number in range(3)]
    envelopes = _all(first, fetch)
    first.kill()
    with (tmp_path / "record.jsonl").open("ab") as file:
        file.write(b'{"message_id": "half a li')
    with start(tmp_path) as second:
        rows = fetch(f"{second.url}/_simulator/messages?after=0")["messages"]
        assert [row["message_id"] for row in rows] == ids
        assert [row["tags"] for row in rows] == [{"delivery": f"t-{number}"} for number in range(3)]
        again = _all(second, fetch)
        port = [{**envelope, "SigningCertURL": ""} for envelope in again]
        assert port == [{**envelope, "SigningCertURL": ""} for envelope in envelopes]
        fourth = send(make_client(second.url), "ann@example.org", "t-3")
        page = fetch(f"{second.url}/_simulator/messages?after=3&limit=5")
        assert [row["message_id"] for row in page["messages"]] == [fourth]
        assert page["next"] == 4
        assert make_client(second.url).get_account()["SendQuota"]["SentLast24Hours"] == 4.0


def test_the_account_refuses_what_exceeds_its_day_and_counts_no_simulator_mailbox(
    tmp_path: Path, make_client: MakeClient
) -> None:
    with start(tmp_path, daily=2, keep_messages=False) as simulator:
        client = make_client(simulator.url)
        send(client, "success@simulator.amazonses.com")
        send(client, "ann@example.org")
        entries = [{"Destination": {"ToAddresses": [f"{name}@example.org"]}} for name in ("bo", "cy")]
        template = {**TEMPLATE, "TemplateData": '{"name": "x"}'}
        results = client.send_bulk_email(
            FromEmailAddress="a@news.example.org", DefaultContent={"Template": template}, BulkEmailEntries=entries
        )["BulkEmailEntryResults"]
        assert [result["Status"] for result in results] == ["SUCCESS", "ACCOUNT_DAILY_QUOTA_EXCEEDED"]
        with pytest.raises(ClientError, match="Daily message quota exceeded") as caught:
            send(client, "dee@example.org")
        assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
        assert client.get_account()["SendQuota"]["SentLast24Hours"] == 2.0
        assert list((tmp_path / "messages").iterdir()) == []


def test_two_simulators_do_not_share_a_folder(simulator: Running) -> None:
    with pytest.raises(NewsletterError, match="Another simulator"):
        start(simulator.data)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_it_binds_to_loopback_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError, match="loopback only"):
        run(host=host, port=0, data=tmp_path)


def test_a_port_in_use_is_said_in_words(tmp_path: Path, simulator: Running) -> None:
    with pytest.raises(NewsletterError, match="cannot use port"):
        start(tmp_path, port=int(simulator.url.rpartition(":")[2]))


def test_it_ends_cleanly_when_told(tmp_path: Path) -> None:
    simulator = start(tmp_path)
    simulator.stop()
    assert simulator.process.returncode == 0
    assert (tmp_path / "simulator.log").read_text() == ""


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    simulator = start(tmp_path)
    assert simulator.process.stdin is not None
    simulator.process.stdin.close()
    assert simulator.process.wait(timeout=60) == 0
