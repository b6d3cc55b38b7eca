"""Invariant 11: signing and hash keys are never lost or swapped unnoticed.

Secrets come from `secrets.toml` or the environment. The store keeps each key's id and a fingerprint, and nothing
starts with a key that does not match, nor without one it has already used.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from newsletter.config import SECRETS_NAME
from newsletter.errors import KeyMismatch
from newsletter.settings import KeySettings
from newsletter.store.engine import Store
from newsletter.store.tables import keys


@dataclass(frozen=True, repr=False)
class Key:
    """A named secret."""

    id: str
    secret: bytes

    @property
    def fingerprint(self) -> str:
        """Tells two keys apart without telling either: HMAC-SHA256 of a fixed word, hex."""
        return hmac.new(self.secret, b"newsletter key fingerprint", hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return f"Key({self.id!r})"


@dataclass(frozen=True)
class KeyRing:
    """The keys in use: one for hashing addresses, one that signs, and all that still check."""

    hash: Key
    signing: tuple[Key, ...]

    @property
    def signer(self) -> Key:
        return self.signing[0]


def new_key(key_id: str) -> str:
    """A fresh random key in its written form, `id:secret`."""
    return f"{key_id}:{secrets.token_urlsafe(48)}"


def read_keys(settings: KeySettings) -> KeyRing:
    """The keys of these settings. Raises KeyMismatch when one is missing."""
    if settings.hash is None or not settings.signing:
        raise KeyMismatch(
            f"There are no keys: {SECRETS_NAME} needs [keys] with `hash` and `signing`. "
            f"Restore the file from your backup; for a new workspace run: newsletter init DIR"
        )
    return KeyRing(_key(settings.hash.get_secret_value()), tuple(_key(s.get_secret_value()) for s in settings.signing))


def check_keys(store: Store, ring: KeyRing, now: datetime) -> None:
    """Refuse keys that are not the ones this store was made with; remember new ones. Raises KeyMismatch."""
    given = {("hash", ring.hash.id): ring.hash, **{("signing", key.id): key for key in ring.signing}}
    with store.read() as connection:
        rows = connection.execute(select(keys.c.kind, keys.c.key_id, keys.c.fingerprint)).all()
    known = {(row.kind, row.key_id): row.fingerprint for row in rows}
    for (kind, key_id), fingerprint in known.items():
        key = given.get((kind, key_id))
        if key is None:
            raise KeyMismatch(
                f"The {kind} key `{key_id}` this store was made with is missing from {SECRETS_NAME}. "
                "Restore it: without it old links and suppressions cannot be checked."
            )
        if not hmac.compare_digest(key.fingerprint, fingerprint):
            raise KeyMismatch(
                f"The {kind} key `{key_id}` in {SECRETS_NAME} is not the one this store was made with. "
                "Restore the old one from your backup."
            )
    fresh = [(kind, key_id, key) for (kind, key_id), key in given.items() if (kind, key_id) not in known]
    if fresh:
        with store.write() as connection:
            connection.execute(
                insert(keys),
                [{"kind": k, "key_id": i, "fingerprint": key.fingerprint, "first_seen": now} for k, i, key in fresh],
            )


def _key(written: str) -> Key:
    key_id, _, secret = written.partition(":")
    return Key(key_id, secret.encode())
