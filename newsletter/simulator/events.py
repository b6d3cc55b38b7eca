"""What SES would publish about each message, in SNS envelopes that are really signed.

Events are a pure function of the record: nothing is stored, an event reads the same today and after a restart, and
signing (a millisecond or so each) is done when somebody reads. Message order is kept; readers must not rely on it.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from newsletter.simulator.record import NOT_RENDERED, Accepted, now

TOPIC = "arn:aws:sns:us-east-1:000000000000:newsletter-simulator"
ACCOUNT = "000000000000"
SUBJECT = "Amazon SES Email Event Notification"
MOST = 1_000

_KINDS = {
    "delivered": ("Delivery",),
    "bounced": ("Bounce",),
    "suppressed": ("Bounce",),
    "complained": ("Delivery", "Complaint"),
    "auto-replied": ("Delivery", "Bounce"),
    NOT_RENDERED: ("Rendering Failure",),
}
_BOUNCES = {
    "bounced": ("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown"),
    "suppressed": (
        "Permanent",
        "OnAccountSuppressionList",
        "5.1.1",
        "Amazon SES did not send the message to this address because it is on the suppression list for your account.",
    ),
    "auto-replied": ("Transient", "General", "4.0.0", "smtp; auto-reply: out of the office"),
}


class Events:
    """The topic: every event of the record, numbered from 1."""

    def __init__(self, accepted: list[Accepted], data: Path) -> None:
        self._accepted = accepted
        self._folder = data / "sns"
        self._index: list[tuple[int, str, int]] = []  # message, kind, recipient
        self._indexed = 0
        self._key: rsa.RSAPrivateKey | None = None
        self.certificate = b""

    def read(self, after: int, limit: int, url: str) -> tuple[list[dict[str, str]], int]:
        """Signed envelopes numbered above `after`, and the number to ask from next time."""
        self._index_new()
        after = max(0, after)
        chosen = self._index[after : after + max(0, min(limit, MOST))]
        return [self._envelope(*entry, url=url) for entry in chosen], after + len(chosen)

    def certificate_path(self) -> str:
        """Where the certificate is served."""
        self._load()
        fingerprint = x509.load_pem_x509_certificate(self.certificate).fingerprint(hashes.SHA256()).hex()
        return f"/SimpleNotificationService-{fingerprint[:32]}.pem"

    def _index_new(self) -> None:
        for number in range(self._indexed, len(self._accepted)):
            self._index += [(number, *kind) for kind in _kinds(self._accepted[number])]
        self._indexed = len(self._accepted)

    def _envelope(self, number: int, kind: str, recipient: int, *, url: str) -> dict[str, str]:
        message = self._accepted[number]
        at = datetime.fromisoformat(message.accepted_at) + _after(kind)
        envelope = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{message.message_id}/{kind}/{recipient}")),
            "TopicArn": TOPIC,
            "Subject": SUBJECT,
            "Message": json.dumps(event(message, kind, recipient)),
            "Timestamp": _stamp(at),
            "SignatureVersion": "2",
        }
        signed = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        text = "".join(f"{name}\n{envelope[name]}\n" for name in signed).encode()
        key = self._load()
        envelope["Signature"] = base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()
        envelope["SigningCertURL"] = url + self.certificate_path()
        return envelope

    def _load(self) -> rsa.RSAPrivateKey:
        if self._key is None:
            self._key, self.certificate = _key_and_certificate(self._folder)
        return self._key


def _kinds(message: Accepted) -> Iterable[tuple[str, int]]:
    if message.failure is None:
        yield "Send", 0
    for recipient, outcome in enumerate(message.outcomes):
        for kind in _KINDS[outcome]:
            yield kind, recipient


def event(message: Accepted, kind: str, recipient: int) -> dict[str, object]:
    """One event's record, as SES publishes it."""
    name, details = _details(message, kind, recipient)
    return {"eventType": kind, "mail": _mail(message), name: details}


def _details(message: Accepted, kind: str, recipient: int) -> tuple[str, dict[str, object]]:
    """The kind's own member and what stands in it."""
    address = message.destination[recipient]
    when = _stamp(datetime.fromisoformat(message.accepted_at) + _after(kind))
    feedback_id = f"{message.message_id.rpartition('-')[0]}-{recipient:06d}"
    if kind == "Send":
        return "send", {}
    if kind == "Delivery":
        return "delivery", {
            "timestamp": when,
            "processingTimeMillis": _after(kind) // timedelta(milliseconds=1),
            "recipients": [address],
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "a1-1.smtp-out.amazonses.com",
        }
    if kind == "Bounce":
        bounce, subtype, status, diagnostic = _BOUNCES[message.outcomes[recipient]]
        bounced = {"emailAddress": address, "action": "failed", "status": status, "diagnosticCode": diagnostic}
        return "bounce", {
            "bounceType": bounce,
            "bounceSubType": subtype,
            "bouncedRecipients": [bounced],
            "timestamp": when,
            "feedbackId": feedback_id,
            "reportingMTA": "dsn; a1-1.smtp-out.amazonses.com",
        }
    if kind == "Complaint":
        return "complaint", {
            "complainedRecipients": [{"emailAddress": address}],
            "timestamp": when,
            "feedbackId": feedback_id,
            "complaintSubType": None,
            "userAgent": "Amazon SES Mailbox Simulator",
            "complaintFeedbackType": "abuse",
            "arrivalDate": when,
        }
    return "failure", {"templateName": message.template or "", "errorMessage": message.failure or ""}


def _mail(message: Accepted) -> dict[str, object]:
    tags = {"ses:source-ip": ["127.0.0.1"], "ses:from-domain": [message.sender.rpartition("@")[2].rstrip(">")]}
    if message.configuration_set:
        tags["ses:configuration-set"] = [message.configuration_set]
    mail: dict[str, object] = {
        "timestamp": _stamp(datetime.fromisoformat(message.accepted_at)),
        "source": message.sender,
        "sendingAccountId": ACCOUNT,
        "messageId": message.message_id,
        "destination": message.destination,
        "tags": {**tags, **{name: [value] for name, value in message.tags.items()}},
    }
    if message.failure is None:
        common = {"from": [message.sender], "to": message.destination, "messageId": message.message_id}
        if message.subject is not None:
            common["subject"] = message.subject
        mail |= {"headersTruncated": False, "headers": [], "commonHeaders": common}
    return mail


def _after(kind: str) -> timedelta:
    """How long after acceptance it happens: the same each time it is read."""
    return timedelta(milliseconds={"Send": 0, "Delivery": 250, "Bounce": 300, "Complaint": 800}.get(kind, 100))


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key_and_certificate(folder: Path) -> tuple[rsa.RSAPrivateKey, bytes]:
    """The signing key and its self-signed certificate, made once and kept in one file with the events' data."""
    file = folder / "signing.pem"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".part")
        beside.touch(mode=0o600)
        beside.write_bytes(_new_pem())
        beside.replace(file)
    pem = file.read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the simulator's signing key is not an RSA key")
    return key, x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.PEM)


def _new_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Newsletter simulator, not Amazon")])
    made = now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made - timedelta(days=1))
        .not_valid_after(made + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
