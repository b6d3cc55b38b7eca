"""What every rule is given: the build, what it was made from, and the circumstances."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from newsletter.editorial.resolve import ResolvedIssue
from newsletter.errors import Place
from newsletter.preflight.context import Context
from newsletter.preflight.findings import Finding, Severity
from newsletter.preflight.page import Page
from newsletter.preflight.sources import Sources
from newsletter.rendering.build import Build


@dataclass(frozen=True)
class Examined:
    """A build under examination. What several rules need is worked out once."""

    build: Build
    resolved: ResolvedIssue | None
    context: Context

    @cached_property
    def html(self) -> str:
        return self.build.files.get("body.html", b"").decode("utf-8", "replace")

    @cached_property
    def text(self) -> str:
        return self.build.files.get("body.txt", b"").decode("utf-8", "replace")

    @cached_property
    def page(self) -> Page:
        return Page(self.html)

    @cached_property
    def sources(self) -> Sources:
        return Sources(self.resolved)

    def place(self, snippet: str, at: int = 0) -> Place:
        """Where an editor finds this: in a source, else in body.html at that position."""
        return self.sources.find(snippet) or self.in_html(at)

    def in_html(self, at: int) -> Place:
        return Place("body.html", self.html.count("\n", 0, at) + 1)


RuleFunction = Callable[[Examined], Iterable[Finding]]


def error(rule: str, place: Place, message: str, remedy: str) -> Finding:
    """A finding that blocks a send."""
    return Finding(rule, Severity.ERROR, place, message, remedy)


def warning(rule: str, place: Place, message: str, remedy: str) -> Finding:
    """A finding worth a look."""
    return Finding(rule, Severity.WARNING, place, message, remedy)


def info(rule: str, place: Place, message: str, remedy: str) -> Finding:
    """A finding to know about."""
    return Finding(rule, Severity.INFO, place, message, remedy)


def shortened(text: str, most: int = 60) -> str:
    """A piece of copy as a message quotes it."""
    plain = " ".join(text.split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
