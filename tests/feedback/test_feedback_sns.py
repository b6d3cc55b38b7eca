"""Forged and altered messages are refused, each for its reason; a real one passes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from newsletter.feedback.sns import Forged, Trust, string_to_sign, verified

NOW = datetime(2024, 10, 10, 12, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ours"
URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SIMULATOR = "http://127.0.0.1:8005"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: Any = KEY, *, since: datetime = NOW - timedelta(days=1), days: int = 30) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(since).not_valid_after(since + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def trust(pem: bytes | None = None, **more: Any) -> Trust:
    found = certificate() if pem is None else pem
    return Trust(load=lambda _url: found, topics=(TOPIC,), **more)


def envelope(*, version: str = "2", key: rsa.RSAPrivateKey = KEY, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "11111111-2222-3333-4444-555555555555",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": '{"eventType":"Send"}',
        "Timestamp": "2024-10-10T11:59:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        **changes,
    }
    found = {name: value for name, value in found.items() if value is not ...}
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    said = {name: value for name, value in found.items() if isinstance(value, str)}
    signature = key.sign(string_to_sign(said), padding.PKCS1v15(), digest)
    return {**found, "Signature": base64.b64encode(signature).decode()}


def test_a_message_of_our_topic_passes_with_and_without_a_subject() -> None:
    assert verified(envelope(), trust(), NOW)["Message"] == '{"eventType":"Send"}'
    assert verified(envelope(Subject=...), trust(), NOW)
    assert verified(envelope(Subject=None), trust(), NOW)


def test_what_is_signed_is_each_key_and_value_on_a_line_in_order() -> None:
    said = {"Type": "Notification", "Message": "m", "MessageId": "i", "Timestamp": "t", "TopicArn": "a", "Other": "o"}
    assert string_to_sign(said) == b"Message\nm\nMessageId\ni\nTimestamp\nt\nTopicArn\na\nType\nNotification\n"


def test_a_request_to_confirm_a_subscription_is_verified_too() -> None:
    asked = envelope(Type="SubscriptionConfirmation", Token="t", SubscribeURL="https://example.org", Subject=...)
    assert verified(asked, trust(), NOW)["Token"] == "t"


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp"])
def test_an_altered_field_is_refused(name: str) -> None:
    altered = {**envelope(), name: "altered"}
    with pytest.raises(Forged, match="does not fit"):
        verified(altered, trust(), NOW)


def test_a_message_signed_by_another_key_is_refused() -> None:
    with pytest.raises(Forged, match="does not fit"):
        verified(envelope(key=OTHER_KEY), trust(), NOW)


def test_a_signature_that_is_no_base64_is_refused() -> None:
    with pytest.raises(Forged, match="does not fit"):
        verified({**envelope(), "Signature": "!!!"}, trust(), NOW)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (URL.replace("https", "http"), "not https"),
        ("https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-01.pem", "not at Amazon SNS"),
        ("https://evil-sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem", "not at Amazon SNS"),
        ("https://bucket.s3.amazonaws.com/SimpleNotificationService-01.pem", "not at Amazon SNS"),
        ("https://user@sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem", "user name or a port"),
        ("https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-01.pem", "user name or a port"),
        ("https://sns.eu-west-1.amazonaws.com:99999/SimpleNotificationService-01.pem", "cannot be read"),
        ("https://sns.eu-west-1.amazonaws.com/other.pem", "path"),
        ("https://sns.eu-west-1.amazonaws.com/x/../SimpleNotificationService-01.pem", "path"),
        (URL + "?x=1", "path"),
        (URL + "#x", "path"),
        ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-01.pem", "region"),
        (f"{SIMULATOR}/SimpleNotificationService-01.pem", "not https"),
    ],
)
def test_a_certificate_from_elsewhere_is_refused_before_it_is_fetched(url: str, why: str) -> None:
    def load(_url: str) -> bytes:
        raise AssertionError("fetched")

    with pytest.raises(Forged, match=why):
        verified(envelope(SigningCertURL=url), Trust(load=load, topics=(TOPIC,)), NOW)


def test_a_topic_that_is_not_ours_is_refused_though_amazon_signed_it() -> None:
    with pytest.raises(Forged, match="not one of ours"):
        verified(envelope(TopicArn=TOPIC.replace("ours", "theirs")), trust(), NOW)
    with pytest.raises(Forged, match="not a topic"):
        verified(envelope(TopicArn="ours"), trust(), NOW)


def test_the_old_signature_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(Forged, match="version 2"):
        verified(envelope(version="1"), trust(), NOW)
    assert verified(envelope(version="1"), trust(allow_sha1=True), NOW)
    with pytest.raises(Forged, match="version 2"):
        verified(envelope(version="3"), trust(allow_sha1=True), NOW)


def test_a_certificate_out_of_date_or_of_another_kind_is_refused() -> None:
    with pytest.raises(Forged, match="not in date"):
        verified(envelope(), trust(certificate(since=NOW - timedelta(days=60))), NOW)
    with pytest.raises(Forged, match="not in date"):
        verified(envelope(), trust(certificate(since=NOW + timedelta(days=1))), NOW)
    with pytest.raises(Forged, match="RSA"):
        verified(envelope(), trust(certificate(ec.generate_private_key(ec.SECP256R1()))), NOW)
    with pytest.raises(Forged, match="not a certificate"):
        verified(envelope(), trust(b"nothing"), NOW)


def test_an_old_message_pushed_to_us_is_refused() -> None:
    pushed = trust(longest_age=timedelta(hours=1))
    assert verified(envelope(), pushed, NOW)
    for when in ("2024-10-10T10:00:00.000Z", "2024-10-10T15:00:00.000Z"):
        with pytest.raises(Forged, match="too old"):
            verified(envelope(Timestamp=when), pushed, NOW)
    for when in ("soon", "2024-10-10T12:00:00"):
        with pytest.raises(Forged, match="cannot be read"):
            verified(envelope(Timestamp=when), pushed, NOW)


@pytest.mark.parametrize("name", ["Message", "MessageId", "TopicArn", "Timestamp", "Signature", "SigningCertURL"])
def test_a_message_that_lacks_something_is_refused(name: str) -> None:
    found = envelope()
    for value in (..., 7, None):
        broken = {**found, name: value}
        with pytest.raises(Forged, match=f"lacks {name}"):
            verified(broken, trust(), NOW)


def test_an_unknown_type_is_refused() -> None:
    for kind in ("Raw", None, ["Notification"]):
        with pytest.raises(Forged, match="not one of Amazon SNS"):
            verified({**envelope(), "Type": kind}, trust(), NOW)


def test_a_simulator_on_this_machine_may_speak_for_its_own_topic_only() -> None:
    own = "arn:aws:sns:us-east-1:000000000000:newsletter-simulator"
    url = f"{SIMULATOR}/SimpleNotificationService-01.pem"
    local = trust(simulator_url=SIMULATOR)
    assert verified(envelope(TopicArn=own, SigningCertURL=url), local, NOW)
    with pytest.raises(Forged, match="not one of ours"):
        verified(envelope(SigningCertURL=url), local, NOW)
    with pytest.raises(Forged, match="not one of ours"):
        verified(envelope(TopicArn=own), local, NOW)
    for wrong in ("http://127.0.0.1:80055/SimpleNotificationService-01.pem", f"{SIMULATOR}/other.pem"):
        with pytest.raises(Forged):
            verified(envelope(TopicArn=own, SigningCertURL=wrong), local, NOW)
    remote = trust(simulator_url="http://simulator.example.com")
    with pytest.raises(Forged):
        verified(
            envelope(TopicArn=own, SigningCertURL="http://simulator.example.com/SimpleNotificationService-01.pem"),
            remote,
            NOW,
        )
