"""What the rules must know beside the build: the moment, the zone, and how mail leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Literal

from newsletter.config import Workspace
from newsletter.editorial.corrections import Correction
from newsletter.editorial.embargo import its_hour
from newsletter.editorial.memory import Memory
from newsletter.editorial.resolve import ResolvedIssue
from newsletter.settings import BudgetSettings


@dataclass(frozen=True)
class Context:
    """The circumstances of a check."""

    now: datetime  # aware; when the issue would go out
    zone: tzinfo  # the newsletter's
    transport: Literal["outbox", "ses", "smtp"] = "outbox"
    endpoint_override: bool = False  # SES calls go to a simulator
    postal_address: str = ""
    public_url: str = ""
    previous_subject: str | None = None
    memory: Memory = field(default_factory=Memory)
    corrections: tuple[Correction, ...] = ()  # of the newsletter's earlier issues, which no issue has carried
    goes_out: date | None = None  # the day it is scheduled for, where that is known
    leaves: datetime | None = None  # when it goes out, where that is known or the newsletter's hour tells
    budgets: BudgetSettings = field(default_factory=BudgetSettings)

    @property
    def is_real(self) -> bool:
        """Whether mail would leave for real mailboxes."""
        return self.transport == "smtp" or (self.transport == "ses" and not self.endpoint_override)


def context_of(
    workspace: Workspace,
    resolved: ResolvedIssue,
    *,
    now: datetime,
    previous_subject: str | None = None,
    memory: Memory | None = None,
    due_at: datetime | None = None,
    corrections: tuple[Correction, ...] = (),
    exact: bool = False,
) -> Context:
    """The circumstances of this workspace and newsletter; `exact` when `now` is the very moment it goes out."""
    _, settings = workspace.newsletter(resolved.definition.newsletter)
    ses = workspace.settings.ses
    hour = its_hour(settings, resolved.definition.date)
    likely = due_at or (max(now, hour) if hour else None)
    return Context(
        now=now,
        zone=settings.zone,
        transport=workspace.settings.transport.kind,
        endpoint_override=ses.endpoint_url is not None,
        postal_address=settings.postal_address,
        public_url=workspace.settings.public_url,
        previous_subject=previous_subject,
        memory=memory or Memory(),
        corrections=corrections,
        goes_out=due_at.astimezone(settings.zone).date() if due_at else None,
        leaves=now if exact else likely,
        budgets=settings.budgets,
    )
