"""Repairs to copy that came from elsewhere, each small, each reported, each refusable.

Pasting loses things (a space before a link, a break between paragraphs) and brings things (trackers, invisible
characters, "Read more"). Every repair says its line, what stood there and what stands there now; nothing changes
without a line in that list. What cannot be repaired with certainty (tokens nobody filled in, broken encodings) is
reported only. What is looked for, and what becomes of it, is `symptoms`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from newsletter.editorial.incoming.paragraphs import breaks
from newsletter.editorial.incoming.symptoms import PASSES, REPORTS, Kind, Mend

CONTEXT = 16


@dataclass(frozen=True)
class Repair:
    """One change, or with `after` None something found and left. `before` shows a little of what is round it."""

    kind: Kind
    line: int  # of the text as it came, from 1
    before: str
    after: str | None = None


@dataclass(frozen=True)
class Repaired:
    """The text, and everything that was done to it or found in it."""

    text: str
    repairs: tuple[Repair, ...]


def repair(text: str, *, refuse: Collection[str] = ()) -> Repaired:
    """Repair Markdown, leaving out what is refused: a whole kind (`sentences`) or one line's (`sentences:3`).

    Doing it again changes nothing. No repair but the last, of paragraphs, moves a line.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found: list[Repair] = []
    for kind, pattern, mend in PASSES:
        text = _pass(text, kind, pattern, mend, refuse=refuse, found=found)
    for kind, pattern in REPORTS:
        found += [Repair(kind, _line(text, m.start()), _around(m, m[0])) for m in pattern.finditer(text)]
    if Kind.PARAGRAPHS not in refuse:
        text = _parted(text, refuse, found)
    return Repaired(text, tuple(sorted(found, key=lambda each: each.line)))


def _pass(
    text: str, kind: Kind, pattern: re.Pattern[str], mend: Mend, *, refuse: Collection[str], found: list[Repair]
) -> str:
    def note(match: re.Match[str]) -> str:
        if match.groupdict().get("spared") is not None:
            return match[0]
        line, after = _line(text, match.start()), mend(match)
        if after == match[0] or f"{kind}:{line}" in refuse:
            return match[0]
        found.append(Repair(kind, line, _around(match, match[0]), _around(match, after)))
        return after

    return text if kind in refuse else pattern.sub(note, text)


def _parted(text: str, refuse: Collection[str], found: list[Repair]) -> str:
    """One newline where a paragraph ended becomes two."""
    lines = text.split("\n")
    ends = {line for line in breaks(lines) if f"{Kind.PARAGRAPHS}:{line}" not in refuse}
    for line in sorted(ends):
        before, after = lines[line - 1][-CONTEXT:], lines[line][:CONTEXT]
        found.append(Repair(Kind.PARAGRAPHS, line, f"{before}⏎{after}", f"{before}¶{after}"))
    return "\n".join(text + "\n" if number in ends else text for number, text in enumerate(lines, 1))


def _around(match: re.Match[str], shown: str) -> str:
    """What stands there with the few letters beside it, on one line."""
    start, end, whole = match.start(), match.end(), match.string
    before = whole[max(0, start - CONTEXT) : start].rpartition("\n")[2]
    return f"{before}{shown}{whole[end : end + CONTEXT].partition(chr(10))[0]}".strip()


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
