"""Segments: readers chosen by conditions, as a file `segments/<name>.toml` says; here read and checked, never guessed.

A table of conditions holds for a reader of whom every one of them is true; `all`, `any` and `not` nest tables. What a
condition means in the database: segment_sql.py. What each means to an editor: docs/segments.md, held to this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import idna
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    field_validator,
    model_validator,
)

from newsletter.audience.consent import Basis, months_before
from newsletter.config import CONFIG_NAME, Workspace
from newsletter.documents import Document, decode, did_you_mean, read_toml, shown, validate
from newsletter.errors import InputError, NotFound, Place, Problem, shown_path
from newsletter.settings import NewsletterSettings
from newsletter.values import NAME

SUFFIX = ".toml"
NOBODYS = "default"  # no segment's name: it is the variant of readers who are in none
DEEPEST = 10
MOST = 200
LARGEST_FILE = 256 * 1024
LONGEST_YEARS = 100
NESTING = ("all", "any", "not")

_ISSUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True)
class Span:
    """A stretch of time back from a moment: calendar months and days."""

    months: int = 0
    days: int = 0

    def before(self, at: datetime) -> datetime:
        """The moment so long before `at`."""
        return months_before(at, self.months) - timedelta(days=self.days)


def _span(value: object) -> Span:
    found = re.fullmatch(r"\s*(\d{1,5})\s+(day|week|month|year)s?\s*", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{shown(value)} is not a stretch of time. Write "30 days", "2 weeks", "12 months", "1 year".')
    number, unit = int(found[1]), found[2]
    span = Span(months=number * _MONTHS.get(unit, 0), days=number * _DAYS.get(unit, 0))
    if number == 0 or span.months > LONGEST_YEARS * 12 or span.days > LONGEST_YEARS * 365:
        raise ValueError(f"{shown(value)} is no stretch that can be reckoned with: 1 day to {LONGEST_YEARS} years.")
    return span


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueError(f"{shown(value)} is not a date. Write it as year-month-day: 2024-10-10.")


def _language(value: str) -> str:
    if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", value):
        return value.lower()
    raise ValueError(f"{shown(value)} is not a language. Write its code: `en`, `pt-BR`.")


def _domain(value: str) -> str:
    """A domain in ASCII, as addresses are kept; with a dot before it, everything that ends so."""
    bare = value.removeprefix(".")
    try:
        return value[: len(value) - len(bare)] + idna.encode(bare, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise ValueError(
            f"{shown(value)} is not a domain. Write `example.org`, or `.org` for all addresses that end so."
        ) from None


def _issue(value: object) -> str:
    """An issue's name; one that looks like a date may stand without quotes."""
    name = value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value
    if isinstance(name, str) and _ISSUE.fullmatch(name):
        return name
    raise ValueError(f"{shown(value)} cannot be an issue. Name its folder in issues/.")


def _listed(value: object) -> object:
    """One value may stand for a list of one."""
    return value if isinstance(value, list | tuple) else [value]


One = BeforeValidator(_listed)
Words = Annotated[str, Field(min_length=1, max_length=200)]
Spans = Annotated[Span, PlainValidator(_span)]
Day = Annotated[date, PlainValidator(_day)]
Truth = Annotated[bool, Field(strict=True)]
Some = Field(default=None, min_length=1)


class Conditions(BaseModel):
    """A table of conditions: it holds for a reader of whom every one is true."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    all: tuple[Conditions, ...] | None = Some
    any: tuple[Conditions, ...] | None = Some
    not_: Conditions | None = Field(default=None, alias="not")

    lang: Annotated[tuple[Annotated[str, AfterValidator(_language)], ...] | None, One] = Some
    has_first_name: Truth | None = None
    domain: Annotated[tuple[Annotated[str, AfterValidator(_domain)], ...] | None, One] = Some
    newsletter: Annotated[tuple[Words, ...] | None, One] = Some
    basis: Annotated[tuple[Basis, ...] | None, One] = Some
    source: Annotated[tuple[Words, ...] | None, One] = Some
    source_contains: Annotated[tuple[Words, ...] | None, One] = Some
    consent_older_than: Spans | None = None
    consent_newer_than: Spans | None = None
    joined_before: Day | None = None
    joined_after: Day | None = None
    joined_within: Spans | None = None
    voted_within: Spans | None = None
    had_issue: Annotated[tuple[Annotated[str, PlainValidator(_issue)], ...] | None, One] = Some
    had_within: Spans | None = None
    opened_within: Spans | None = None
    clicked_within: Spans | None = None
    import_batch: Annotated[tuple[Annotated[int, Field(strict=True, ge=1)], ...] | None, One] = Some

    @model_validator(mode="after")
    def _not_empty(self) -> Conditions:
        if not self.model_fields_set:
            raise ValueError("has no condition in it.")
        return self

    @field_validator("not_")
    @classmethod
    def _one_thing(cls, value: Conditions | None) -> Conditions | None:
        """`not` of two conditions could mean neither or not both."""
        if value is not None and len(value.model_fields_set) > 1:
            raise ValueError("has several conditions; say which is meant: { all = [ … ] } or { any = [ … ] }.")
        return value

    def tables(self) -> Iterator[Conditions]:
        """This table and every one within it."""
        yield self
        for inner in (*(self.all or ()), *(self.any or ()), *((self.not_,) if self.not_ else ())):
            yield from inner.tables()


class Definition(BaseModel):
    """The whole of a segment's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    title: Words
    notes: str = ""
    where: Conditions


