"""Amazon SNS's envelopes, really signed: with a key and a self-signed certificate of the simulator's own."""

from __future__ import annotations

import base64
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from newsletter.simulator.lists import TOPIC
from newsletter.simulator.record import now

SUBJECT = "Amazon SES Email Event Notification"
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: dict[str, type[hashes.SHA1] | type[hashes.SHA256]] = {"1": hashes.SHA1, "2": hashes.SHA256}

Envelope = dict[str, str]


class Signer:
    """Signs envelopes, and serves the certificate they are checked by."""

    def __init__(self, folder: Path, *, version: str = "2") -> None:
        self._folder = folder
        self._key: rsa.RSAPrivateKey | None = None
        self.certificate = b""
        self.version = version

    def notification(self, message: str, identity: str, at: datetime, *, url: str) -> Envelope:
        """An event on its way; the same identity is the same envelope, however often it travels."""
        return self._signed(
            {
                "Type": "Notification",
                "MessageId": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
                "TopicArn": TOPIC,
                "Subject": SUBJECT,
                "Message": message,
                "Timestamp": stamp(at),
            },
            url,
        )

    def confirmation(self, token: str, *, url: str) -> Envelope:
        """What a new endpoint is asked first."""
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": TOPIC, "Token": token})
        said = (
            f"You have chosen to subscribe to the topic {TOPIC}.\nTo confirm the subscription, visit the SubscribeURL."
        )
        return self._signed(
            {
                "Type": "SubscriptionConfirmation",
                "MessageId": str(uuid.uuid4()),
                "Token": token,
                "TopicArn": TOPIC,
                "Message": said,
                "SubscribeURL": f"{url}/?{query}",
                "Timestamp": stamp(now()),
            },
            url,
        )

    def certificate_path(self) -> str:
        """Where the certificate is served."""
        self._load()
        fingerprint = x509.load_pem_x509_certificate(self.certificate).fingerprint(hashes.SHA256()).hex()
        return f"/SimpleNotificationService-{fingerprint[:32]}.pem"

    def _signed(self, envelope: Envelope, url: str) -> Envelope:
        text = "".join(f"{name}\n{envelope[name]}\n" for name in SIGNED[envelope["Type"]]).encode()
        signature = self._load().sign(text, padding.PKCS1v15(), _HASHES[self.version]())
        return {
            **envelope,
            "SignatureVersion": self.version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": url + self.certificate_path(),
        }

    def _load(self) -> rsa.RSAPrivateKey:
        if self._key is None:
            self._key, self.certificate = _key_and_certificate(self._folder)
        return self._key


def stamp(at: datetime) -> str:
    """A moment as Amazon writes it."""
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
    # Our own key needs no proof that its primes are primes, which takes longer than all else at start-up.
    key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
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
