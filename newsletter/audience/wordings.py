"""The texts readers agree to, kept word for word, so that years later each consent can be printed with its text."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience.consent import Wording
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import wordings
from newsletter.store.upsert import insert_new


def wording_of(settings: NewsletterSettings) -> Wording:
    """What the form of this newsletter asks its readers to agree to, by version, hash and language."""
    return Wording(settings.consent_version, hashlib.sha256(settings.wording.encode()).hexdigest(), settings.lang)


def remember_wording(
    connection: Connection, newsletter: str, settings: NewsletterSettings, *, now: datetime
) -> Wording:
    """The same, its text kept for ever."""
    wording = wording_of(settings)
    row = {
        "hash": wording.hash,
        "newsletter": newsletter,
        "version": wording.version,
        "lang": wording.lang,
        "text": settings.wording,
        "first_used": now,
    }
    insert_new(connection, wordings, [row])
    return wording


def text_of(connection: Connection, wording: Wording) -> str | None:
    """The text itself, or None for one that was never remembered."""
    found: str | None = connection.scalar(select(wordings.c.text).where(wordings.c.hash == wording.hash))
    return found
