"""Signed links: opaque, without an address, impossible to guess.

A token is `<key id>.<base64url of a payload and 16 bytes of its HMAC-SHA256>`. The first signing key signs; every key
still in the ring checks. What a link is for goes into its signature, so none passes for another. A reader's links
(leave, preferences, vote) work for ever; a ticket names one row and a moment after which it no longer works.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from newsletter.store.keys import Key, KeyRing

_MAC_BYTES = 16
_LONGEST = 200
_TOKEN = re.compile(r"([a-z0-9]{1,16})\.([A-Za-z0-9_-]{20,})", re.ASCII)
_READER = re.compile(rb"([1-9][0-9]{0,18})\|([a-z0-9][a-z0-9-]{0,62})\|([a-z0-9-]{0,16})")
_TICKET = re.compile(rb"([1-9][0-9]{0,18})\|([1-9][0-9]{0,11})")


class Purpose(StrEnum):
    """What a link is for."""

    UNSUBSCRIBE = "unsubscribe"  # reader's link
    PREFERENCES = "preferences"  # reader's link
    VOTE = "vote"  # reader's link
    CONFIRM = "confirm"  # ticket: a sign-up
    PRIVATE = "private"  # ticket: the service mail that brought it; works while that mailbox is hers
    ADDRESS = "address"  # ticket: a subscriber, at the new address
    UNDO = "undo"  # ticket: the ledger entry to take back
    AGREE = "agree"  # ticket: a service mail that asked for consent to a new policy


# Where each kind of link leads: {public_url}/<path>/<token>.
PATHS: dict[Purpose, str] = {
    Purpose.UNSUBSCRIBE: "u",
    Purpose.PREFERENCES: "p",
    Purpose.VOTE: "v",
    Purpose.CONFIRM: "c",
    Purpose.PRIVATE: "me",
    Purpose.ADDRESS: "address",
    Purpose.UNDO: "undo",
    Purpose.AGREE: "agree",
}


@dataclass(frozen=True)
class ReaderLink:
    """What a reader's link says: who, of which newsletter, and the send whose mail held it ("" for service mail)."""

    subscriber_id: int
    newsletter: str
    send: str


@dataclass(frozen=True)
class Ticket:
    """What a short-lived link says: the row it is about, and until when it works."""

    number: int
    until: datetime

    def expired(self, now: datetime) -> bool:
        return now > self.until


def sign_reader(ring: KeyRing, purpose: Purpose, subscriber_id: int, newsletter: str, send: str = "") -> str:
    """The token of a reader's own link."""
    return _signed(ring, purpose, f"{subscriber_id}|{newsletter}|{send}")


def read_reader(ring: KeyRing, purpose: Purpose, token: str) -> ReaderLink | None:
    """What the token says, or None for anything we did not sign for this purpose."""
    said = _READER.fullmatch(_payload(ring, purpose, token))
    return ReaderLink(int(said[1]), said[2].decode(), said[3].decode()) if said else None


def sign_ticket(ring: KeyRing, purpose: Purpose, number: int, until: datetime) -> str:
    """The token of a link about one row that works until a moment (whole seconds)."""
    return _signed(ring, purpose, f"{number}|{int(until.timestamp())}")


def read_ticket(ring: KeyRing, purpose: Purpose, token: str) -> Ticket | None:
    """What the ticket says, expired or not, or None for anything we did not sign for this purpose."""
    said = _TICKET.fullmatch(_payload(ring, purpose, token))
    return Ticket(int(said[1]), datetime.fromtimestamp(int(said[2]), UTC)) if said else None


def sign_unsubscribe(ring: KeyRing, subscriber_id: int, newsletter: str, send: str) -> str:
    """The token of a mail's List-Unsubscribe; `send` may be empty for service mail."""
    return sign_reader(ring, Purpose.UNSUBSCRIBE, subscriber_id, newsletter, send)


def read_unsubscribe(ring: KeyRing, token: str) -> ReaderLink | None:
    """What a token says, or None for anything we did not sign."""
    return read_reader(ring, Purpose.UNSUBSCRIBE, token)


def _signed(ring: KeyRing, purpose: Purpose, said: str) -> str:
    key, payload = ring.signer, said.encode()
    return f"{key.id}.{_written(payload + _mac(key, purpose, payload))}"


def _payload(ring: KeyRing, purpose: Purpose, token: str) -> bytes:
    """What was signed, or nothing (which no pattern matches)."""
    written = _TOKEN.fullmatch(token) if len(token) <= _LONGEST else None
    key = next((key for key in ring.signing if written and key.id == written[1]), None)
    if written is None or key is None:
        return b""
    try:
        signed = urlsafe_b64decode(written[2] + "=" * (-len(written[2]) % 4))
    except binascii.Error:
        return b""
    if _written(signed) != written[2]:
        return b""  # base64 has several spellings of some bytes; ours is the one we wrote
    payload, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
    return payload if hmac.compare_digest(mac, _mac(key, purpose, payload)) else b""


def _written(signed: bytes) -> str:
    return urlsafe_b64encode(signed).rstrip(b"=").decode()


def _mac(key: Key, purpose: Purpose, payload: bytes) -> bytes:
    return hmac.digest(key.secret, purpose.value.encode() + b"\0" + payload, "sha256")[:_MAC_BYTES]
