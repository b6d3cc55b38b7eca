"""The words of what comes back: Amazon SES's event record turned into ours, closed and small.

SES adds fields and words over the years: unknown fields are ignored, unknown kinds are kept as `unknown`. Nothing that
names a person leaves this record; it stays in the raw event.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from newsletter.sending.answers import in_a_line

TAG = re.compile(r"([a-z2-7]{8})-([1-9][0-9]{0,17})-([1-9][0-9]{0,6})", re.ASCII)
SERVICE_TAG = re.compile(r"service-([1-9][0-9]{0,17})-([1-9][0-9]{0,6})", re.ASCII)  # one letter short of a send's id

# A receiver that refuses our authentication, alignment or certificate says nothing about the reader.
OUR_FAULT = re.compile(r"\b[45]\.7\.(2[0-9]|30|40|515)\b")
OURS = " (our configuration)"  # how a bounce's detail ends then
ON_THEIR_LIST = "OnAccountSuppressionList"  # Amazon SES did not even try: its own list has the address
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)  # RFC 3463
_PROVIDERS_WORD = re.compile(r"[A-Za-z]{1,39}", re.ASCII)


class Kind(StrEnum):
    """What happened to a mail."""

    SEND = "send"
    DELIVERY = "delivery"
    DELAY = "delay"
    BOUNCE = "bounce"  # permanent
    SOFT_BOUNCE = "soft-bounce"  # transient or undetermined: given up this time, or an automatic reply
    COMPLAINT = "complaint"
    NOT_SPAM = "not-spam"  # a complaint taken back
    REJECT = "reject"
    NOT_RENDERED = "not-rendered"
    OPEN = "open"
    CLICK = "click"
    SUBSCRIPTION = "subscription"
    UNKNOWN = "unknown"


NOT_SENT = frozenset({Kind.REJECT, Kind.NOT_RENDERED})  # the provider took it and then did not mail it
NO_PROOF = frozenset({*NOT_SENT, Kind.SUBSCRIPTION, Kind.UNKNOWN})  # all others prove that it was handed over


class NotAnEvent(Exception):
    """A message that is no event record. It is acknowledged and ignored; the text says what it is instead."""


@dataclass(frozen=True)
class Delivery:
    """The delivery and the attempt a mail's tag names."""

    send_id: str
    subscriber_id: int
    attempt: int


@dataclass(frozen=True)
class ServiceMail:
    """The service mail and the attempt a mail's tag names."""

    id: int
    attempt: int


@dataclass(frozen=True)
class Event:
    """One event, in our words."""

    kind: Kind
    message_id: str
    delivery: Delivery | None  # None: no mail of a send
    occurred_at: datetime
    detail: str
    our_fault: bool  # a bounce that says we are misconfigured, not that the reader is gone
    dedup: str
    service: ServiceMail | None = None
    link: str = ""  # of a click: where it led, which may be a reader's own
    agent: str | None = None  # of an open or click: the program that looked, as it calls itself
    words: str = ""  # the provider's own alone, never the receiver's: Transient/MailboxFull

    @property
    def untagged(self) -> bool:
        """Whether nothing in it says which mail it is about: the older notifications carry no tags."""
        return self.delivery is None and self.service is None

    @property
    def on_their_list(self) -> bool:
        """Whether the provider refused an address that its own list has, and ours should have had."""
        return self.kind in {Kind.BOUNCE, Kind.COMPLAINT} and self.words.endswith(ON_THEIR_LIST)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Mail(_Part):
    message_id: str = Field(alias="messageId", pattern=r"^[!-~]{1,200}$")
    timestamp: AwareDatetime
    tags: dict[str, list[str]] = {}
    destination: list[str] = []


class _Recipient(_Part):
    address: str = Field("", alias="emailAddress")
    status: str = ""
    diagnostic: str = Field("", alias="diagnosticCode")


class _Detail(_Part):
    """What any of the kinds says beside `mail`; each uses its own few."""

    timestamp: AwareDatetime | None = None
    feedback_id: str = Field("", alias="feedbackId")
    bounce_type: str = Field("", alias="bounceType")
    bounce_subtype: str = Field("", alias="bounceSubType")
    complaint_type: str | None = Field(None, alias="complaintFeedbackType")
    complaint_subtype: str | None = Field(None, alias="complaintSubType")
    delay_type: str = Field("", alias="delayType")
    reason: str = ""
    error: str = Field("", alias="errorMessage")
    link: str = ""
    agent: str | None = Field(None, alias="userAgent")
    who: tuple[_Recipient | str, ...] = Field(
        (),
        validation_alias=AliasChoices("bouncedRecipients", "complainedRecipients", "delayedRecipients", "recipients"),
    )


_NO_DETAIL = _Detail()


class _Record(_Part):
    event: str = Field(validation_alias=AliasChoices("eventType", "notificationType"), max_length=80)
    mail: _Mail
    bounce: _Detail | None = None
    complaint: _Detail | None = None
    delivery: _Detail | None = None
    delay: _Detail | None = Field(None, alias="deliveryDelay")
    reject: _Detail | None = None
    failure: _Detail | None = None
    open: _Detail | None = None
    click: _Detail | None = None


