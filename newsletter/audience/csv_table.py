"""Reads a hostile CSV file row by row in flat memory, in the words of our own fields, and says where each row begins.

A file that is no table for us (no `email` column, not text) is an InputError; a row that is no row is reported and the
next one is read. Nothing in a cell is ever evaluated.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from newsletter.audience.addresses import printable
from newsletter.audience.cells import DateOrder, clean, clean_address, order_in
from newsletter.audience.csv_text import open_text, unusable
from newsletter.audience.formats import (
    ANYTHING,
    FIELDS,
    GENERIC,
    NAMES,
    Format,
    canonical,
    formats_named,
    recognise,
)
from newsletter.documents import did_you_mean, nearest
from newsletter.errors import InputError, Place, Problem

LONGEST_LINE = 1_000_000  # characters; what lies beyond is not read into memory
MOST_COLUMNS = 2_000
_DELIMITERS = ",;\t"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class CsvRow:
    """A row by our field names, or what is wrong with it. `line` is where it begins, the file's first line being 1."""

    line: int
    cells: Mapping[str, str]
    problem: str = ""
    nothing: str = ""  # why there is nothing in it to import, which is no mistake


@dataclass(frozen=True)
class Table:
    """The rows of an open file, and what kind of file it is."""

    format: Format
    rows: Iterator[CsvRow]
    order_of: Callable[[str], DateOrder | None]  # the order the dates of a field prove; reads the whole column, once

    def __iter__(self) -> Iterator[CsvRow]:
        return self.rows


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
def open_table(
    path: Path,
    *,
    mapping: Mapping[str, str],
    encoding: str | None = None,
    format_name: str | None = None,
    name: str | None = None,
) -> Iterator[Table]:
    """The rows of a CSV file. `mapping` gives our field's column where it differs; `name` is what messages call it.

    Raises InputError, also while the rows are read.
    """
    shown = name or path.name

    @lru_cache
    def order_of(field: str) -> DateOrder | None:
        with open_table(path, mapping=mapping, encoding=encoding, format_name=format_name) as again:
            return order_in(row.cells.get(field, "") for row in again)

    with open_text(path, shown, encoding) as stream:
        found, rows = _read(stream, shown, mapping, format_name)
        yield Table(found, rows, order_of)


def _read(
    stream: TextIO, name: str, mapping: Mapping[str, str], format_name: str | None
) -> tuple[Format, Iterator[CsvRow]]:
    lines = _Lines(stream)
    source = iter(lines)
    first, above, delimiter = next(source, ""), 0, ""
    if separator := _SEPARATOR_LINE.fullmatch(first):  # Excel's own way to say which separator it used
        first, above, delimiter = next(source, ""), 1, separator[1]
    if not first.strip("\ufeff \t\r\n,;"):
        remedy = "The first line must name the columns, `email` among them."
        raise unusable(name, "has no header line.", remedy, above + 1)
    try:
        delimiter = delimiter or max(_DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark))))
        reader = csv.reader(chain([first], source), delimiter=delimiter, strict=True)
        columns = next(reader)
    except (csv.Error, TypeError) as error:
        if lines.cut:
            raise _too_wide(name, f"more than {LONGEST_LINE:,} characters", above + 1) from None
        raise unusable(name, f"has no usable header line: {error}.", "Is it a CSV file?", above + 1) from None
    if lines.cut or len(columns) > MOST_COLUMNS:
        much = f"more than {LONGEST_LINE:,} characters" if lines.cut else f"{len(columns):,} columns"
        raise _too_wide(name, much, above + 1)
    while columns and not columns[-1].strip():
        columns.pop()
    known = [canonical(column) for column in columns]
    found = _format(known, format_name)
    rows = _Rows(lines, reader, above, len(columns), found, _places(columns, name, mapping, found), known)
    return found, rows.read()


def _too_wide(name: str, much: str, line: int) -> InputError:
    return unusable(name, f"has a header line of {much}.", "Is it a CSV file?", line)


def _format(known: list[str], name: str | None) -> Format:
    """The format named, in the kind that fits this file; without a name the one its columns prove."""
    if name is None:
        return recognise(known) or GENERIC
    kinds = formats_named(name)
    if not kinds:
        raise InputError([Problem(Place("--format"), f"`{printable(name)}` is not known.", did_you_mean(name, NAMES))])
    return next((kind for kind in kinds if kind.proof <= set(known) and not kind.absent & set(known)), kinds[-1])


