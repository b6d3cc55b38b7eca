"""Turns the bytes of a file into a `Document`: the values, and enough of the source to find lines again."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from newsletter.documents.complaints import CONTROL, Complaint, toml_complaint, yaml_complaint
from newsletter.errors import InputError, Place, Problem

LARGEST = 256 * 1024  # characters; a full issue has about 10,000
DEEPEST = 40  # tables within tables
MOST_DOTS = 1000  # on one line: tomllib's time grows with the square of a key's parts

# What no parser further on could carry: control characters but for tab and line end, and halves of characters.
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Document:
    """A parsed document and its source."""

    name: str
    data: dict[str, Any]
    text: str
    syntax: Literal["toml", "yaml"]
    first_line: int = 1

    def place(self, path: Sequence[str | int]) -> Place:
        """Where the value (or, for an unknown key, the key) at `path` stands; its nearest parent when it is absent."""
        known = tuple(path)
        while known and known not in self._lines:
            known = known[:-1]
        return Place(self.name, self._lines.get(known, 1) + self.first_line - 1)

    @cached_property
    def _lines(self) -> Mapping[tuple[str | int, ...], int]:
        # Imported here: a good file needs no positions, so most commands never load the syntax tree.
        from newsletter.documents.lines import toml_lines, yaml_lines

        return toml_lines(self.text) if self.syntax == "toml" else yaml_lines(self.text)


def decode(data: bytes, name: str) -> str:
    """The text of a file: UTF-8, a byte order mark dropped, line ends as LF. Raises InputError naming the line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError([Problem(Place(name, line), "is not UTF-8 text.", "Save the file as UTF-8.")]) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_toml(text: str, name: str, *, first_line: int = 1) -> Document:
    """Parse TOML 1.0. Raises InputError naming the line of a syntax error."""
    _check_size(text, name, first_line)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error("TOML", toml_complaint(str(error), text), Place(name, first_line)) from None
    except (ValueError, RecursionError) as error:
        raise _syntax_error("TOML", _too_much(error), Place(name, first_line)) from None
    return _checked(Document(name, data, text, "toml", first_line))


def read_yaml(text: str, name: str, *, first_line: int = 1) -> Document:
    """Parse a YAML mapping in its plain form (strict_yaml). Raises InputError naming the line of a syntax error."""
    import yaml

    from newsletter.documents.strict_yaml import StrictLoader

    _check_size(text, name, first_line)
    try:
        data = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a narrower SafeLoader
    except yaml.MarkedYAMLError as error:
        raise _syntax_error("YAML", yaml_complaint(error, text), Place(name, first_line)) from None
    except yaml.reader.ReaderError as error:
        complaint = Complaint(text[: error.position].count("\n") + 1, *CONTROL)
        raise _syntax_error("YAML", complaint, Place(name, first_line)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _syntax_error("YAML", _too_much(error), Place(name, first_line)) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise _syntax_error("YAML", Complaint(1, "this must be `key: value` lines."), Place(name, first_line))
    return _checked(Document(name, data, text, "yaml", first_line))


def _syntax_error(syntax: str, complaint: Complaint, start: Place) -> InputError:
    """The error for a complaint about a text that starts there."""
    place = Place(start.file, complaint.line + (start.line or 1) - 1)
    return InputError([Problem(place, f"{syntax}: {complaint.message}", complaint.remedy)])


def _too_much(error: Exception) -> Complaint:
    if isinstance(error, RecursionError):
        return Complaint(1, "nested too deeply to be a document.")
    if "integer string" in str(error):
        return Complaint(1, "a number has thousands of digits.")
    return Complaint(1, f"{error}.")


def _check_size(text: str, name: str, first_line: int) -> None:
    if len(text) > LARGEST:
        message = f"has {len(text):,} characters here; at most {LARGEST:,} are read."
        raise InputError([Problem(Place(name, first_line), message, "Move the copy into stories.")])
    for number, line in enumerate(text.split("\n"), first_line):
        if line.count(".") > MOST_DOTS:
            raise InputError([Problem(Place(name, number), f"more than {MOST_DOTS} dots on one line.")])


def _checked(document: Document) -> Document:
    """The document, if all its keys and values can be carried. Escapes such as "\\u0000" get past a parser."""
    try:
        unfit = [path for path, text in _texts(document.data, ()) if UNFIT.search(text)]
    except RecursionError as error:
        complaint = _too_much(error)
        raise _syntax_error(document.syntax.upper(), complaint, Place(document.name, document.first_line)) from None
    if unfit:
        raise InputError(
            [
                Problem(document.place(path), f"{_named(path)} has a control character in it.", "Delete it.")
                for path in unfit
            ]
        )
    return document


def _named(path: tuple[str | int, ...]) -> str:
    names = [step for step in path if isinstance(step, str)]
    return f"`{names[-1]}`" if names and not UNFIT.search(names[-1]) else "a key"


def _texts(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if len(path) > DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield (*path, key), key
            yield from _texts(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(part, (*path, index))
