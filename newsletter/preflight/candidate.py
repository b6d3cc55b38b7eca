"""An issue resolved, rendered and checked: what `check`, `build` and `send` all begin with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.config import Workspace
from newsletter.editorial.corrections import waiting
from newsletter.editorial.memory import remember
from newsletter.editorial.resolve import ResolvedIssue, resolve
from newsletter.preflight.check import check
from newsletter.preflight.context import context_of
from newsletter.preflight.findings import Finding
from newsletter.rendering.build import Build
from newsletter.rendering.render import build_issue
from newsletter.store.engine import Store
from newsletter.store.tables import build_files, schedules, sends


@dataclass(frozen=True)
class Candidate:
    """A build that is not frozen yet, and what the rules say of it."""

    resolved: ResolvedIssue
    build: Build
    findings: tuple[Finding, ...]


def candidate(
    workspace: Workspace, store: Store, issue: str, *, now: datetime, clock: datetime | None = None
) -> Candidate:
    """Resolve, render and check an issue as it would go out at `now`.

    With `clock`, which is the present, `now` is the moment it is to go out at; without, its schedule may name another.
    No build is stored. Raises InputError for sources that cannot be used.
    """
    resolved = resolve(workspace, store, issue, now=clock or now)
    build = build_issue(workspace, resolved)
    with store.read() as connection:
        previous = last_subject(connection, build.newsletter, besides=build.issue)
        due_at = now if clock is not None else next_due(connection, build.issue)
        owed = waiting(connection, build.newsletter, by=build.date, besides=build.issue)
    memory = remember(workspace, store, resolved)
    context = context_of(
        workspace,
        resolved,
        now=now,
        previous_subject=previous,
        memory=memory,
        due_at=due_at,
        corrections=owed,
        exact=clock is not None,
    )
    return Candidate(resolved, build, tuple(check(build, resolved, context)))


def next_due(connection: Connection, issue: str) -> datetime | None:
    """When the issue is scheduled to go out; None when it is not."""
    query = select(schedules.c.due_at).where(schedules.c.issue == issue, schedules.c.state == "waiting")
    return connection.scalar(query.order_by(schedules.c.due_at).limit(1))


def last_subject(connection: Connection, newsletter: str, *, besides: str) -> str | None:
    """The subject of the newsletter's issue that went out last, other than `besides`; None when there is none."""
    query = (
        select(build_files.c.data)
        .join(sends, sends.c.build == build_files.c.build)
        .where(build_files.c.path == "subject.txt", sends.c.newsletter == newsletter, sends.c.issue != besides)
        .where(sends.c.first_handover_at.is_not(None))
        .order_by(sends.c.first_handover_at.desc())
        .limit(1)
    )
    data = connection.scalar(query)
    return data.decode().strip() if data else None
