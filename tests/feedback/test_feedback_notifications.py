"""POST /notifications/sns: what our topic says is taken; everything else is refused, each for its own reason."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from fastapi.testclient import TestClient
from feedback_rig import (
    CERTIFICATE,
    NOW,
    OTHER_KEY,
    TOPIC,
    add_send,
    certificate,
    delivery,
    envelope,
    hash_of,
    said,
    suppressed,
)
from sqlalchemy import select

from newsletter.app import App, open_app, system_clock
from newsletter.errors import StoreError
from newsletter.feedback import notifications as pushed
from newsletter.feedback.certificates import A_MINUTE, Certificates
from newsletter.feedback.fetching import Unreachable
from newsletter.feedback.notifications import Notifications, confirm_by_api
from newsletter.feedback.sns import Forged
from newsletter.simulator.server import start
from newsletter.store.engine import Store
from newsletter.store.tables import metadata
from newsletter.web.public import notifications as page
from newsletter.web.public.site import create_site

SEND = "abcdefgh"
BOUNCE = said("Bounce", SEND, 1)
SUBSCRIBE = {"Token": "a token", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"}


@dataclass
class Amazon:
    """What lies at Amazon's addresses, what was asked for there, and which subscriptions were confirmed."""

    pem: bytes = field(default_factory=certificate)
    asked: list[str] = field(default_factory=list)
    confirmed: list[tuple[str, str]] = field(default_factory=list)
    away: bool = False

    def load(self, url: str) -> bytes:
        self.asked.append(url)
        if self.away:
            raise Unreachable("sns does not answer.")
        return self.pem

    def confirm(self, said: Mapping[str, str]) -> None:
        if self.away:
            raise Unreachable("sns does not answer.")
        self.confirmed.append((said["TopicArn"], said["Token"]))


@dataclass
class Site:
    """The site over a send to nine readers, with Amazon at its other end."""

    app: App
    amazon: Amazon
    client: TestClient
    log: pytest.LogCaptureFixture

    def post(self, body: Mapping[str, Any] | bytes | str, **headers: str) -> tuple[int, str]:
        """The status, and what the log says about it."""
        self.log.clear()
        sent = body if isinstance(body, bytes | str) else json.dumps(body)
        given = {"Content-Type": "text/plain; charset=UTF-8", **{n.replace("_", "-"): v for n, v in headers.items()}}
        with self.log.at_level(logging.INFO, logger="newsletter"):
            answer = self.client.post("/notifications/sns", content=sent, headers=given)
        assert len(answer.text) < 40 or answer.status_code in {413, 503}  # nobody learns anything from it
        lines = [r.getMessage() for r in self.log.records if r.name.startswith("newsletter")]
        assert not any("@" in line.replace("…@", "") for line in lines)
        return answer.status_code, "\n".join(lines)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        with self.app.store.read() as connection:
            return {t.name: sorted(map(tuple, connection.execute(select(t))), key=repr) for t in metadata.sorted_tables}


