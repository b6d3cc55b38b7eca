"""Tables as spreadsheets and word processors hand them over: a row a line, its cells parted by tabs."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

_LIST = re.compile(r"(?:[·•▪◦‣o*-]|\d{1,3}[.)])\t")


def in_table(text: str, position: int) -> bool:
    """Whether this position is inside such a table."""
    spans = _spans(text)
    nearest = bisect_right(spans, (position, len(text))) - 1
    return nearest >= 0 and position < spans[nearest][1]


@lru_cache(maxsize=1)  # asked for every tab of a text, which may have a hundred thousand
def _spans(text: str) -> list[tuple[int, int]]:
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    return [(starts[rows[0]], starts[rows[-1] + 1]) for rows in tables(lines)]


def tables(lines: Sequence[str]) -> Iterator[range]:
    """Runs of two and more lines with the same number of cells, two at the least, by index."""
    start = 0
    while start < len(lines):
        cells = _cells(lines[start])
        end = start + 1
        while end < len(lines) and cells > 1 and _cells(lines[end]) == cells:
            end += 1
        if end - start > 1:
            yield range(start, end)
        start = end


def rows_in_markdown(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a table as Markdown writes it; the first names the columns."""
    for number, line in enumerate(lines):
        cells = [cell.strip().replace("|", "\\|") for cell in line.strip().split("\t")]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{' --- |' * len(cells)}"


def _cells(line: str) -> int:
    """How many cells a line has; a list's mark and the tab behind it make none."""
    return 0 if _LIST.match(line) else line.strip().count("\t") + 1
