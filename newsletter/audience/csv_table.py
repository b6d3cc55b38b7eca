"""Reads a hostile CSV file row by row in flat memory, and says on which line each row begins.

A file that is no table for us (no `email` column, not text) is an InputError; a row that is no row is reported and the
next one is read. Nothing in a cell is ever evaluated.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from newsletter.audience.addresses import printable
from newsletter.documents import did_you_mean, nearest
from newsletter.errors import InputError, Place, Problem

FIELDS = ("email", "first_name", "lang", "status", "basis", "date", "expires", "source")
LONGEST_LINE = 1_000_000  # characters; what lies beyond is not read into memory
_DELIMITERS = ",;\t"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class CsvRow:
    """A row by our field names, or what is wrong with it. `line` is where it begins, the header being line 1."""

    line: int
    cells: Mapping[str, str]
    problem: str = ""


class _Lines:
    """The lines of a stream, none of them longer than LONGEST_LINE; `cut` tells that one was."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.cut = False

    def __iter__(self) -> Iterator[str]:
        while line := self.stream.readline(LONGEST_LINE):
            rest = line
            while len(rest) == LONGEST_LINE and not rest.endswith(("\n", "\r")):
                self.cut = True
                rest = self.stream.readline(LONGEST_LINE)
            yield line


@contextmanager
def open_table(path: Path, *, mapping: Mapping[str, str], encoding: str | None = None) -> Iterator[Iterator[CsvRow]]:
    """The rows of a CSV file. `mapping` gives our field's column name where it differs. Raises InputError."""
    try:
        with path.open("rb") as raw:
            mark = raw.read(2)
        chosen = encoding or ("utf-16" if mark in _UTF16_MARKS else "utf-8-sig")
        with path.open(encoding=chosen, newline="") as stream:
            yield _rows(stream, path.name, mapping)
    except UnicodeError:
        raise _undecodable(path, chosen) from None
    except LookupError:
        raise _unusable(path.name, f"`{printable(chosen)}` is not an encoding.", "Try windows-1252.") from None
    except OSError as error:
        raise _unusable(str(path), f"cannot be read: {error.strerror or error}.") from None


def _rows(stream: TextIO, name: str, mapping: Mapping[str, str]) -> Iterator[CsvRow]:
    header = stream.readline(LONGEST_LINE)
    if not header.strip():
        raise _unusable(name, "has no header line.", "The first line must name the columns, `email` among them.", 1)
    try:
        delimiter = max(_DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark))))
        columns = next(csv.reader([header], delimiter=delimiter))
    except csv.Error as error:
        raise _unusable(name, f"has no usable header line: {error}.", "Is it a CSV file?", 1) from None
    places = _places(columns, name, mapping)
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 2
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield CsvRow(line, {}, _broken(str(error)))
        else:
            yield from _row(line, cells, places, width=len(columns), cut=lines.cut)
        lines.cut = False


def _row(line: int, cells: list[str], places: dict[str, int], *, width: int, cut: bool) -> Iterator[CsvRow]:
    if not any(cell.strip() for cell in cells):
        return
    email = places["email"]
    found = {"email": cells[email]} if email < len(cells) else {}
    if cut:
        yield CsvRow(line, found, f"The line is longer than {LONGEST_LINE:,} characters.")
    elif any("\0" in cell for cell in cells):
        yield CsvRow(line, found, "The row holds a NUL byte.")
    elif len(cells) != width:
        yield CsvRow(line, found, f"The row has {_counted(len(cells))}, the header has {width}.")
    else:
        yield CsvRow(line, {field: cells[place].strip() for field, place in places.items()})


def _places(columns: list[str], name: str, mapping: Mapping[str, str]) -> dict[str, int]:
    """Where each of our fields stands. Raises InputError for a mapping or a header that cannot be used."""
    known = [_canonical(column) for column in columns]
    problems = [
        Problem(Place("--map"), f"unknown field `{printable(field)}`.", did_you_mean(field, FIELDS))
        for field in mapping
        if field not in FIELDS
    ]
    wanted = {field: _canonical(mapping.get(field, field)) for field in FIELDS}
    for field, column in wanted.items():
        if known.count(column) > 1:
            problems.append(Problem(Place(name, 1), f"has more than one column `{column}`.", "Rename or remove one."))
        elif column not in known and field in mapping:
            remedy = did_you_mean(mapping[field], [printable(found) for found in columns if found.strip()])
            problems.append(Problem(Place(name, 1), f"has no column `{printable(mapping[field])}`.", remedy))
        elif column not in known and field == "email":
            problems.append(_no_email(columns, name))
    if problems:
        raise InputError(problems)
    return {field: known.index(column) for field, column in wanted.items() if column in known}


def _no_email(columns: list[str], name: str) -> Problem:
    found = [printable(column, 30) for column in columns if column.strip()][:20]
    close = nearest("email", [column.lower() for column in found]) or nearest("e-mail", [c.lower() for c in found])
    likely = next((column for column in found if column.lower() == close), None)
    remedy = f'Use --map email="{likely}".' if likely else "Name it with --map email=COLUMN."
    return Problem(Place(name, 1), f"has no `email` column; columns found: {', '.join(found)}.", remedy)


def _canonical(column: str) -> str:
    return column.strip().lower().replace(" ", "_").replace("-", "_")


def _broken(error: str) -> str:
    if "field limit" in error:
        return f"A cell is longer than {csv.field_size_limit():,} characters; perhaps a quotation mark is not closed."
    if "unexpected end" in error:
        return "A quotation mark opened in this row is never closed."
    if "expected after" in error:
        return 'A quoted cell goes on after its closing quotation mark; inside a cell write "" for ".'
    return f"The row cannot be read: {error}."


def _counted(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"


def _unusable(name: str, message: str, remedy: str = "", line: int | None = None) -> InputError:
    return InputError([Problem(Place(name, line), message, remedy)])


def _undecodable(path: Path, encoding: str) -> InputError:
    """The error for bytes that are not text, with the line they stand on."""
    line = None
    if encoding == "utf-8-sig":
        with path.open("rb") as raw:
            line = next((number for number, text in enumerate(raw, 1) if not _is_utf8(text)), None)
    shown = "UTF-8" if encoding == "utf-8-sig" else printable(encoding)
    remedy = "Save the file as UTF-8, or say what it is: --encoding windows-1252."
    return _unusable(path.name, f"is not {shown} text.", remedy, line)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
