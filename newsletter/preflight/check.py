"""Runs every rule over a build. A rule is one small function from what is examined to findings."""

from __future__ import annotations

from dataclasses import replace

from newsletter.editorial.resolve import ResolvedIssue
from newsletter.errors import InputError, Place
from newsletter.preflight import (
    budgets,
    embargo,
    envelope,
    fidelity,
    handmade,
    images,
    links,
    looking_back,
    memory,
    newsroom,
    polls,
    size,
    sponsors,
    structure,
    styles,
    unsubscribe,
)
from newsletter.preflight.context import Context
from newsletter.preflight.examined import Examined, RuleFunction
from newsletter.preflight.findings import Finding, Severity
from newsletter.rendering.build import DEFAULT_VARIANT, Build, folder_of
from newsletter.rendering.variants import seen_by

CHECKS: tuple[RuleFunction, ...] = (
    newsroom.day,
    embargo.embargo,
    sponsors.sponsors,
    newsroom.picture_credits,
    envelope.subject,
    envelope.preheader,
    fidelity.copy_problems,
    fidelity.tokens,
    fidelity.lost,
    fidelity.text_part,
    newsroom.slips,
    memory.day_words,
    memory.promises,
    memory.questions,
    memory.threads,
    memory.reused,
    budgets.budgets,
    handmade.html_blocks,
    looking_back.open_polls,
    polls.time_to_vote,
    looking_back.corrections,
    links.destinations,
    links.unreachable,
    links.mismatches,
    links.trackers,
    unsubscribe.unsubscribe,
    images.dimensions,
    images.kinds,
    images.weight,
    structure.document,
    structure.alternatives,
    structure.headings,
    structure.link_words,
    structure.tables,
    styles.style_parse,
    styles.inline_values,
    styles.body_type,
    styles.width,
    styles.outlook,
    size.size_html,
    size.size_style,
)

_BODIES = frozenset({"body.html", "body.txt"})
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def check(build: Build, resolved: ResolvedIssue | None, context: Context) -> list[Finding]:
    """What all rules find in every variant, worst first, and by place within that.

    Without sources, places are the build's files. What the default variant has as well is said of it alone.
    """
    found: list[Finding] = []
    said: set[tuple[str, str, int, str]] = set()
    for variant, segments in build.variants.items():
        blocks = seen_by(resolved, segments) if resolved and build.segments else resolved
        for finding in _findings(Examined(build.seen_by(variant), blocks, context)):
            # The same slip of a theme stands on another line of each variant.
            line = 0 if finding.place.file in _BODIES else finding.place.line or 0
            same = (finding.rule, finding.place.file, line, finding.message)
            if variant == DEFAULT_VARIANT or same not in said:
                found.append(_in_variant(finding, variant))
            said.add(same)
    return sorted(found, key=lambda f: (_ORDER[f.severity], f.place.file, f.place.line or 0))


def _findings(examined: Examined) -> list[Finding]:
    found: dict[tuple[str, str, int, str], Finding] = {}
    for rule in CHECKS:
        for finding in rule(examined):
            line = finding.place.line or 0
            # The same rule says one thing once about one line of copy; of the build's own files it may say more.
            same = "" if finding.rule == "TOKEN-LEFT" and line else finding.message
            found.setdefault((finding.rule, finding.place.file, line, same), finding)
    return list(found.values())


def _in_variant(finding: Finding, variant: str) -> Finding:
    """The finding, saying which readers it is about."""
    if variant == DEFAULT_VARIANT:
        return finding
    place = finding.place
    if place.file in _BODIES:
        place = Place(f"{folder_of(variant)}{place.file}", place.line)
    return replace(finding, place=place, message=f"in variant {variant}: {finding.message}")


def source_findings(error: InputError) -> list[Finding]:
    """The problems of sources that could not be read or rendered, as findings of the rule SOURCE."""
    return [
        Finding("SOURCE", Severity.ERROR, problem.place, problem.message, problem.remedy) for problem in error.problems
    ]