@dataclass(frozen=True)
class Segment:
    """A segment as read; `source` is its file, byte for byte."""

    name: str
    title: str
    where: Conditions
    path: str
    source: bytes


def read_segment(workspace: Workspace, name: str) -> Segment:
    """The segment of that name. Raises NotFound, or InputError with every problem of its file."""
    if name not in workspace.segment_names:
        remedy = did_you_mean(name, workspace.segment_names) or "Make one: docs/segments.md shows how."
        raise NotFound(f"There is no segment `{name}` in {workspace.segments.name}/. {remedy}")
    path = workspace.segments / f"{name}{SUFFIX}"
    place = shown_path(path, workspace.root)
    if not path.resolve().is_relative_to(workspace.root.resolve()):
        problem = Problem(Place(place), "is a link that leads out of the workspace.", "Put the file itself there.")
        raise InputError([problem])
    try:
        with path.open("rb") as file:
            source = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError([Problem(Place(place), f"cannot be read: {error.strerror}.")]) from None
    if len(source) > LARGEST_FILE:
        raise InputError([Problem(Place(place), "is larger than 256 kB, too large to be a segment.")])
    return parse_segment(name, source, newsletters=workspace.settings.newsletters, path=place)


def read_segments(workspace: Workspace) -> tuple[list[Segment], list[Problem]]:
    """Every segment that can be read, and what is wrong with the others."""
    found: list[Segment] = []
    problems: list[Problem] = []
    for name in workspace.segment_names:
        try:
            found.append(read_segment(workspace, name))
        except InputError as error:
            problems += error.problems
    return found, problems


def parse_segment(name: str, source: bytes, *, newsletters: Mapping[str, NewsletterSettings], path: str) -> Segment:
    """A segment from the bytes of its file. Raises InputError with every problem, each with its line of `path`."""
    if not re.fullmatch(NAME, name) or name == NOBODYS:
        why = f"`{NOBODYS}` means readers who are in no segment." if name == NOBODYS else ""
        remedy = f"{why} Name the file with small letters, digits and hyphens: supporters.toml.".lstrip()
        raise InputError([Problem(Place(path), f"`{name}` cannot be a segment's name.", remedy)])
    document = read_toml(decode(source, path), path)
    try:
        found = validate(Definition, document)
    except InputError as error:
        raise InputError([_of_reading(problem) for problem in error.problems]) from None
    problems = list(_problems(document, newsletters))
    if problems:
        raise InputError(problems)
    return Segment(name, found.title, found.where, path, source)


def _of_reading(problem: Problem) -> Problem:
    """The nearest known condition is no help to somebody who asks for what nobody can know."""
    if re.match(r"unknown key `(open|click|read|engage|not_open|unopened|inactive)", problem.message):
        remedy = (
            "Who reads and who does not is not on record. Of readers who agreed to be measured there are "
            f"`opened_within` and `clicked_within`. Known: {', '.join(condition_names())}."
        )
        return Problem(problem.place, problem.message, remedy)
    return problem


def condition_names() -> tuple[str, ...]:
    """Every condition there is, in the order of the file above."""
    return tuple(name for name in Conditions.model_fields if name not in {"all", "any", "not_"})


def _problems(document: Document, newsletters: Mapping[str, NewsletterSettings]) -> Iterator[Problem]:
    """What only shows in the segment as a whole, or beside the newsroom's settings."""
    number = 0
    for path, table in _tables(document.data["where"], ("where",)):
        if sum(step in NESTING for step in path) >= DEEPEST:
            yield Problem(document.place(path), f"is nested more than {DEEPEST} deep.", "Make it two segments.")
        number += sum(len(_values(value)) for key, value in table.items() if key not in NESTING)
        for index, name in enumerate(_values(table.get("newsletter", ()))):
            if str(name).strip() not in newsletters:
                place = document.place((*path, "newsletter", index))
                remedy = did_you_mean(str(name), newsletters)
                yield Problem(place, f'there is no newsletter "{name}" in {CONFIG_NAME}.', remedy)
    if number > MOST:
        message = f"the segment has {number} conditions; at most {MOST} are allowed, each value of a list counted."
        yield Problem(document.place(["where"]), message, "Make it two segments.")


def _tables(table: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every table of conditions and its path; those too deep are named but not entered."""
    yield path, table
    if sum(step in NESTING for step in path) >= DEEPEST:
        return
    for key in ("all", "any"):
        for index, inner in enumerate(table.get(key, ())):
            yield from _tables(inner, (*path, key, index))
    if "not" in table:
        yield from _tables(table["not"], (*path, "not"))


def _values(value: object) -> tuple[object, ...] | list[object]:
    return value if isinstance(value, list | tuple) else (value,)


def start_of(day: date, settings: NewsletterSettings) -> datetime:
    """The moment a day begins for the newsletter."""
    return datetime(day.year, day.month, day.day, tzinfo=settings.zone).astimezone(UTC)
