"""Runs every rule over a build. A rule is one small function from what is examined to findings."""

from __future__ import annotations

from newsletter.editorial.resolve import ResolvedIssue
from newsletter.errors import InputError
from newsletter.preflight import (
    envelope,
    fidelity,
    images,
    links,
    newsroom,
    size,
    structure,
    styles,
    unsubscribe,
)
from newsletter.preflight.context import Context
from newsletter.preflight.examined import Examined, RuleFunction
from newsletter.preflight.findings import Finding, Severity
from newsletter.rendering.build import Build

CHECKS: tuple[RuleFunction, ...] = (
    newsroom.day,
    newsroom.embargo,
    newsroom.sponsors,
    envelope.subject,
    envelope.preheader,
    fidelity.copy_problems,
    fidelity.tokens,
    fidelity.lost,
    fidelity.text_part,
    newsroom.slips,
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

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def check(build: Build, resolved: ResolvedIssue | None, context: Context) -> list[Finding]:
    """What all rules find, worst first, and by place within that. Without sources, places are the build's files."""
    examined = Examined(build, resolved, context)
    found: dict[tuple[str, str, int, str], Finding] = {}
    for rule in CHECKS:
        for finding in rule(examined):
            line = finding.place.line or 0
            # The same rule says one thing once about one line of copy; of the build's own files it may say more.
            same = "" if finding.rule == "TOKEN-LEFT" and line else finding.message
            found.setdefault((finding.rule, finding.place.file, line, same), finding)
    return sorted(found.values(), key=lambda f: (_ORDER[f.severity], f.place.file, f.place.line or 0))


def source_findings(error: InputError) -> list[Finding]:
    """The problems of sources that could not be read or rendered, as findings of the rule SOURCE."""
    return [
        Finding("SOURCE", Severity.ERROR, problem.place, problem.message, problem.remedy) for problem in error.problems
    ]