def build_site(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> tuple[Site, Callable[[], None]]:
    app = open_app(root, now=lambda: NOW)
    amazon = Amazon()

    def notifications(*given: Any) -> Notifications:
        return Notifications(*given, load=amazon.load, confirm=amazon.confirm)

    monkeypatch.setattr(page, "Notifications", notifications)
    client = TestClient(create_site(app), base_url="https://news.example.org", follow_redirects=False)
    add_send(app, SEND, readers=9)
    return Site(app, amazon, client, caplog), app.store.close


@pytest.fixture
def site(
    make_workspace: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Site]:
    root = make_workspace(f'\n[feedback]\ntopics = ["{TOPIC}"]\n')
    found, close = build_site(root, monkeypatch, caplog)
    yield found
    close()


def test_an_event_of_our_topic_is_applied_and_a_replay_changes_nothing(site: Site) -> None:
    assert site.post(envelope(BOUNCE)) == (200, "")
    assert delivery(site.app, SEND).outcome == "bounced"
    assert suppressed(site.app) == {hash_of(site.app, 1): "hard-bounce"}
    before = site.rows()
    assert site.post(envelope(BOUNCE)) == (200, "")
    assert site.rows() == before
    assert site.amazon.asked == [CERTIFICATE]  # fetched once


def at(url: str) -> dict[str, Any]:
    return envelope(BOUNCE, SigningCertURL=url)


HOST = "https://sns.eu-west-1.amazonaws.com"
PEM = "/SimpleNotificationService-0123456789abcdef.pem"
FORGERIES: dict[str, tuple[Callable[[], Any], str]] = {
    "altered": (lambda: {**envelope(BOUNCE), "Message": said("Bounce", SEND, 2)}, "does not fit the message"),
    "signed by another key": (lambda: envelope(BOUNCE, key=OTHER_KEY), "does not fit the message"),
    "no signature": (lambda: {**envelope(BOUNCE), "Signature": "!"}, "does not fit the message"),
    "replayed too late": (lambda: envelope(BOUNCE, Timestamp="2024-10-10T10:59:59.000Z"), "too old, or from"),
    "from the future": (lambda: envelope(BOUNCE, Timestamp="2024-10-10T13:00:01.000Z"), "too old, or from"),
    "a foreign topic": (lambda: envelope(BOUNCE, TopicArn=f"{TOPIC}2"), "is not one of ours"),
    "another account": (lambda: envelope(BOUNCE, TopicArn=TOPIC.replace("1234", "9999")), "is not one of ours"),
    "no topic": (lambda: envelope(BOUNCE, TopicArn="ours"), "is not a topic of Amazon SNS"),
    "the simulator's topic": (
        lambda: envelope(BOUNCE, TopicArn="arn:aws:sns:us-east-1:000000000000:newsletter-simulator"),
        "is not one of ours",
    ),
    "plain http": (lambda: at(f"http://sns.eu-west-1.amazonaws.com{PEM}"), "is not https"),
    "a bucket": (lambda: at(f"https://bucket.s3.amazonaws.com{PEM}"), "is not at Amazon SNS"),
    "a lookalike": (lambda: at(f"https://sns.eu-west-1.amazonaws.com.evil.example{PEM}"), "is not at Amazon SNS"),
    "another lookalike": (lambda: at(f"https://sns-eu-west-1.amazonaws.com{PEM}"), "is not at Amazon SNS"),
    "this machine": (lambda: at(f"https://127.0.0.1{PEM}"), "is not at Amazon SNS"),
    "a port": (lambda: at(f"{HOST}:8443{PEM}"), "has a user name or a port"),
    "a user": (lambda: at(f"https://ann@sns.eu-west-1.amazonaws.com{PEM}"), "has a user name or a port"),
    "a user that hides a host": (lambda: at(f"{HOST}@evil.example{PEM}"), "has a user name or a port"),
    "another path": (lambda: at(f"{HOST}/other.pem"), "does not have the path"),
    "a query": (lambda: at(f"{HOST}{PEM}?x=1"), "does not have the path"),
    "another region": (lambda: at(f"https://sns.us-east-1.amazonaws.com{PEM}"), "is of the region us-east-1"),
    "SHA-1": (lambda: envelope(BOUNCE, version="1"), "version 2 (SHA-256) is required"),
    "an unknown version": (lambda: envelope(BOUNCE, version="3"), "version 2 (SHA-256) is required"),
    "raw delivery": (lambda: BOUNCE, "it carries no signature"),
    "another type": (lambda: envelope(BOUNCE) | {"Type": "Greeting"}, "is not one of Amazon SNS"),
    "a part missing": (lambda: {**envelope(BOUNCE), "MessageId": None}, "lacks MessageId"),
    "no JSON": (lambda: "Bounce", "is not a JSON object"),
    "a list": (lambda: "[]", "is not a JSON object"),
    "too deep": (lambda: "[" * 200_000, "is not a JSON object"),
    "no text": (lambda: b"\xff\xfe\x00", "is not a JSON object"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_for_its_own_reason_and_changes_no_row(site: Site, name: str) -> None:
    make, reason = FORGERIES[name]
    before = site.rows()
    status, log = site.post(make())
    assert status == 403
    assert log.startswith("A notification was refused: ")
    assert reason in log
    assert len(log.splitlines()) == 1
    assert site.rows() == before
    may_ask = {"altered", "signed by another key", "no signature"}
    assert not site.amazon.asked or name in may_ask  # nothing is fetched for a message refused before


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (certificate(since=NOW - timedelta(days=40)), "not in date"),
        (certificate(since=NOW + timedelta(days=1)), "not in date"),
        (b"nothing", "is not a certificate"),
    ],
)
def test_a_certificate_that_is_none_or_is_not_in_date_is_refused(site: Site, pem: bytes, reason: str) -> None:
    site.amazon.pem = pem
    before = site.rows()
    status, log = site.post(envelope(BOUNCE))
    assert (status, reason in log, site.rows() == before) == (403, True, True)


def test_raw_delivery_is_refused_by_its_header_too(site: Site) -> None:
    status, log = site.post(envelope(BOUNCE), x_amz_sns_rawdelivery="true")
    assert (status, "RawMessageDelivery" in log) == (403, True)


def test_old_signatures_count_only_where_they_are_allowed(
    make_workspace: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = make_workspace(f'\n[feedback]\ntopics = ["{TOPIC}"]\nallow_sha1 = true\n')
    site, close = build_site(root, monkeypatch, caplog)
    assert site.post(envelope(BOUNCE, version="1"))[0] == 200
    assert delivery(site.app, SEND).outcome == "bounced"
    close()


def test_what_is_no_event_is_acknowledged_and_forgotten(site: Site) -> None:
    before = site.rows()
    for text in ("Successfully validated SNS topic for Amazon SES event publishing.", "{}", "[" * 100_000):
        assert site.post(envelope(text)) == (200, "")
    assert site.rows() == before


def test_what_is_too_long_is_not_read_to_its_end(site: Site) -> None:
    assert site.post(b"x" * 700_000)[0] == 413
    long = said("Delivery", SEND, 1, smtpResponse="x" * 200_000)
    assert site.post(envelope(long))[0] == 200


def test_what_cannot_be_stored_or_checked_now_is_asked_for_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.amazon.away = True
    assert site.post(envelope(BOUNCE)) == (503, "A notification could not be checked now: sns does not answer.")
    site.amazon.away = False

    def broken(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", broken)
        assert site.post(envelope(BOUNCE))[0] == 503
        assert site.post(envelope(BOUNCE, TopicArn=f"{TOPIC}2"))[0] == 403  # a forgery is not worth a second try
    assert site.post(envelope(BOUNCE))[0] == 200


def test_only_a_subscription_to_our_topic_is_confirmed(site: Site) -> None:
    asked = envelope("You have chosen to subscribe", Type="SubscriptionConfirmation", **SUBSCRIBE)
    before = site.rows()
    assert site.post(asked) == (200, f"The subscription to {TOPIC} is confirmed.")
    assert site.amazon.confirmed == [(TOPIC, "a token")]
    foreign = envelope("", Type="SubscriptionConfirmation", TopicArn=f"{TOPIC}2", **SUBSCRIBE)
    assert site.post(foreign)[0] == 403
    forged = {**asked, "Token": "another"}
    assert site.post(forged)[0] == 403
    assert len(site.amazon.confirmed) == 1
    site.amazon.away = True
    assert site.post(asked)[0] == 503  # SNS asks again
    assert site.rows() == before


def test_the_end_of_a_subscription_is_said_and_nothing_is_subscribed_again(site: Site) -> None:
    ended = envelope("You have chosen to deactivate", Type="UnsubscribeConfirmation", **SUBSCRIBE)
    assert site.post(ended) == (200, f"{TOPIC} sends nothing here any more: its subscription was ended.")
    assert site.amazon.confirmed == []


def test_confirming_is_a_call_of_the_api_in_the_topics_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever address the message brings is not opened."""
    calls: list[dict[str, str]] = []

    class Client:
        def confirm_subscription(self, **given: str) -> None:
            calls.append(given)

    def client(service: str, region: str, **_: Any) -> Client:
        assert (service, region) == ("sns", "eu-west-1")
        return Client()

    monkeypatch.setattr(pushed, "client", client)
    confirm_by_api({"TopicArn": TOPIC, "Token": "t", "SubscribeURL": "http://169.254.169.254/"})
    assert calls == [{"TopicArn": TOPIC, "Token": "t", "AuthenticateOnUnsubscribe": "true"}]


def test_reading_the_address_changes_nothing_and_says_nothing(site: Site) -> None:
    before = site.rows()
    assert site.client.get("/notifications/sns").status_code == 405
    assert site.client.head("/notifications/sns").status_code == 405
    assert site.rows() == before


def test_certificates_are_asked_for_a_few_times_a_minute_at_most() -> None:
    clock = [0.0]
    certificates = Certificates(clock=lambda: clock[0])
    for _ in range(A_MINUTE):
        with pytest.raises(Unreachable, match="does not answer"):
            certificates("http://127.0.0.1:9/x.pem")
    with pytest.raises(Unreachable, match="in a minute"):
        certificates("http://127.0.0.1:9/x.pem")
    clock[0] = 61.0
    with pytest.raises(Unreachable, match="does not answer"):
        certificates("http://127.0.0.1:9/x.pem")


def test_an_address_at_which_no_certificate_lies_is_a_forgery(tmp_path: Path) -> None:
    with start(tmp_path / "ses", keep_messages=False) as simulator:
        with pytest.raises(Forged, match="answers 404"):
            Certificates()(f"{simulator.url}/SimpleNotificationService-00.pem")


def test_the_simulator_on_this_machine_pushes_what_came_back(
    make_workspace: Callable[..., Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The whole way: mail to the simulator, its signed event posted, its certificate fetched from it."""
    with start(tmp_path / "ses", keep_messages=False) as simulator:
        app = open_app(make_workspace(f'\n[feedback]\nsimulator_url = "{simulator.url}"\n'), now=system_clock)
        client = TestClient(create_site(app), base_url="https://news.example.org")
        add_send(app, SEND, readers=9)
        ses = boto3.session.Session("local", "local", region_name="us-east-1").client(
            "sesv2", endpoint_url=simulator.url
        )
        ses.send_email(
            FromEmailAddress="daily@news.example.org",
            Destination={"ToAddresses": ["bounce@simulator.amazonses.com"]},
            Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
            EmailTags=[{"Name": "delivery", "Value": f"{SEND}-1-1"}],
        )
        site = Site(app, Amazon(), client, caplog)
        found = pushed.fetch(f"{simulator.url}/_simulator/events?after=0&limit=9", most_bytes=100_000, seconds=5)
        messages = json.loads(found)["messages"]
        assert [site.post(message)[0] for message in messages] == [200, 200]
        assert site.post({**messages[1], "TopicArn": TOPIC})[0] == 403  # it speaks for its own topic only
        elsewhere = {"TopicArn": messages[0]["TopicArn"], "SubscribeURL": "http://169.254.169.254/", "Token": "t"}
        with pytest.raises(Forged, match="not the simulator's"):
            Notifications(app.store, app.settings, app.keys, app.now)._confirm(elsewhere)
        assert delivery(app, SEND).outcome == "bounced"
        app.store.close()
