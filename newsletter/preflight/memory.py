"""Rules of the desk's memory: promises, questions, threads, and words about days."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.editorial.daywords import Slip, moved_words, wrong_dates
from newsletter.preflight.examined import Examined, info, warning
from newsletter.preflight.findings import Finding
from newsletter.preflight.sources import Copy


def promises(examined: Examined) -> Iterator[Finding]:
    """PROMISE: a promised day is past, and readers are still waiting."""
    for found in examined.context.memory.promises:
        yield warning("PROMISE", found.place, found.message, found.remedy)


def questions(examined: Examined) -> Iterator[Finding]:
    """QUESTION: an answer to what was never asked, a question asked twice or answered already."""
    for found in examined.context.memory.questions:
        yield warning("QUESTION", found.place, found.message, found.remedy)


def threads(examined: Examined) -> Iterator[Finding]:
    """THREAD: a link that leads nowhere or past the thread; a story that seems to continue one and does not say so."""
    for found in examined.context.memory.threads:
        yield warning("THREAD", found.place, found.message, found.remedy)
    for found in examined.context.memory.suggestions:
        yield info("THREAD", found.place, found.message, found.remedy)


def reused(examined: Examined) -> Iterator[Finding]:
    """REUSED: a story, or its words, that readers had before."""
    for found in examined.context.memory.reused:
        yield warning("REUSED", found.place, found.message, found.remedy)


def day_words(examined: Examined) -> Iterator[Finding]:
    """WHEN: weekdays fit their dates, and "yesterday" is read on the day it was written for."""
    issued = examined.build.date
    read = examined.context.goes_out or issued
    lang = str(examined.build.manifest.get("settings", {}).get("lang") or "en")
    for copy in examined.sources.copies:
        written = copy.written or issued
        moved = moved_words(copy.shown, lang, written=written, read=read)
        for slip in (*wrong_dates(copy.text, lang, written), *moved):
            yield _found(copy, slip)


def _found(copy: Copy, slip: Slip) -> Finding:
    place = copy.place(copy.text.count("\n", 0, slip.at) + 1)
    return warning("WHEN", place, slip.message, slip.remedy)
