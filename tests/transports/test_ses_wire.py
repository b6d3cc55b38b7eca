"""What we put on the wire is what boto3 would have put there, and SES can check the signature."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from newsletter.transports.ses_wire import SesWire

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", "a-session-token")


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@dataclass
class Listener:
    """Takes requests down and answers each with an empty object."""

    url: str
    posts: list[Post] = field(default_factory=list)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listening.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listening = Listener(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield listening
    server.shutdown()
    server.server_close()


@pytest.fixture
def ours(listener: Listener) -> SesWire:
    listener.posts.clear()
    session = botocore.session.get_session()
    return SesWire(session, listener.url, "eu-west-1", credentials=KEYS, connections=2, timeout=(1, 5))


@pytest.fixture
def boto(listener: Listener) -> Any:
    session = boto3.session.Session(KEYS.access_key, KEYS.secret_key, KEYS.token, region_name="eu-west-1")
    return session.client("sesv2", endpoint_url=listener.url)


TAGS = [{"Name": "delivery", "Value": "abcdefgh-1-1"}]


def test_one_mail_is_the_call_boto3_makes(ours: SesWire, boto: Any, listener: Listener) -> None:
    data = "Subject: Überraschung \"'\\\r\n\r\n{{x}}\x00\r\n".encode() * 100
    ours.send_raw("daily@news.example.org", "ann@example.org", data, tags=TAGS, through={"ConfigurationSetName": "n"})
    boto.send_email(
        FromEmailAddress="daily@news.example.org",
        Destination={"ToAddresses": ["ann@example.org"]},
        Content={"Raw": {"Data": data}},
        EmailTags=TAGS,
        ConfigurationSetName="n",
    )
    mine, theirs = listener.posts
    assert (mine.path, mine.said) == (theirs.path, theirs.said)
    assert mine.headers["content-type"] == theirs.headers["content-type"]


def test_fifty_readers_are_the_call_boto3_makes(ours: SesWire, boto: Any, listener: Listener) -> None:
    template = {"TemplateName": "t", "TemplateData": '{"a": "ü"}', "Headers": [{"Name": "List-ID", "Value": "<a.b>"}]}
    request = {
        "FromEmailAddress": "=?utf-8?q?=C3=89lan?= <daily@news.example.org>",
        "ReplyToAddresses": [],
        "DefaultContent": {"Template": template},
        "BulkEmailEntries": [
            {
                "Destination": {"ToAddresses": [f"r{n}@example.org"]},
                "ReplacementTags": TAGS,
                "ReplacementHeaders": [{"Name": "X-K", "Value": str(n)}],
                "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": '{"n": "Zoë 🦊"}'}},
            }
            for n in range(50)
        ],
    }
    ours.send_bulk(request)
    boto.send_bulk_email(**request)
    mine, theirs = listener.posts
    assert (mine.path, mine.said) == (theirs.path, theirs.said)


def test_the_signature_covers_the_body_and_names_the_service_and_region(ours: SesWire, listener: Listener) -> None:
    ours.send_raw("daily@news.example.org", "ann@example.org", b"Subject: x\r\n\r\n", tags=TAGS, through={})
    [post] = listener.posts
    again = AWSRequest("POST", listener.url + post.path, data=post.body, headers={"Content-Type": "application/json"})
    again.context["timestamp"] = post.headers["x-amz-date"]
    signer = SigV4Auth(KEYS.get_frozen_credentials(), "ses", "eu-west-1")
    again.headers["X-Amz-Date"] = post.headers["x-amz-date"]
    again.headers["X-Amz-Security-Token"] = KEYS.token
    signed = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    assert f"Signature={signed}" in post.headers["authorization"]
    assert "/eu-west-1/ses/aws4_request" in post.headers["authorization"]


def test_without_credentials_nothing_leaves(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    listener.posts.clear()
    session = botocore.session.get_session()
    wire = SesWire(session, listener.url, "eu-west-1", credentials=None, connections=1, timeout=(1, 5))
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        wire.send_bulk({})
    assert listener.posts == []


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        session = botocore.session.get_session()
        wire = SesWire(session, url, "eu-west-1", credentials=KEYS, connections=1, timeout=(1, 5))
        with pytest.raises(botocore.exceptions.ClientError):
            wire.send_bulk({})
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/v2/email/outbound-bulk-emails"]


def test_trouble_on_the_way_has_botocores_names() -> None:
    """They say how far the request had come, which decides whether it may be tried again."""
    with socket.create_server(("127.0.0.1", 0)) as closing:
        free = closing.getsockname()[1]
    session = botocore.session.get_session()
    nobody = SesWire(session, f"http://127.0.0.1:{free}", "eu-west-1", credentials=KEYS, connections=1, timeout=(1, 5))
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        nobody.send_bulk({})
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        silent = SesWire(session, url, "eu-west-1", credentials=KEYS, connections=1, timeout=(1, 0.1))
        with pytest.raises(botocore.exceptions.ReadTimeoutError):
            silent.send_bulk({})