@dataclass
class _Rows:
    """The rows below the header."""

    lines: _Lines
    reader: Any  # a csv.reader; its class has no public name
    above: int
    width: int
    format: Format
    places: dict[str, tuple[int, ...]]
    known: list[str]

    def read(self) -> Iterator[CsvRow]:
        email = self.places.pop("email")
        fields = list(self.places.items())
        signs = [(self.known.index(c), words) for c, words in self.format.signs if c in self.known]
        everyone = "" if self.format is GENERIC or "status" in self.places else self.format.everyone
        while True:
            line = self.above + self.reader.line_num + 1
            try:
                cells = next(self.reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield CsvRow(line, {}, _broken(str(error)))
                self.lines.cut = False
                continue
            problem = self._problem(cells)
            if problem is None:
                continue
            address = _first(cells, email, clean_address)
            if problem:
                yield CsvRow(line, {"email": address}, problem)
                continue
            row = {"email": address}
            for field, places in fields:
                row[field] = clean(cells[places[0]]) if len(places) == 1 else _first(cells, places, clean)
            if everyone:
                row["status"] = _status(cells, signs, everyone)
            yield CsvRow(line, row, nothing=self.format.nothing.get(row.get("status", ""), ""))

    def _problem(self, cells: list[str]) -> str | None:
        """What is wrong with the row as a whole: nothing (empty), or None for a row that says nothing at all."""
        width = len(cells)
        if self.lines.cut:
            self.lines.cut = False
            return f"The line is longer than {LONGEST_LINE:,} characters."
        if width != self.width:
            if not any(cell and not cell.isspace() for cell in cells):
                return None
            if width < self.width or any(cell.strip() for cell in cells[self.width :]):
                return f"The row has {_counted(width)}, the header has {self.width}."
        if not cells[0] and not any(cell and not cell.isspace() for cell in cells):
            return None
        if any("\0" in cell for cell in cells):
            return "The row holds a NUL byte."
        return ""


def _first(cells: list[str], places: Iterable[int], cleaned: Callable[[str], str]) -> str:
    """The first of these cells that says something."""
    return next((cell for place in places if place < len(cells) and (cell := cleaned(cells[place]))), "")


def _status(cells: list[str], signs: list[tuple[int, Mapping[str, str]]], everyone: str) -> str:
    """What the first sign that says something means; a word nobody knows is passed on as it is."""
    for place, words in signs:
        if written := clean(cells[place]).lower():
            return words.get(written) or words.get(ANYTHING) or written
    return everyone


def _places(columns: list[str], name: str, mapping: Mapping[str, str], found: Format) -> dict[str, tuple[int, ...]]:
    """Where each of our fields stands. Raises InputError for a mapping or a header that cannot be used."""
    known = [canonical(column) for column in columns]
    problems = [
        Problem(Place("--map"), f"unknown field `{printable(field)}`.", did_you_mean(field, FIELDS))
        for field in mapping
        if field not in FIELDS
    ]
    wanted = {**found.columns, **{field: (canonical(mapping[field]),) for field in FIELDS if field in mapping}}
    places = {}
    for field, candidates in wanted.items():
        there = [column for column in candidates if column in known]
        problems += [
            Problem(Place(name, 1), f"has more than one column `{column}`.", "Rename or remove one.")
            for column in there
            if known.count(column) > 1
        ]
        if there:
            places[field] = tuple(known.index(column) for column in there)
        elif field in mapping:
            remedy = did_you_mean(mapping[field], [printable(column) for column in columns if column.strip()])
            problems.append(Problem(Place(name, 1), f"has no column `{printable(mapping[field])}`.", remedy))
        elif field == "email":
            problems.append(_no_email(columns, name))
    if problems:
        raise InputError(problems)
    return places


def _no_email(columns: list[str], name: str) -> Problem:
    found = [printable(column, 30) for column in columns if column.strip()][:20]
    close = nearest("email", [column.lower() for column in found]) or nearest("e-mail", [c.lower() for c in found])
    likely = next((column for column in found if column.lower() == close), None)
    remedy = f'Use --map email="{likely}".' if likely else "Name it with --map email=COLUMN."
    return Problem(Place(name, 1), f"has no `email` column; columns found: {', '.join(found)}.", remedy)


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
