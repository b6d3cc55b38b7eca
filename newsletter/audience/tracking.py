"""Consent to be measured: asked apart from getting mail, for each purpose by itself, and only where it is wanted.

An unmeasured reader gets the same newsletter, so the question stands alone with its own words, and no is the default
(ePrivacy art. 5(3); CNIL 2026-042).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Purpose, Wording, may_track
from newsletter.audience.policies import policy_in_force
from newsletter.audience.proofs import Visit, keep_visit
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import wordings
from newsletter.store.upsert import insert_new

_PURPOSES = {"opens": Purpose.OPEN_TRACKING, "clicks": Purpose.CLICK_TRACKING}
_TEXTS = {
    Purpose.OPEN_TRACKING: "{organisation} may record which issues of {name} I open.",
    Purpose.CLICK_TRACKING: "{organisation} may record which links in {name} I follow.",
}
_VERSION = "1"
_LANG = "en"  # the language of the texts above


def purposes_of(settings: NewsletterSettings) -> tuple[Purpose, ...]:
    """What the newsletter asks its readers to be measured for."""
    return tuple(_PURPOSES[word] for word in _PURPOSES if word in settings.tracking)


def text_for(purpose: Purpose, settings: NewsletterSettings) -> str:
    """What a reader agrees to, word for word."""
    return _TEXTS[purpose].format(organisation=settings.organisation, name=settings.name)


def text_id(purpose: Purpose, settings: NewsletterSettings) -> str:
    """Names the text: an answer to another one is no answer to this."""
    return hashlib.sha256(text_for(purpose, settings).encode()).hexdigest()[:16]


def allowed(
    connection: Connection, subscriber_id: int, newsletter: str, settings: NewsletterSettings
) -> dict[Purpose, bool]:
    """What the reader allows, of what is asked."""
    found = {}
    for purpose in purposes_of(settings):
        history = ledger.histories(connection, newsletter, [subscriber_id], purpose)
        found[purpose] = may_track(history.get(subscriber_id, []))
    return found


def choose(
    connection: Connection,
    subscriber_id: int,
    newsletter: str,
    settings: NewsletterSettings,
    *,
    wanted: Mapping[Purpose, bool],
    source: str,
    visit: Visit,
    now: datetime,
    days: int,
) -> None:
    """Record what changed. `days` is how long the visit is kept as its proof."""
    before = allowed(connection, subscriber_id, newsletter, settings)
    numbers = []
    for purpose in before.keys() & wanted.keys():
        if wanted[purpose] != before[purpose]:
            entry = Entry(Event.WITHDRAWN, now, source=source, actor="reader", jurisdiction=settings.jurisdiction)
            if wanted[purpose]:
                entry = Entry(
                    Event.CONFIRMED,
                    now,
                    source=source,
                    actor="reader",
                    jurisdiction=settings.jurisdiction,
                    basis=Basis.EXPRESS,
                    wording=_remember(connection, purpose, newsletter, settings, now=now),
                    policy_version=policy_in_force(settings, now),
                )
            numbers.append(ledger.record_one(connection, newsletter, subscriber_id, entry, now=now, purpose=purpose))
    keep_visit(connection, subscriber_id, numbers, visit, now=now, days=days)


def _remember(
    connection: Connection, purpose: Purpose, newsletter: str, settings: NewsletterSettings, *, now: datetime
) -> Wording:
    """The text's version, hash and language; the text itself kept for ever."""
    text = text_for(purpose, settings)
    wording = Wording(_VERSION, hashlib.sha256(text.encode()).hexdigest(), _LANG)
    row = {"hash": wording.hash, "newsletter": newsletter, "version": wording.version, "lang": wording.lang}
    insert_new(connection, wordings, [{**row, "text": text, "first_used": now}])
    return wording
