"""The seam to the outside: a mail, its recipients, and what a transport answers. Nothing else crosses it.

A transport hands over one batch and says for each recipient what is known. Provider words are translated at the door
into `Verdict`; a transport never raises for provider trouble and never retries by itself: retries belong to the
ledger (SES has no idempotency token, so a blind retry is a second mail).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Tracking(StrEnum):
    """What may be measured of a mail: one choice for a whole call, and nothing unless every reader in it agreed."""

    NONE = "none"
    OPENS = "opens"
    CLICKS = "clicks"
    BOTH = "both"

    @property
    def opens(self) -> bool:
        return self in {Tracking.OPENS, Tracking.BOTH}

    @property
    def clicks(self) -> bool:
        return self in {Tracking.CLICKS, Tracking.BOTH}


@dataclass(frozen=True)
class Mail:
    """What every reader of a send gets, merge fields (`{{name|fallback}}`) still in it."""

    key: str  # names this content at the provider, e.g. the first 32 hex digits of the build hash
    from_name: str
    from_address: str
    reply_to: str | None
    subject: str
    html: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()  # List-ID, List-Unsubscribe, …; values may hold merge fields
    lang: str = "en"
    tracking: Tracking = Tracking.NONE


@dataclass(frozen=True)
class Recipient:
    """One reader of a batch: `fields` are raw values by merge field name; each place escapes its own."""

    address: str
    fields: Mapping[str, str]
    tag: str  # names the delivery and its attempt, [A-Za-z0-9_-], no personal data; echoed by SES in every event


class Verdict(StrEnum):
    """What is known of one hand-over."""

    ACCEPTED = "accepted"  # the provider took it; not "delivered"
    REFUSED = "refused"  # never try this one again unchanged
    RETRY = "retry"  # certainly not taken; try again later
    UNKNOWN = "unknown"  # handed over, answer lost
    STOP = "stop"  # certainly not taken, and no other will be: a person must act (configuration, suspension)


@dataclass(frozen=True)
class Answer:
    """The verdict for one recipient, with the provider's message id or its reason."""

    verdict: Verdict
    message_id: str | None = None
    reason: str = ""
    throttled: bool = False  # a RETRY because we were too fast
    quota_spent: bool = False  # a RETRY because the day's quota is used up


@dataclass(frozen=True)
class Quota:
    """What the provider allows: recipients a second, and recipients left today (None: no limit)."""

    rate: float | None
    left_today: int | None
    warnings: tuple[str, ...] = ()


class Transport(Protocol):
    """One way out."""

    name: str
    scope: str  # the pace row shared by all who use this account, e.g. "ses:us-east-1"
    batch_size: int  # most recipients in one call
    connections: int  # calls worth having under way at once
    idempotent: bool  # handing the same tag over twice leaves one mail (a folder), so nothing is ever uncertain

    def quota(self) -> Quota:
        """What the provider allows now. Raises Refused when sending is not possible at all."""
        ...

    def prepare(self, mail: Mail) -> None:
        """Once per send, before the first batch (e.g. store a template). Raises Refused."""
        ...

    def hand_over(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Answer]:
        """One call: an answer for each recipient, in order. Thread-safe."""
        ...
