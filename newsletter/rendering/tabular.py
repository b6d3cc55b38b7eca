"""Tables of data: which columns hold numbers, and how a table reads as plain text.

In plain text its columns stand under one another where they fit; where they do not, each row is told by itself, every
value with the name of its column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from newsletter.rendering.plaintext import WIDTH, width_of, wrap

# A sign or currency, digits in any grouping, and a short unit: "1,204", "−3.5 %", "€12.50", "40 kn".
_NUMBER = re.compile(
    r"[<>≈~±]?\s?[+\-−–]?\s?[$€£¥₩₹]?\s?\d[\d.,:’'\u00a0\u202f ]*(?:\s?(?:[%‰$€£¥₩₹]|°[CF]?|[^\W\d_]{1,3}))?"
)
_NOTHING = frozenset({"", "-", "–", "—", "…", "n/a"})
_GAP = 2


def number_columns(rows: Sequence[Sequence[str]]) -> tuple[bool, ...]:
    """Of each column, whether it holds numbers and nothing else."""
    columns = zip(*rows, strict=True)
    return tuple(
        any(cell not in _NOTHING for cell in cells)
        and all(cell in _NOTHING or _NUMBER.fullmatch(cell) for cell in cells)
        for cells in columns
    )


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    """The table as plain text of at most 72 columns."""
    widths = [max(width_of(cell) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    if sum(widths) + _GAP * (len(widths) - 1) > WIDTH:
        return "\n\n".join(_told(columns, row) for row in rows)
    under = ["-" * width for width in widths]
    return "\n".join(_aligned(row, widths, numbers) for row in (columns, under, *rows))


def _aligned(row: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    cells = []
    for cell, width, right in zip(row, widths, numbers, strict=True):
        room = " " * (width - width_of(cell))
        cells.append(room + cell if right else cell + room)
    return (" " * _GAP).join(cells).rstrip()


def _told(columns: Sequence[str], row: Sequence[str]) -> str:
    """A row by itself, under what its first cell names."""
    values = (f"{name}: {cell}" for name, cell in zip(columns[1:], row[1:], strict=True) if cell)
    return "\n".join((wrap(row[0]), *(wrap(value, indent="  ", hanging="    ") for value in values)))
