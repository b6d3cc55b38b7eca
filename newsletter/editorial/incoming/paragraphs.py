"""Where one newline stands for the end of a paragraph, as it does in text copied from a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_SENTENCE_END = re.compile(r"[.!?…][”\"’)]?$")
_STARTS = re.compile(r"[“\"‘'(]?[A-ZÀ-Þ0-9\[]")
_STRUCTURE = re.compile(r"\s*([-*+>|#]|\d+[.)]\s|```|\s{4})")
_WRAPPED = 0.4  # of the lines inside paragraphs ending in mid-sentence: the text was broken at a fixed width


def breaks(lines: Sequence[str]) -> list[int]:
    """The lines, from 1, after which a blank one belongs. Lists, quotations, tables and code are left as they are."""
    found, code = [], False
    inner = [line for line, after in pairwise(lines) if line.strip() and after.strip()]
    if inner and sum(not _SENTENCE_END.search(line.rstrip()) for line in inner) > len(inner) * _WRAPPED:
        return []
    for number, (line, after) in enumerate(pairwise(lines), 1):
        code ^= line.startswith("```")
        if code or not line.strip() or not after.strip() or _STRUCTURE.match(line) or _STRUCTURE.match(after):
            continue
        if _SENTENCE_END.search(line.rstrip()) and _STARTS.match(after):
            found.append(number)
    return found
