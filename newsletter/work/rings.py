"""What the clock rings for: each kind of work that is looked for, how often, and what does it.

A ring asks the database anew, remembers nothing, and may be rung by several clocks at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from newsletter.audience.tidy import tidy
from newsletter.config import Workspace
from newsletter.editorial.results import Known, freeze_closed
from newsletter.feedback import account_list
from newsletter.feedback.collect import Collector
from newsletter.sending.apart import clear_left
from newsletter.sending.detached import Detached
from newsletter.sending.due import start_due
from newsletter.sending.interrupts import Stop
from newsletter.sending.late import continue_late
from newsletter.sending.service.post import deliver
from newsletter.sending.slices import SILENT_SECONDS
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.transports.mail import Transport
from newsletter.work.settings import Standing

EVENTS_WAIT = 5  # seconds an empty queue is listened to at a time: a clock that is told to stop waits no longer


@dataclass
class Desk:
    """What any of it may need."""

    store: Store
    workspace: Workspace
    ring: KeyRing
    post: Transport  # for service mail
    issues: Transport  # for issues
    now: Callable[[], datetime]
    stop: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        self.detached = Detached(self.store, self.workspace, self.ring, self.issues, self.now, self.stop)
        self.polls: Known = {}
        self.collector = Collector(self.store, self.workspace.settings, self.ring, self.now)
        self.standing = Standing(self.workspace)

    def look_at_settings(self) -> None:
        """What is due, and what goes on, is decided by the newsletters' settings of now."""
        self.workspace = self.detached.workspace = self.standing.look()
        self.collector.settings = self.workspace.settings


@dataclass(frozen=True)
class Ring:
    """One kind of work. It returns, or raises as a NewsletterError, what stands in its way."""

    name: str
    words: str  # for a line about trouble with it
    seconds: float
    work: Callable[[Desk], str | None]


def _post(desk: Desk) -> str | None:
    return deliver(desk.store, desk.workspace, desk.ring, desk.post, now=desk.now, stop=desk.stop.is_set).problem


def _late(desk: Desk) -> None:
    continue_late(desk.store, desk.workspace, desk.ring, desk.issues, desk.now, stop=desk.stop)


def _sends(desk: Desk) -> str | None:
    """What is due begins, and what has begun goes on, in one ring: an issue leaves on its minute."""
    desk.look_at_settings()
    begun = start_due(desk.store, desk.workspace, desk.issues, now=desk.now)
    problem = desk.detached.look()
    return "; ".join(filter(None, [*(found.held for found in begun), problem])) or None


def _events(desk: Desk) -> None:
    desk.collector.collect(wait=EVENTS_WAIT, stop=desk.stop.is_set)


def _account_list(desk: Desk) -> None:
    settings, now = desk.workspace.settings, desk.now()
    if account_list.is_due(desk.store, settings, now):
        account_list.sync(desk.store, settings, desk.ring, now=now, stop=desk.stop.is_set)


def _frozen(desk: Desk) -> None:
    desk.store.break_off_frozen(SILENT_SECONDS)


def _polls(desk: Desk) -> None:
    freeze_closed(desk.store, desk.now(), known=desk.polls)


def _tidy(desk: Desk) -> None:
    tidy(desk.store, desk.workspace.settings, desk.now())
    clear_left(desk.workspace)


RINGS = (
    Ring("post", "service mail", 2, _post),
    Ring("late", "late joiners", 5, _late),
    Ring("sends", "sends", 2, _sends),
    Ring("frozen", "processes that stand still", 5, _frozen),
    Ring("events", "what comes back", 1, _events),
    Ring("account-list", "the suppression list of Amazon SES", 3600, _account_list),
    Ring("polls", "polls that close", 60, _polls),
    Ring("tidy", "tidying up", 3600, _tidy),
)
