"""Repairs to copy that came from elsewhere, each small, each reported, each refusable.

Pasting loses things (a space before a link, a break between paragraphs) and brings things (trackers, invisible
characters, "Read more"). Every repair says its line, what stood there and what stands there now; nothing changes
without a line in that list. What cannot be repaired with certainty (tokens nobody filled in, broken encodings) is
reported only. What is looked for, and what becomes of it, is `symptoms`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection
from dataclasses import dataclass

from newsletter.editorial.incoming.paragraphs import breaks
from newsletter.editorial.incoming.symptoms import LONGEST_PARAGRAPH, PASSES, REPORTS, Kind, Mend
from newsletter.editorial.incoming.tables import rows_in_markdown, tables

CONTEXT = 16
SEPARATOR = "\u2029"  # of paragraphs, as layout programs write it


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

    Doing it again changes nothing. No repair but the last, of paragraphs and tables, moves a line; a separator of
    paragraphs counts as their break.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found: list[Repair] = []
    text = _pass(text, Kind.PARAGRAPHS, re.compile(SEPARATOR), lambda _: "\n\n", refuse=refuse, found=found)
    for kind, pattern, mend in PASSES:
        text = _pass(text, kind, pattern, mend, refuse=refuse, found=found)
    line_of = _lines_of(text)
    for kind, pattern in REPORTS:
        found += [Repair(kind, line_of(m.start()), _around(m, m[0])) for m in pattern.finditer(text)]
    text = _laid_out(text, refuse, found)
    return Repaired(text, tuple(sorted(found, key=lambda each: each.line)))


def _pass(
    text: str, kind: Kind, pattern: re.Pattern[str], mend: Mend, *, refuse: Collection[str], found: list[Repair]
) -> str:
    line_of = _lines_of(text)

    def note(match: re.Match[str]) -> str:
        if match.groupdict().get("spared") is not None:
            return match[0]
        line, after = line_of(match.start()), mend(match)
        if after == match[0] or f"{kind}:{line}" in refuse:
            return match[0]
        found.append(Repair(kind, line, _around(match, match[0]), _around(match, after.replace("\n\n", "¶"))))
        return after

    return text if kind in refuse else pattern.sub(note, text)


def _laid_out(text: str, refuse: Collection[str], found: list[Repair]) -> str:
    """What parts lines: tables of tabs, paragraphs at a single newline or a separator; walls of words are reported."""

    def refused(kind: Kind, line: int) -> bool:
        return kind in refuse or f"{kind}:{line}" in refuse

    lines = text.split("\n")
    written: dict[int, str] = {}
    for rows in tables(lines):
        if not refused(Kind.TABLES, rows[0] + 1):
            table = list(rows_in_markdown([lines[row] for row in rows]))
            found.append(Repair(Kind.TABLES, rows[0] + 1, lines[rows[0]].replace("\t", "⇥"), table[0]))
            written.update(dict.fromkeys(rows, ""))
            written[rows[0]] = _apart(table, lines, rows)
    ends = {line for line in breaks(lines) if line - 1 not in written and not refused(Kind.PARAGRAPHS, line)}
    for end in sorted(ends):
        before, after = lines[end - 1][-CONTEXT:], lines[end][:CONTEXT]
        found.append(Repair(Kind.PARAGRAPHS, end, f"{before}⏎{after}", f"{before}¶{after}"))
    for number, line in enumerate(lines, 1):
        if len(line.split()) > LONGEST_PARAGRAPH:
            found.append(Repair(Kind.WALLS, number, f"{line[: 3 * CONTEXT].strip()}…"))
    kept = ((number, written.get(number - 1, line)) for number, line in enumerate(lines, 1))
    skipped = {row + 1 for row, line in written.items() if not line}
    return "\n".join(f"{line}\n" if number in ends else line for number, line in kept if number not in skipped)


def _apart(table: list[str], lines: list[str], rows: range) -> str:
    """A table with an empty line between it and the copy around it."""
    above = "\n" if rows[0] and lines[rows[0] - 1].strip() else ""
    below = "\n" if rows[-1] + 1 < len(lines) and lines[rows[-1] + 1].strip() else ""
    return above + "\n".join(table) + below


def _around(match: re.Match[str], shown: str) -> str:
    """What stands there with the few letters beside it, on one line."""
    start, end, whole = match.start(), match.end(), match.string
    before = whole[max(0, start - CONTEXT) : start].rpartition("\n")[2]
    return f"{before}{shown}{whole[end : end + CONTEXT].partition(chr(10))[0]}".strip()


def _lines_of(text: str) -> Callable[[int], int]:
    """Tells the line, from 1, on which a position of the text stands."""
    ends = [match.start() for match in re.finditer("\n", text)]
    return lambda position: bisect_left(ends, position) + 1
