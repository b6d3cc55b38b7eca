"""An issue resolved, rendered and checked: what `check`, `build` and `send` all begin with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.config import Workspace
from newsletter.editorial.resolve import ResolvedIssue, resolve
from newsletter.preflight.check import check
from newsletter.preflight.context import context_of
from newsletter.preflight.findings import Finding
from newsletter.rendering.build import Build
from newsletter.rendering.render import build_issue
from newsletter.store.engine import Store


@dataclass(frozen=True)
class Candidate:
    """A build that is not frozen yet, and what the rules say of it."""

    resolved: ResolvedIssue
    build: Build
    findings: tuple[Finding, ...]


def candidate(workspace: Workspace, store: Store, issue: str, *, now: datetime) -> Candidate:
    """Resolve, render and check an issue; nothing is stored. Raises InputError for sources that cannot be used."""
    resolved = resolve(workspace, store, issue)
    build = build_issue(workspace, resolved)
    return Candidate(resolved, build, tuple(check(build, resolved, context_of(workspace, resolved, now=now))))
