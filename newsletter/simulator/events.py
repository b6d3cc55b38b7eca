"""What SES publishes about each message: a topic's events, numbered in the order they are published.

Events are a pure function of the record (and of the time, for those that are late): nothing is stored, an event reads
the same today and after a restart, and signing (a millisecond or so each) is done when somebody reads.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from newsletter.simulator.fate import MACHINE, PERSON, Happening, happenings
from newsletter.simulator.lists import TOPIC
from newsletter.simulator.record import Accepted, Record, now
from newsletter.simulator.sns import Envelope, Signer, stamp

__all__ = ["TOPIC", "Events"]

ACCOUNT = "000000000000"
MOST = 1_000

_BOUNCES = {
    "bounced": ("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown"),
    "soft-bounced": ("Transient", "MailboxFull", "4.2.2", "smtp; 452 4.2.2 mailbox full"),
    "suppressed": (
        "Permanent",
        "OnAccountSuppressionList",
        "5.1.1",
        "Amazon SES did not send the message to this address because it is on the suppression list for your account.",
    ),
    "auto-replied": ("Transient", "General", "4.0.0", "smtp; auto-reply: out of the office"),
}


@dataclass(frozen=True, order=True, slots=True)
class _Late:
    """An event that is not published yet."""

    due: datetime
    message: int
    place: int
    what: Happening


class Events:
    """The topic: every event of the record, numbered from 1."""

    def __init__(self, record: Record, data: Path, *, clock: Callable[[], datetime] = now) -> None:
        self._record = record
        self._clock = clock
        self._ahead = timedelta()
        self._index: list[tuple[int, Happening]] = []
        self._indexed = 0
        self._late: list[_Late] = []
        self.signer = Signer(data / "sns")

    def read(self, after: int, limit: int, url: str) -> tuple[list[Envelope], int]:
        """Signed envelopes numbered above `after`, and the number to ask from next time."""
        self.count()
        after = max(0, after)
        chosen = self._index[after : after + max(0, min(limit, MOST))]
        return [self._envelope(*entry, url=url) for entry in chosen], after + len(chosen)

    def count(self) -> int:
        """How many are published by now."""
        accepted = self._record.accepted
        for number in range(self._indexed, len(accepted)):
            message = accepted[number]
            at = datetime.fromisoformat(message.accepted_at) if self._late or message.plan is not None else None
            if at is not None:
                self._publish_late(at)
            for place, one in enumerate(happenings(message)):
                if one.delay and at is not None:
                    heapq.heappush(self._late, _Late(at + timedelta(seconds=one.delay), number, place, one))
                else:
                    self._index.append((number, one))
        self._indexed = len(accepted)
        if self._late:
            instant = self._clock() + self._ahead
            self._publish_late(instant.replace(microsecond=instant.microsecond // 1000 * 1000))
        return len(self._index)

    def waiting(self) -> int:
        """How many are on their way still."""
        self.count()
        return len(self._late)

    def hurry(self, seconds: float) -> None:
        """Let late events come as if so much more time had passed."""
        self._ahead += timedelta(seconds=seconds)

    def of(self, message: Accepted) -> list[dict[str, object]]:
        """The events of one message, whether they are published yet or not."""
        return [self._event(message, one) for one in happenings(message)]

    def _publish_late(self, until: datetime) -> None:
        while self._late and self._late[0].due <= until:
            due = heapq.heappop(self._late)
            self._index.append((due.message, due.what))

    def _envelope(self, number: int, what: Happening, *, url: str) -> Envelope:
        message = self._record.accepted[number]
        identity = f"{message.message_id}/{what.kind}/{what.recipient}"
        if what.kind in {"Open", "Click"}:
            identity += f"/{what.after}/{what.link}"
        said = json.dumps(self._event(message, what))
        published = _when(message, what) + timedelta(seconds=what.delay)
        return self.signer.notification(said, identity, published, url=url)

    def _event(self, message: Accepted, what: Happening) -> dict[str, object]:
        name, details = _details(message, what)
        if what.kind == "Click" and what.link is not None and message.links is not None:
            details["link"] = self._record.links[message.links][what.link]
        return {"eventType": what.kind, "mail": _mail(message), name: details}


def _details(message: Accepted, what: Happening) -> tuple[str, dict[str, object]]:
    """The kind's own member and what stands in it."""
    kind, recipient = what.kind, what.recipient
    address = message.destination[recipient]
    when = stamp(_when(message, what))
    feedback_id = f"{message.message_id.rpartition('-')[0]}-{recipient:06d}"
    if kind == "Send":
        return "send", {}
    if kind == "Delivery":
        return "delivery", {
            "timestamp": when,
            "processingTimeMillis": what.after,
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
    if kind == "DeliveryDelay":
        delayed = {"emailAddress": address, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 try again later"}
        return "deliveryDelay", {"timestamp": when, "delayType": "RecipientServerError", "delayedRecipients": [delayed]}
    if kind in {"Open", "Click"}:
        return kind.lower(), _fetched(what, when)
    return "failure", {"templateName": message.template or "", "errorMessage": message.failure or ""}


def _mail(message: Accepted) -> dict[str, object]:
    tags = {"ses:source-ip": ["127.0.0.1"], "ses:from-domain": [message.sender.rpartition("@")[2].rstrip(">")]}
    if message.configuration_set:
        tags["ses:configuration-set"] = [message.configuration_set]
    mail: dict[str, object] = {
        "timestamp": stamp(datetime.fromisoformat(message.accepted_at)),
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


def _fetched(what: Happening, when: str) -> dict[str, object]:
    """Who fetched the picture or followed the link, as far as can be seen from there."""
    agent, address = (MACHINE, "198.51.100.7") if what.by_machine else (PERSON, "203.0.113.20")
    found: dict[str, object] = {"ipAddress": address, "timestamp": when, "userAgent": agent}
    return found if what.kind == "Open" else {**found, "link": "", "linkTags": None}


def _when(message: Accepted, what: Happening) -> datetime:
    return datetime.fromisoformat(message.accepted_at) + timedelta(milliseconds=what.after)
