"""FACTS: what a frozen build says of other issues must still be so when it goes out.

A build for tomorrow takes today's issue for sent. If that did not go out, "Yesterday we asked" is no longer true, and
the build is held until a person has built it anew. So it is with a thread's days and the votes of a poll. What an
editor wrote since is no matter of this rule: a build goes out as it was frozen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from newsletter.config import Workspace
from newsletter.editorial.resolve import FollowUp, ResolvedIssue, resolve
from newsletter.errors import NewsletterError, Place
from newsletter.preflight.findings import Finding, Severity
from newsletter.rendering.build import Build
from newsletter.store.engine import Store

_CHECKED = ("follow_ups", "poll_follow_ups", "previously")


def changed_facts(workspace: Workspace, store: Store, build: Build) -> Finding | None:
    """What a build says and is no longer so; None when all of it is, or its files cannot be read any more."""
    facts: Mapping[str, Any] = build.manifest.get("facts", {})
    if not any(facts.get(kind) for kind in _CHECKED):
        return None
    try:
        resolved = resolve(workspace, store, build.issue)
    except NewsletterError:
        return None
    message = next(_untrue(facts, resolved), None)
    if message is None:
        return None
    remedy = f"Build it anew: newsletter schedule {build.issue}, or newsletter send {build.issue}."
    return Finding("FACTS", Severity.ERROR, Place(f"build {build.hash[:12]}"), message, remedy)


def _untrue(facts: Mapping[str, Any], resolved: ResolvedIssue) -> Iterator[str]:
    """A sentence for each thing the build says and that is otherwise by now; what has left the files is passed over."""
    asked = {found.question_id: found for block in resolved.blocks if (found := block.follow_up)}
    for fact in facts.get("follow_ups", ()):
        found = asked.get(fact["question"])
        if found is not None and _day(found) != fact["asked_on"]:
            yield f"it says “{fact['lead_in']}” of question {fact['question']}, which {_by_now(found)}."
    polled = {said.name: said.facts() for block in resolved.blocks if (said := block.readers_said)}
    for fact in facts.get("poll_follow_ups", ()):
        now = polled.get(fact["poll"], fact)
        if now["asked_on"] != fact["asked_on"]:
            yield f"it says “{fact['lead_in']}” of poll {fact['poll']}, which was asked on {now['asked_on']}."
        elif (now["votes"], now["left_out"], now["final"]) != (fact["votes"], fact["left_out"], fact["final"]):
            yield f"poll {fact['poll']} has other votes by now than the {sum(fact['votes']):,} it counts."
    told = {earlier.story.id: earlier.day.isoformat() for block in resolved.blocks for earlier in block.thread}
    for fact in facts.get("previously", ()) if told else ():
        day = told.get(fact["story"])
        if day != fact["day"]:
            yield f"it says that {fact['story']} was told on {fact['day']}, and it {_told(day)}."


def _told(day: str | None) -> str:
    return f"was on {day}" if day else "never went out"


def _day(found: FollowUp) -> str | None:
    return found.asked_on.isoformat() if found.asked_on else None


def _by_now(found: FollowUp) -> str:
    return f"was asked on {_day(found)}" if found.asked_on else "was never asked: its issue did not go out"
