"""Is this message really from our topic? The signature of Amazon SNS, checked in full.

Anybody with an AWS account can make SNS sign anything, and anybody at all can post a message that names a certificate
of their own: so the topic must be one of ours, the certificate's address must be Amazon's in every part, and only then
does the signature count. The one exception is a simulator on this very machine.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from newsletter.errors import Refused

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HOST = re.compile(r"sns\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_PATH = re.compile(r"/SimpleNotificationService-[0-9a-fA-F]+\.pem")
_TOPIC = re.compile(r"arn:aws(?:-[a-z-]+)?:sns:([a-z0-9-]+):([0-9]{12}):[A-Za-z0-9_.-]{1,256}")
_NOBODYS_ACCOUNT = "000000000000"  # no AWS account has this number: the simulator's topic
_LONGEST = 262_144  # an SNS message is 256 KB at most
_MOST_KNOWN = 16  # certificates remembered: Amazon SNS has one a Region, and changes it now and then
_HASHES: dict[str, type[hashes.SHA1] | type[hashes.SHA256]] = {"1": hashes.SHA1, "2": hashes.SHA256}
RAW = "The message came raw: without its envelope it carries no signature. Turn RawMessageDelivery off."


class Forged(Refused):
    """The message is not from one of our topics, or is not as it was sent; the text says how that shows."""


@dataclass(frozen=True)
class Trust:
    """Whom we believe. `load` fetches a certificate (PEM) from an address that has passed every check.

    It raises Forged when there is none at that address.
    """

    load: Callable[[str], bytes]
    topics: tuple[str, ...] = ()
    simulator_url: str | None = None
    allow_sha1: bool = False
    longest_age: timedelta | None = None  # for messages pushed to us; those we fetch may be old
    _known: dict[str, x509.Certificate] = field(default_factory=dict)

    def certificate(self, url: str) -> x509.Certificate:
        found = self._known.get(url)
        if found is None:
            try:
                found = x509.load_pem_x509_certificate(self.load(url))
            except ValueError:
                raise Forged(f"What lies at {url} is not a certificate.") from None
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[url] = found
        return found


def verified(envelope: Mapping[str, object], trust: Trust, now: datetime) -> Mapping[str, str]:
    """The envelope, when every check holds. Raises Forged with the first that does not."""
    kind = envelope.get("Type")
    if kind is None and not {"eventType", "notificationType"}.isdisjoint(envelope):
        raise Forged(RAW)
    if not isinstance(kind, str) or kind not in _SIGNED:
        raise Forged(f"The message's type {_shown(kind)} is not one of Amazon SNS.")
    said = {name: value for name, value in envelope.items() if isinstance(value, str) and len(value) <= _LONGEST}
    needed = {*_SIGNED[kind], "Signature", "SignatureVersion", "SigningCertURL"} - {"Subject"}
    missing = sorted(needed - said.keys())
    if missing or ("Subject" in envelope and envelope["Subject"] is not None and "Subject" not in said):
        raise Forged(f"The message lacks {missing[0] if missing else 'a readable Subject'}.")
    by_simulator = _is_simulators(said["SigningCertURL"], trust)
    region = _check_topic(said["TopicArn"], trust, by_simulator=by_simulator)
    if not by_simulator:
        check_certificate_url(said["SigningCertURL"], region)
    _check_age(said["Timestamp"], trust, now)
    _check_signature(said, trust, now)
    return said


def check_certificate_url(url: str, region: str) -> None:
    """Every part of the address must be Amazon's. Raises Forged."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Forged(f"The certificate's address {_shown(url)} cannot be read.") from None
    host = _HOST.fullmatch(parts.hostname or "")
    if parts.scheme != "https":
        raise Forged(f"The certificate's address {_shown(url)} is not https.")
    if parts.username is not None or parts.password is not None or port is not None or "@" in parts.netloc:
        raise Forged(f"The certificate's address {_shown(url)} has a user name or a port.")
    if host is None or parts.netloc != parts.hostname:
        raise Forged(f"The certificate's address {_shown(url)} is not at Amazon SNS.")
    if not _PATH.fullmatch(parts.path) or parts.query or parts.fragment or url.endswith(("?", "#")):
        raise Forged(f"The certificate's address {_shown(url)} does not have the path of a signing certificate.")
    if host[1] != region:
        raise Forged(f"The certificate is of the region {host[1]}, the topic of {region}.")


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine and nowhere else."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_simulators(url: str, trust: Trust) -> bool:
    base = trust.simulator_url
    if base is None or not is_loopback(base) or not url.startswith(base + "/"):
        return False
    return _PATH.fullmatch(url[len(base) :]) is not None


def _check_topic(topic: str, trust: Trust, *, by_simulator: bool) -> str:
    """The topic's region. The simulator may speak for its own topic, and for nobody else's."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        raise Forged(f"{_shown(topic)} is not a topic of Amazon SNS.")
    of_simulator = found[2] == _NOBODYS_ACCOUNT
    if by_simulator != of_simulator or (not by_simulator and topic not in trust.topics):
        raise Forged(f"The topic {_shown(topic)} is not one of ours. Ours are listed in [feedback] topics.")
    return found[1]


def _check_age(timestamp: str, trust: Trust, now: datetime) -> None:
    if trust.longest_age is None:
        return
    try:
        age = now - datetime.fromisoformat(timestamp)
    except (ValueError, TypeError):
        raise Forged(f"The message's time {_shown(timestamp)} cannot be read.") from None
    if not -trust.longest_age <= age <= trust.longest_age:
        raise Forged(f"The message is of {_shown(timestamp)}: too old, or from the future.")


def _check_signature(said: Mapping[str, str], trust: Trust, now: datetime) -> None:
    version = said["SignatureVersion"]
    if version not in _HASHES or (version == "1" and not trust.allow_sha1):
        raise Forged(f"The signature is of version {_shown(version)}; version 2 (SHA-256) is required.")
    certificate = trust.certificate(said["SigningCertURL"])
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Forged("The signing certificate is not in date.")
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise Forged("The signing certificate does not hold an RSA key.")
    try:
        signature = base64.b64decode(said["Signature"], validate=True)
        key.verify(signature, string_to_sign(said), padding.PKCS1v15(), _HASHES[version]())
    except (InvalidSignature, binascii.Error):
        raise Forged("The signature does not fit the message: one of them was altered.") from None


def string_to_sign(said: Mapping[str, str]) -> bytes:
    """What Amazon SNS signs: each key and value on a line of its own, in order."""
    names = [name for name in _SIGNED[said["Type"]] if name in said]
    return "".join(f"{name}\n{said[name]}\n" for name in names).encode()


def _shown(value: object) -> str:
    """Fit for a log: one short line, and nobody's address in it."""
    text = re.sub(r"[^\s/@]+@", "…@", str(value)[:1_000])
    return repr(text if len(text) <= 100 else text[:99] + "…")
