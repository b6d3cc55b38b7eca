"""Signed unsubscribe links: opaque, without an address, impossible to guess, and good for ever.

A token is `<key id>.<base64url of "subscriber|newsletter|send" and 16 bytes of its HMAC-SHA256>`. The first signing
key signs; every key still in the ring checks, so an old link works as long as its key is kept.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from newsletter.store.keys import Key, KeyRing

_MAC_BYTES = 16
_LONGEST = 200
_PURPOSE = b"unsubscribe\0"  # so that no other signature made with these keys passes for one of these
_TOKEN = re.compile(r"([a-z0-9]{1,16})\.([A-Za-z0-9_-]{20,})", re.ASCII)
_PAYLOAD = re.compile(rb"([1-9][0-9]{0,18})\|([a-z0-9][a-z0-9-]{0,62})\|([a-z0-9-]{0,16})")


@dataclass(frozen=True)
class UnsubscribeLink:
    """What a token says: who wants out of which newsletter, and the send whose mail held the link."""

    subscriber_id: int
    newsletter: str
    send: str


def sign_unsubscribe(ring: KeyRing, subscriber_id: int, newsletter: str, send: str) -> str:
    """The token for one reader's mail; `send` may be empty for service mail."""
    key = ring.signer
    payload = f"{subscriber_id}|{newsletter}|{send}".encode()
    return f"{key.id}.{_written(payload + _mac(key, payload))}"


def read_unsubscribe(ring: KeyRing, token: str) -> UnsubscribeLink | None:
    """What a token says, or None for anything we did not sign."""
    written = _TOKEN.fullmatch(token) if len(token) <= _LONGEST else None
    key = next((key for key in ring.signing if written and key.id == written[1]), None)
    if written is None or key is None:
        return None
    try:
        signed = urlsafe_b64decode(written[2] + "=" * (-len(written[2]) % 4))
    except binascii.Error:
        return None
    if _written(signed) != written[2]:
        return None  # base64 has several spellings of some bytes; ours is the one we wrote
    payload, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, payload)):
        return None
    said = _PAYLOAD.fullmatch(payload)
    return UnsubscribeLink(int(said[1]), said[2].decode(), said[3].decode()) if said else None


def _written(signed: bytes) -> str:
    return urlsafe_b64encode(signed).rstrip(b"=").decode()


def _mac(key: Key, payload: bytes) -> bytes:
    return hmac.digest(key.secret, _PURPOSE + payload, "sha256")[:_MAC_BYTES]
