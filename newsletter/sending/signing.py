"""Signing: an issue is built, checked and frozen, and the person who does it says yes to that very build.

`approve`, `schedule` and `send` all begin like this. What still stands in the way comes back as a result, not as an
error: findings, or the yes of a second person, together with what changed since the build that had it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import Connection, select

from newsletter.config import Workspace
from newsletter.editorial.library import Library
from newsletter.errors import NewsletterError, NotFound
from newsletter.preflight.candidate import candidate
from newsletter.preflight.findings import Finding
from newsletter.preflight.waivers import blocking, read_waive_options, record_waivers
from newsletter.rendering.build import Build
from newsletter.rendering.difference import Difference, differences
from newsletter.rendering.freeze import find_builds, freeze, load_build
from newsletter.sending.approvals import Approval, approval_of, approve, last_approved
from newsletter.sending.instants import instant
from newsletter.sending.rhythm import rhythm_of
from newsletter.sending.schedule import open_schedule
from newsletter.store.engine import Store
from newsletter.store.tables import builds

_NOON = time(12)  # of an issue whose newsletter has no rhythm


@dataclass(frozen=True)
class Unapproved:
    """A build that needs another person's yes, and what it has different from the one approved before."""

    approval: Approval
    since: str | None  # the build approved before; None when there is none
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "build": self.approval.build,
            "approved_by": self.approval.people,
            "enough": self.approval.enough,
            "approved_before": self.since,
            "differences": [found.as_json() for found in self.differences],
        }


@dataclass(frozen=True)
class Signed:
    """What came of it. Without an approval the findings say why."""

    build: Build
    findings: tuple[Finding, ...]
    waived: frozenset[str]
    approval: Approval | None
    unapproved: Unapproved | None = None

    @property
    def may_go(self) -> bool:
        return self.approval is not None and self.unapproved is None


def sign(
    store: Store,
    workspace: Workspace,
    issue: str,
    *,
    person: str,
    waivers: Mapping[str, str],
    due: datetime,
    now: datetime,
) -> Signed:
    """Build an issue as it is to go out at `due`, and record that person's yes. Raises InputError, NotFound."""
    found = candidate(workspace, store, issue, now=due, clock=now)
    build, waived = found.build, frozenset(waivers)
    if blocking(found.findings, waivers):
        return Signed(build, found.findings, waived, None)
    freeze(store, workspace, build, now=now)
    record_waivers(store, build.hash, waivers, person=person, now=now)
    _, settings = workspace.newsletter(build.newsletter)
    with store.write() as connection:
        approve(connection, build.hash, person=person, now=now)
        approval = approval_of(connection, build.hash, settings)
        before = last_approved(connection, issue, settings, besides=build.hash)
    if approval.enough:
        return Signed(build, found.findings, waived, approval)
    changed = tuple(differences(load_build(store, before), build)) if before else ()
    return Signed(build, found.findings, waived, approval, Unapproved(approval, before, changed))


def approve_issue(
    store: Store, workspace: Workspace, issue: str, *, person: str, waive: Sequence[str], now: datetime
) -> Signed:
    """The verb `approve`: that person's yes to an issue as it is. Raises InputError, Refused and NotFound.

    It is mostly said before the day, so it is checked for the hour at which the issue is to go out.
    """
    waivers = read_waive_options(waive)
    definition, _ = Library(workspace.issues).definition(issue)
    name, settings = workspace.newsletter(definition.newsletter)
    rhythm = rhythm_of(name, settings)
    hour = rhythm.settings.at if rhythm else _NOON
    own = instant(datetime.combine(definition.date, hour), rhythm.zone if rhythm else settings.zone)
    return sign(store, workspace, issue, person=person, waivers=waivers, due=max(own, now), now=now)


@dataclass(frozen=True)
class Compared:
    """A frozen build beside the one an issue's files give now."""

    frozen: str
    now: str
    differences: Sequence[Difference]


def compare(store: Store, workspace: Workspace, issue: str, *, build: str | None, now: datetime) -> Compared:
    """What the files have different from a frozen build: the one named by its first digits; else the scheduled one,
    else the one approved last, else the newest. Raises NotFound and InputError.
    """
    made = candidate(workspace, store, issue, now=now).build
    _, settings = workspace.newsletter(made.newsletter)
    with store.read() as connection:
        if build is not None:
            chosen = _named(connection, issue, build)
        elif (schedule := open_schedule(connection, issue)) is not None:
            chosen = schedule.build
        else:
            newest = next((found.hash for found in find_builds(connection, issue)), None)
            chosen = last_approved(connection, issue, settings, besides="") or newest or made.hash
    return Compared(chosen, made.hash, differences(load_build(store, chosen), made) if chosen != made.hash else [])


def stale_schedule(store: Store, workspace: Workspace, issue: str, *, now: datetime) -> str | None:
    """What to tell whoever looks at an issue whose files have changed since it was scheduled; None when all is well."""
    with store.read() as connection:
        schedule = open_schedule(connection, issue)
    if schedule is None or _hash_now(store, workspace, issue, now) == schedule.build:
        return None
    return (
        f"The files have changed since build {schedule.build[:12]} was scheduled for {schedule.in_words}: that build "
        f"goes out as it is. See what changed: newsletter issue diff {issue}; schedule it as it is now: "
        f"newsletter schedule {issue}"
    )


def _hash_now(store: Store, workspace: Workspace, issue: str, now: datetime) -> str | None:
    """The build the files give; None when they give none."""
    try:
        return candidate(workspace, store, issue, now=now).build.hash
    except NewsletterError:
        return None


def _named(connection: Connection, issue: str, digits: str) -> str:
    found = [build.hash for build in find_builds(connection, issue) if build.hash.startswith(digits.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"More than one build of issue {issue} begins with `{digits}`: say more of its digits.")
    other = connection.scalar(select(builds.c.issue).where(builds.c.hash.startswith(digits.lower(), autoescape=True)))
    whose = f"; it is one of issue {other}" if other else ""
    raise NotFound(f"Issue {issue} has no build `{digits}`{whose}. Make one with: newsletter build {issue}")
