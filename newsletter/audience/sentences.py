"""What is on record, said as one person would tell another. Pure: rows in, words out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.audience.consent import Basis, Entry, Event, Ground, Purpose, Suppressed, Suppression
from newsletter.audience.mail_owed import MailKind

_SENDING = {
    Event.REQUESTED: "asked for {name}",
    Event.CONFIRMED: "confirmed: yes to {name}",
    Event.IMPORTED: "was imported as a reader of {name}",
    Event.WITHDRAWN: "left {name}",
    Event.EXPIRED: "the consent to {name} ran out",
    Event.REAFFIRMED: "said yes to {name} once more",
}
_MEASURING = {
    Event.REQUESTED: "was asked whether {name} may measure {what}",
    Event.CONFIRMED: "allowed {name} to measure {what}",
    Event.IMPORTED: "an import claims that {name} may measure {what} (which counts for nothing)",
    Event.WITHDRAWN: "no longer allows {name} to measure {what}",
    Event.EXPIRED: "the permission for {name} to measure {what} ran out",
    Event.REAFFIRMED: "allowed {name} once more to measure {what}",
}
_MEASURED = {Purpose.OPEN_TRACKING: "opened mails", Purpose.CLICK_TRACKING: "clicks"}
_BASES = {Basis.EXPRESS: "express consent", Basis.SOFT_OPT_IN: "soft opt-in", Basis.IMPLIED: "implied consent"}
_GROUNDS = {Ground.PURCHASE.value: "from a purchase", Ground.INQUIRY.value: "from an inquiry"}
SUPPRESSED = {
    Suppressed.COMPLAINT: "reported a mail as spam",
    Suppressed.HARD_BOUNCE: "the mailbox refused for good",
    Suppressed.MANUAL: "put on the suppression list by hand",
    Suppressed.ERASURE: "must not be mailed: erased on request",
    Suppressed.UNSUBSCRIBE: "must not be mailed: unsubscribed",
    Suppressed.MOVED: "this address is no longer the reader's",
}
MAILS = {
    MailKind.CONFIRM: "the mail asking to confirm",
    MailKind.WELCOME: "the welcome mail",
    MailKind.PRIVATE_LINK: "the mail with a private link",
    MailKind.ADDRESS_CONFIRM: "the mail asking to confirm a new address",
    MailKind.ADDRESS_TOLD: "the mail to the former address about the change",
    MailKind.POLICY_NOTICE: "the mail about policy {detail}",
    MailKind.POLICY_RECONSENT: "the mail asking for consent to policy {detail}",
}
_MAIL_STATES = {
    "queued": "is owed",
    "in_flight": "is being sent",
    "accepted": "was sent",
    "refused": "was not sent ({reason})",
    "uncertain": "may or may not have been sent",
}


@dataclass(frozen=True)
class Batch:
    """The import an entry came in."""

    id: int
    file_name: str
    file_sha256: str
    undone_at: datetime | None
    undone_by: str | None


def told(
    entry: Entry, purpose: Purpose, name: str, batch: Batch | None = None, *, beside: datetime | None = None
) -> str:
    """One entry of the ledger: what happened, and then what it rests on. The day is left out where it stands beside."""
    phrases = _SENDING if purpose is Purpose.SEND else _MEASURING
    what = phrases[entry.event].format(name=name, what=_MEASURED.get(purpose, ""))
    on = "" if beside and day(beside) == day(entry.occurred_at) else f"On {day(entry.occurred_at)} "
    return "; ".join([f"{on}{what} ({entry.source})", *_details(entry, batch)])


def _details(entry: Entry, batch: Batch | None) -> list[str]:
    details = []
    if entry.basis:
        ground = _GROUNDS.get(entry.ground or "", "")
        until = f"until {day(entry.expires_at)}" if entry.expires_at else ""
        details.append(" ".join(word for word in (_BASES[entry.basis], ground, until) if word))
    if entry.wording:
        details.append(f"agreed to wording {entry.wording.version} ({entry.wording.lang})")
    if entry.policy_version:
        details.append(f"policy {entry.policy_version}")
    if entry.jurisdiction != "none":
        details.append(f"rules {entry.jurisdiction}")
    if entry.actor != "reader":
        details.append(f"by {entry.actor}")
    if batch:
        details.append(f"from {batch.file_name}, import {batch.id}")
        if batch.undone_at and not batch.undone_by:
            details.append("not finished, so it does not count")
        elif batch.undone_at:
            details.append(f"undone on {day(batch.undone_at)} by {batch.undone_by}, so it does not count")
    return details


def told_of_suppression(found: Suppression) -> str:
    return f"{SUPPRESSED[found.reason]} ({found.source})"


def told_of_mail(kind: str, detail: str | None, *, state: str, reason: str | None) -> str:
    """A service mail and what became of it."""
    what = MAILS[MailKind(kind)].format(detail=detail)
    return f"{what} {_MAIL_STATES[state].format(reason=reason or 'no reason given')}"


def day(moment: datetime) -> str:
    """`3 May 2024`."""
    return f"{moment.day} {moment:%B %Y}"