_BOUNCES = frozenset({Kind.BOUNCE, Kind.SOFT_BOUNCE})
_KINDS = {
    "Send": Kind.SEND,
    "Delivery": Kind.DELIVERY,
    "DeliveryDelay": Kind.DELAY,
    "Bounce": Kind.BOUNCE,
    "Complaint": Kind.COMPLAINT,
    "Reject": Kind.REJECT,
    "Rendering Failure": Kind.NOT_RENDERED,
    "Open": Kind.OPEN,
    "Click": Kind.CLICK,
    "Subscription": Kind.SUBSCRIPTION,
}


def parse(message: str) -> Event:
    """Read one event record. Raises NotAnEvent for anything else, such as the text SES sends when it is set up."""
    try:
        record = _Record.model_validate_json(message)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise NotAnEvent(f"{where}: {first['msg']}" if where else first["msg"]) from None
    detail = _detail_of(record)
    kind = _kind_of(record, detail)
    occurred_at = detail.timestamp or record.mail.timestamp
    tags = record.mail.tags.get("delivery", [])
    words = _providers_words(kind, detail)
    our_fault = kind in _BOUNCES and any(OUR_FAULT.search(said) for said in _said(detail))
    return Event(
        kind=kind,
        message_id=record.mail.message_id,
        delivery=_delivery_of(tags),
        occurred_at=occurred_at,
        detail=_in_words(kind, detail, words) + (OURS if our_fault else ""),
        our_fault=our_fault,
        dedup=_dedup(record, detail, occurred_at),
        service=_service_mail_of(tags),
        link=detail.link if kind is Kind.CLICK else "",
        agent=detail.agent if kind in {Kind.OPEN, Kind.CLICK} else None,
        words=words,
    )


def addressee(message: str) -> str:
    """Whom the mail went to that an event record is about; "" unless it was one address."""
    to = _Record.model_validate_json(message).mail.destination
    return to[0] if len(to) == 1 else ""


def _kind_of(record: _Record, detail: _Detail) -> Kind:
    kind = _KINDS.get(record.event, Kind.UNKNOWN)
    if kind is Kind.BOUNCE and detail.bounce_type in {"Transient", "Undetermined"}:
        return Kind.SOFT_BOUNCE
    if kind is Kind.COMPLAINT and detail.complaint_type == "not-spam":
        return Kind.NOT_SPAM
    return kind


def _detail_of(record: _Record) -> _Detail:
    parts = {
        "Bounce": record.bounce,
        "Complaint": record.complaint,
        "Delivery": record.delivery,
        "DeliveryDelay": record.delay,
        "Reject": record.reject,
        "Rendering Failure": record.failure,
        "Open": record.open,
        "Click": record.click,
    }
    return parts.get(record.event) or _NO_DETAIL


def _delivery_of(values: Sequence[str]) -> Delivery | None:
    found = TAG.fullmatch(values[0]) if len(values) == 1 else None
    return Delivery(found[1], int(found[2]), int(found[3])) if found else None


def _service_mail_of(values: Sequence[str]) -> ServiceMail | None:
    found = SERVICE_TAG.fullmatch(values[0]) if len(values) == 1 else None
    return ServiceMail(int(found[1]), int(found[2])) if found else None


def _providers_words(kind: Kind, detail: _Detail) -> str:
    """What Amazon SES itself calls it. These words come from a short list and never name a person."""
    if kind in _BOUNCES:
        return "/".join(_word(said) for said in (detail.bounce_type, detail.bounce_subtype))
    if kind in {Kind.COMPLAINT, Kind.NOT_SPAM}:
        said = detail.complaint_subtype or detail.complaint_type or ""
        return said if re.fullmatch(r"[A-Za-z-]{1,39}", said) else ""
    return detail.delay_type if _PROVIDERS_WORD.fullmatch(detail.delay_type) else ""


def _word(said: str) -> str:
    return said if _PROVIDERS_WORD.fullmatch(said) else "Unknown"


def _in_words(kind: Kind, detail: _Detail, words: str) -> str:
    """What a person needs to see, without the receiver's own text: that often repeats the address."""
    if kind in _BOUNCES:
        status = next((r.status for r in detail.who if isinstance(r, _Recipient) and _STATUS.fullmatch(r.status)), "")
        return f"{words} {status}".strip()
    return in_a_line(detail.reason or detail.error or words)[:200]


def _said(detail: _Detail) -> list[str]:
    return [f"{who.status} {who.diagnostic}" for who in detail.who if isinstance(who, _Recipient)]


def _dedup(record: _Record, detail: _Detail, at: datetime) -> str:
    """The same event, however often and by whichever way it comes, has the same key."""
    first = detail.who[0] if detail.who else ""
    named = first.address if isinstance(first, _Recipient) else first
    recipient = named or (record.mail.destination[0] if record.mail.destination else "")
    told_apart = detail.feedback_id or recipient + detail.link  # a scanner follows several links in one moment
    parts = (record.mail.message_id, record.event, told_apart, at.isoformat())
    return hashlib.sha256("|".join(parts).encode("utf-8", "replace")).hexdigest()
