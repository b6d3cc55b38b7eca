"""A reader's record as she may read it herself, and as whoever holds a forwarded mail may see it too.

What she did and what was done about her mail, in plain sentences on the days of the newsletter's zone. Who of the
newsroom did something, what they noted, and which file she came from are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from newsletter.audience import ledger
from newsletter.audience.consent import Entry, Event, Purpose, Suppressed
from newsletter.audience.mail_owed import MailKind
from newsletter.audience.suppression import suppressions_of
from newsletter.audience.wordings import text_of
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import service_mails

Newsletters = Mapping[str, NewsletterSettings]

_YOU = {
    Event.REQUESTED: "You asked for {name}.",
    Event.CONFIRMED: "You confirmed that you want {name}.",
    Event.WITHDRAWN: "You left {name}.",
    Event.EXPIRED: "Your consent to {name} ran out.",
    Event.REAFFIRMED: "You agreed anew to getting {name}.",
}
_THEY = {
    **_YOU,
    Event.IMPORTED: "The newsroom entered you as a reader of {name}.",
    Event.WITHDRAWN: "You were taken off {name}.",
    Event.CONFIRMED: "Your consent to {name} was entered.",
    Event.REAFFIRMED: "Your consent to {name} was entered anew.",
}
_MEASURED = {Purpose.OPEN_TRACKING: "which mails you open", Purpose.CLICK_TRACKING: "which links you follow"}
_STOPPED = {
    Suppressed.COMPLAINT: "A mail to you was reported as spam, and we stopped sending.",
    Suppressed.HARD_BOUNCE: "A mail to your address came back for good, and we stopped sending.",
    Suppressed.MANUAL: "We stopped sending to your address.",
}
_MAILED = {
    MailKind.CONFIRM: "We mailed you a link to confirm.",
    MailKind.WELCOME: "We mailed you a welcome to {name}.",
    MailKind.PRIVATE_LINK: "We mailed you a private link.",
    MailKind.ADDRESS_CONFIRM: "We mailed a link to the new address you named.",
    MailKind.ADDRESS_TOLD: "We told your former address that it was changed.",
    MailKind.POLICY_NOTICE: "We mailed you what changes in our policy.",
    MailKind.POLICY_RECONSENT: "We asked you to agree to our new policy.",
}


@dataclass(frozen=True)
class Line:
    """One thing that happened, and its day."""

    day: date
    words: str


def plain_record(
    connection: Connection, subscriber_id: int, address_hash: str, *, newsletters: Newsletters
) -> list[Line]:
    """What happened, in order."""
    found: list[tuple[datetime, str, str]] = []
    for row in ledger.everything_of(connection, subscriber_id):
        settings = newsletters.get(row.newsletter)
        words = _said(row.entry, row.purpose, settings.name if settings else row.newsletter)
        found.append((row.entry.occurred_at, row.newsletter, words))
    mails = select(service_mails).where(service_mails.c.subscriber_id == subscriber_id)
    for mail in connection.execute(mails.where(service_mails.c.state == "accepted")):
        settings = newsletters.get(mail.newsletter)
        words = _MAILED[MailKind(mail.kind)].format(name=settings.name if settings else mail.newsletter)
        found.append((mail.handed_over_at or mail.queued_at, mail.newsletter, words))
    listed = suppressions_of(connection, [address_hash]).get(address_hash, [])
    found += [(each.at, each.scope, _STOPPED[each.reason]) for each in listed if each.reason in _STOPPED]
    usual = next(iter(newsletters.values())).zone
    zones = {name: settings.zone for name, settings in newsletters.items()}
    ordered = sorted(found, key=lambda each: each[0])
    return [Line(at.astimezone(zones.get(name, usual)).date(), words) for at, name, words in ordered]


def words_agreed(connection: Connection, subscriber_id: int, *, newsletters: Newsletters) -> list[tuple[str, str]]:
    """For each newsletter the text its reader agreed to last, word for word, as (name, text)."""
    agreed = {
        row.newsletter: row.entry.wording
        for row in ledger.everything_of(connection, subscriber_id)
        if row.entry.wording and row.purpose is Purpose.SEND
    }
    texts = {name: text_of(connection, wording) for name, wording in agreed.items() if name in newsletters}
    return [(newsletters[name].name, text) for name, text in texts.items() if text]


def _said(entry: Entry, purpose: Purpose, name: str) -> str:
    if purpose is not Purpose.SEND:
        allowed = entry.event in (Event.CONFIRMED, Event.REAFFIRMED)
        verb = "You allowed us to record" if allowed else "You no longer allow us to record"
        return f"{verb} {_MEASURED[purpose]} in {name}."
    phrases = _YOU if entry.actor == "reader" else _THEY
    return phrases.get(entry.event, _THEY[Event.IMPORTED]).format(name=name)
