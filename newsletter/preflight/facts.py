"""FACTS: what a frozen build says of other issues must still be so when it goes out.

A build for tomorrow takes today's issue for sent. If that did not go out, "Yesterday we asked" is no longer true, and
the build is held until a person has built it anew. What an editor wrote since is no matter of this rule: a build goes
out as it was frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newsletter.config import Workspace
from newsletter.editorial.resolve import FollowUp, resolve
from newsletter.errors import NewsletterError, Place
from newsletter.preflight.findings import Finding, Severity
from newsletter.rendering.build import Build
from newsletter.store.engine import Store


def changed_facts(workspace: Workspace, store: Store, build: Build) -> Finding | None:
    """What a build says and is no longer so; None when all of it is, or its files cannot be read any more."""
    said: list[Mapping[str, Any]] = build.manifest.get("facts", {}).get("follow_ups", [])
    if not said:
        return None
    try:
        resolved = resolve(workspace, store, build.issue)
    except NewsletterError:
        return None
    known = {found.question_id: found for block in resolved.blocks if (found := block.follow_up)}
    for fact in said:
        found = known.get(fact["question"])
        if found is not None and _day(found) != fact["asked_on"]:
            message = f"it says “{fact['lead_in']}” of question {fact['question']}, which {_by_now(found)}."
            remedy = f"Build it anew: newsletter schedule {build.issue}, or newsletter send {build.issue}."
            return Finding("FACTS", Severity.ERROR, Place(f"build {build.hash[:12]}"), message, remedy)
    return None


def _day(found: FollowUp) -> str | None:
    return found.asked_on.isoformat() if found.asked_on else None


def _by_now(found: FollowUp) -> str:
    return f"was asked on {_day(found)}" if found.asked_on else "was never asked: its issue did not go out"
