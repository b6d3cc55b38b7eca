"""What tests of feedback share: a ledger of sends and readers, event records as SES writes them, and a signed topic."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import insert, select, update

from newsletter.app import App
from newsletter.audience.addresses import address_hash
from newsletter.feedback.apply import Applied, apply_messages
from newsletter.feedback.sns import string_to_sign
from newsletter.settings import Settings
from newsletter.store.tables import builds, deliveries, sends, subscribers, suppressions

NOW = datetime(2024, 10, 10, 12, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ours"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def add_send(
    app: App, send: str, *, readers: int = 0, state: str = "sending", newsletter: str = "daily", at: datetime = NOW
) -> None:
    """A send whose readers, 1 to `readers`, were all handed over at that moment."""
    with app.store.write() as connection:
        if connection.scalar(select(builds.c.hash)) is None:
            row = {"hash": "b" * 64, "newsletter": newsletter, "issue": "i", "date": date(2024, 10, 10)}
            connection.execute(insert(builds).values(built_at=at, **row))
        row = {"id": send, "newsletter": newsletter, "issue": send, "build": "b" * 64, "state": state, "person": "ann"}
        row |= {"transport": "ses", "date_waived": False}
        connection.execute(insert(sends).values(created_at=at, first_handover_at=at, **row))
        known = set(connection.scalars(select(subscribers.c.id)))
        people = [
            {"id": n, "address_hash": hash_of(app, n), "address": address_of(n), "created_at": NOW}
            for n in range(1, readers + 1)
            if n not in known
        ]
        if people:
            connection.execute(insert(subscribers), people)
        rows = [
            {"send_id": send, "subscriber_id": n, "message_id": message_id(send, n), "attempt": 1, "batch": 1}
            | {"state": "accepted", "handed_over_at": at}
            for n in range(1, readers + 1)
        ]
        if rows:
            connection.execute(insert(deliveries), rows)


def address_of(reader: int) -> str:
    return f"reader{reader}@example.com"


def hash_of(app: App, reader: int) -> str:
    return address_hash(address_of(reader), app.keys.hash)


def message_id(send: str, reader: int) -> str:
    return f"0100-{send}-{reader}"


PARTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Send": ("Send", "send", {}),
    "Delivery": ("Delivery", "delivery", {}),
    "Bounce": ("Bounce", "bounce", {"bounceType": "Permanent", "bounceSubType": "General"}),
    "Listed": ("Bounce", "bounce", {"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"}),
    "Full": ("Bounce", "bounce", {"bounceType": "Transient", "bounceSubType": "MailboxFull"}),
    "Soft": ("Bounce", "bounce", {"bounceType": "Transient", "bounceSubType": "General"}),
    "TooLarge": ("Bounce", "bounce", {"bounceType": "Transient", "bounceSubType": "MessageTooLarge"}),
    "Unclear": ("Bounce", "bounce", {"bounceType": "Undetermined", "bounceSubType": "Undetermined"}),
    "Complaint": ("Complaint", "complaint", {"complaintFeedbackType": "abuse"}),
    "NotSpam": ("Complaint", "complaint", {"complaintFeedbackType": "not-spam"}),
    "Reject": ("Reject", "reject", {"reason": "Bad content"}),
}


def said(
    kind: str, send: str, reader: int = 1, *, at: datetime = NOW, tag: bool = True, older: bool = False, **more: Any
) -> str:
    """An event record as SES writes it; `older` is the kind of notification without tags."""
    name, part, values = PARTS[kind]
    mail: dict[str, Any] = {
        "timestamp": at.isoformat(),
        "messageId": message_id(send, reader),
        "destination": [address_of(reader)],
    }
    if tag and not older:
        mail["tags"] = {"delivery": [f"{send}-{reader}-1"]}
    detail = {"timestamp": at.isoformat(), "feedbackId": f"{kind}-{send}-{reader}", **values, **more}
    return json.dumps({"notificationType" if older else "eventType": name, "mail": mail, part: detail})


def hear(app: App, *messages: str, settings: Settings | None = None, now: datetime = NOW) -> Applied:
    with app.store.write() as connection:
        return apply_messages(connection, messages, settings=settings or app.settings, keys=app.keys, now=now)


def delivery(app: App, send: str, reader: int = 1) -> Any:
    table = deliveries.c
    with app.store.read() as connection:
        return connection.execute(select(deliveries).where(table.send_id == send, table.subscriber_id == reader)).one()


def change_delivery(app: App, send: str, reader: int = 1, **values: object) -> None:
    table = deliveries.c
    with app.store.write() as connection:
        connection.execute(
            update(deliveries).where(table.send_id == send, table.subscriber_id == reader).values(values)
        )


def state_of(app: App, send: str) -> tuple[str, str | None]:
    with app.store.read() as connection:
        row = connection.execute(select(sends.c.state, sends.c.state_reason).where(sends.c.id == send)).one()
    return row.state, row.state_reason


def suppressed(app: App) -> dict[str, str]:
    """Who is suppressed everywhere, and why."""
    with app.store.read() as connection:
        rows = connection.execute(select(suppressions.c.address_hash, suppressions.c.reason, suppressions.c.scope))
        return {row.address_hash: row.reason for row in rows if row.scope == "*"}


def certificate(key: Any = KEY, *, since: datetime = NOW - timedelta(days=1), days: int = 30) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(since).not_valid_after(since + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def envelope(message: str, *, version: str = "2", key: rsa.RSAPrivateKey = KEY, **changes: Any) -> dict[str, Any]:
    """An SNS envelope, really signed."""
    found: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "11111111-2222-3333-4444-555555555555",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": message,
        "Timestamp": "2024-10-10T11:59:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
        **changes,
    }
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = key.sign(string_to_sign(found), padding.PKCS1v15(), digest)
    return {**found, "Signature": base64.b64encode(signature).decode()}


def with_feedback(make_workspace: Callable[..., Path], feedback: str, extra: str = "") -> Path:
    """A workspace with these lines in [feedback]."""
    return make_workspace(f"{extra}\n[feedback]\n{feedback}\n")
