"""What a cell said before spreadsheets got at it: quotation marks, formulas, error words, and dates in local orders.

A date whose day and month could be either way round is never guessed: 03/04/2024 is read only when somebody, or the
rest of its column, says which comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_QUOTES = ("“”", "„“", "„”", "«»", "»«", "‘’", "‚‘", "‹›", '""')
_OPENING = frozenset(pair[0] for pair in _QUOTES)
_SUSPECT = _OPENING | frozenset("=#'")
_SPREADSHEET_ERRORS = frozenset({"#N/A", "#NV", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"})
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2007\u202f", " "))
_NOTHING = "\u200b\ufeff \t"  # invisible; within an address it stays, and the address is refused


class DateOrder(StrEnum):
    """Which comes first where both could."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


class AmbiguousDateError(ValueError):
    """The day and the month could change places."""


def clean(cell: str) -> str:
    """The cell without the traces of spreadsheets and word processors."""
    cell = cell.strip()
    if not cell or (cell[0] not in _SUSPECT and cell.isascii()):
        return cell
    cell = cell.translate(_SPACES).strip(_NOTHING)
    if _ESCAPED.match(cell):  # an apostrophe keeps a spreadsheet from calculating; it is no part of the text
        return cell[1:]
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2:
        cell = cell[2:-1].replace('""', '"').strip()
    if len(cell) > 1 and cell[0] in _OPENING and cell[0] + cell[-1] in _QUOTES:
        cell = cell[1:-1].strip()
    return "" if cell in _SPREADSHEET_ERRORS else cell


def clean_address(cell: str) -> str:
    """The same for an address, which may also be a link."""
    cell = clean(cell)
    return cell[7:].strip() if cell[:7].lower() == "mailto:" else cell


def harmless(text: str) -> str:
    """A cell no spreadsheet calculates; `clean` gives the text back."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) or _ESCAPED.match(text) else text


_LOCAL = re.compile(
    r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ ,T]+(\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AaPp])\.?[Mm]\.?)?)?"
)
_EXCEL_DAY = re.compile(r"\d{5}(\.\d+)?")
_EXCEL_BEGINS = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's day has no zone; the caller gives it one
_ZONE_NAME = re.compile(r"\s*(?:([+-]\d\d):?(\d\d))?\s*(?:UTC|GMT|Z|[+-]\d{4})\Z")


def read_moment(text: str, order: DateOrder | None = None) -> datetime:
    """A date with or without time. Raises AmbiguousDateError, or ValueError for what is no date at all."""
    if local := _LOCAL.fullmatch(text):
        return _local_moment(local, order)
    if _EXCEL_DAY.fullmatch(text):  # the days since 1899-12-30, as a cell looks that lost its format
        return _EXCEL_BEGINS + timedelta(seconds=round(float(text) * 86_400))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if zone := _ZONE_NAME.search(text):
            offset = f"{zone[1]}:{zone[2]}" if zone[1] else "+00:00"
            return datetime.fromisoformat(text[: zone.start()] + offset)
        raise


def order_in(cells: Iterable[str]) -> DateOrder | None:
    """Which order a column of dates proves; None when it proves none, or both."""
    proved: set[DateOrder] = set()
    for cell in cells:
        if (found := _LOCAL.fullmatch(cell)) and found[2] != ".":
            first, second = int(found[1]), int(found[3])
            if first > 12 >= second:
                proved.add(DateOrder.DAY_FIRST)
            elif second > 12 >= first:
                proved.add(DateOrder.MONTH_FIRST)
    return proved.pop() if len(proved) == 1 else None


def _local_moment(found: re.Match[str], order: DateOrder | None) -> datetime:
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    if found[2] == "." or first > 12:  # wherever points are written the day comes first
        order = DateOrder.DAY_FIRST
    elif second > 12:
        order = DateOrder.MONTH_FIRST
    elif first != second and order is None:
        raise AmbiguousDateError(found[0])
    day, month = (second, first) if order is DateOrder.MONTH_FIRST else (first, second)
    hour, minute, seconds = (int(found[group] or 0) for group in (5, 6, 7))
    if found[8]:
        if not 1 <= hour <= 12:
            raise ValueError("there is no such hour")
        hour = hour % 12 + (12 if found[8] in "Pp" else 0)
    return datetime(year, month, day, hour, minute, seconds)  # noqa: DTZ001 - the caller knows the zone
