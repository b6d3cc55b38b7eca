"""Pushed events: an endpoint is asked first, then posted to, and tried again; a queue gets the same envelopes."""

from __future__ import annotations

import base64
import json
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from moto.server import ThreadedMotoServer

from newsletter.errors import InputError
from newsletter.simulator.server import Running, Subscribers, run, start

MakeClient = Callable[[str], Any]
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


class Endpoint:
    """A newsroom's door: it keeps what is posted, and answers what it is told to, 200 otherwise."""

    def __init__(self) -> None:
        self.posted: queue.Queue[tuple[dict[str, str], dict[str, str]]] = queue.Queue()
        self.answers: list[int] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                door.posted.put(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
                self.send_response(door.answers.pop(0) if door.answers else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/notifications"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def next(self) -> tuple[dict[str, str], dict[str, str]]:
        return self.posted.get(timeout=30)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Running]:
    with start(tmp_path) as running:
        yield running


def post(url: str, body: dict[str, Any]) -> Any:
    ask = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=10) as response:
        return json.load(response)


def send(client: Any) -> None:
    content = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Body"}}}}
    client.send_email(
        FromEmailAddress="a@news.example.org", Destination={"ToAddresses": ["ann@example.org"]}, Content=content
    )


def check_signature(envelope: dict[str, str], version: str) -> None:
    with urllib.request.urlopen(envelope["SigningCertURL"], timeout=10) as response:
        key = x509.load_pem_x509_certificate(response.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert envelope["SignatureVersion"] == version
    text = "".join(f"{name}\n{envelope[name]}\n" for name in SIGNED[envelope["Type"]]).encode()
    chosen = hashes.SHA1() if version == "1" else hashes.SHA256()
    key.verify(base64.b64decode(envelope["Signature"]), text, padding.PKCS1v15(), chosen)


def visit(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        found: bytes = response.read()
        return found


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_endpoint_is_asked_and_gets_events_from_its_yes_on(
    alone: Running, endpoint: Endpoint, make_client: MakeClient, version: str
) -> None:
    client = make_client(alone.url)
    post(f"{alone.url}/_simulator/faults", {"sns": {"signature": version}})
    send(client)  # before anybody listens
    post(f"{alone.url}/_simulator/subscriptions", {"endpoint": endpoint.url})
    headers, asked = endpoint.next()
    assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    check_signature(asked, version)
    send(client)  # not confirmed yet
    assert b"SubscriptionArn" in visit(asked["SubscribeURL"])
    send(client)
    got = [endpoint.next() for _ in range(2)]
    assert [json.loads(envelope["Message"])["eventType"] for _, envelope in got] == ["Send", "Delivery"]
    for headers, envelope in got:
        check_signature(envelope, version)
        assert headers["x-amz-sns-message-type"] == "Notification"
        assert headers["x-amz-sns-message-id"] == envelope["MessageId"]
        assert headers["x-amz-sns-subscription-arn"].startswith(headers["x-amz-sns-topic-arn"] + ":")
    assert len({json.loads(envelope["Message"])["mail"]["messageId"] for _, envelope in got}) == 1
    assert endpoint.posted.empty()


def test_a_subscription_is_confirmed_by_sns_s_own_call_too_and_by_no_other_token(
    alone: Running, endpoint: Endpoint, make_client: MakeClient
) -> None:
    post(f"{alone.url}/_simulator/subscriptions", {"endpoint": endpoint.url})
    _, asked = endpoint.next()
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    sns = boto3.client("sns", endpoint_url=alone.url, config=Config(retries={"total_max_attempts": 1}), **keys)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        visit(asked["SubscribeURL"] + "x")
    arn = sns.confirm_subscription(TopicArn=asked["TopicArn"], Token=asked["Token"])["SubscriptionArn"]
    assert arn.startswith(asked["TopicArn"] + ":")
    send(make_client(alone.url))
    assert json.loads(endpoint.next()[1]["Message"])["eventType"] == "Send"


def test_a_post_that_fails_is_tried_again_and_one_that_is_refused_is_not(
    alone: Running, endpoint: Endpoint, make_client: MakeClient
) -> None:
    post(f"{alone.url}/_simulator/faults", {"sns": {"retries": 2, "wait": 0}})
    post(f"{alone.url}/_simulator/subscriptions", {"endpoint": endpoint.url})
    visit(endpoint.next()[1]["SubscribeURL"])
    endpoint.answers = [503, 500, 200, 400]
    send(make_client(alone.url))
    got = [json.loads(endpoint.next()[1]["Message"])["eventType"] for _ in range(4)]
    assert got == ["Send", "Send", "Send", "Delivery"]
    endpoint.answers = [500, 500, 500]
    send(make_client(alone.url))
    got = [json.loads(endpoint.next()[1]["Message"])["eventType"] for _ in range(4)]
    assert got == ["Send", "Send", "Send", "Delivery"]
    assert endpoint.posted.empty()


@pytest.mark.parametrize(
    "address", ["http://192.0.2.1/x", "http://example.org/x", "ftp://127.0.0.1/x", "http://a@127.0.0.1/", "http://[x"]
)
def test_events_are_sent_to_this_machine_only(alone: Running, tmp_path: Path, address: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(f"{alone.url}/_simulator/subscriptions", {"endpoint": address})
    with pytest.raises(InputError, match="--sns"):
        run(port=0, data=tmp_path / "other", subscribers=Subscribers((address,)))
    with pytest.raises(InputError, match="--sqs"):
        run(port=0, data=tmp_path / "other", subscribers=Subscribers(queue=address))


def test_a_queue_gets_every_envelope_from_then_on(alone: Running, make_client: MakeClient) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        sqs = boto3.client("sqs", endpoint_url=endpoint, **keys)
        url = sqs.create_queue(QueueName="events")["QueueUrl"]
        post(f"{alone.url}/_simulator/subscriptions", {"queue": url, "endpoint": endpoint})
        for _ in range(7):
            send(make_client(alone.url))
        found: list[dict[str, str]] = []
        while len(found) < 14:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages")
            assert messages
            found += [json.loads(message["Body"]) for message in messages]
        assert sorted({json.loads(one["Message"])["eventType"] for one in found}) == ["Delivery", "Send"]
        check_signature(found[0], "2")
    finally:
        server.stop()
