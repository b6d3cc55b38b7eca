"""SES templates: Handlebars as far as simple substitution goes, with nothing escaped.

As in SES, values go in raw, a value is never parsed again, and a variable without a value is not an error of the
request: it is found at rendering, after the mail was accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from newsletter.simulator.errors import SesError, bad_request

MAX_STORED = 500 * 1024
PARTS = ("Subject", "Text", "Html")

_OPEN = re.compile(r"(\\*)\{\{")
_NAME = r"\s*([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)\s*"
_PLAIN = re.compile(r"\{\{" + _NAME + r"\}\}")
_TRIPLE = re.compile(r"\{\{\{" + _NAME + r"\}\}\}")
_COMMENT = re.compile(r"\{\{!.*?\}\}", re.DOTALL)


class MissingVariable(Exception):
    """Rendering met a variable without a value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Attribute '{name}' is not present in the rendering data.")


@dataclass(frozen=True)
class Variable:
    """A place to fill, by its path in the data."""

    path: tuple[str, ...]


Piece = str | Variable


@dataclass(frozen=True)
class Template:
    """A template's parts, parsed."""

    parts: Mapping[str, tuple[Piece, ...]]
    content: Mapping[str, str]
    variables: tuple[Variable, ...]

    @classmethod
    def of(cls, content: Mapping[str, str | None]) -> Template:
        """Raises SesError when it does not parse."""
        given = {name: text for name in PARTS if (text := content.get(name)) is not None}
        if not given.get("Subject"):
            raise bad_request("The template must have a subject.")
        if not (given.get("Text") or given.get("Html")):
            raise bad_request("The template must have a text or an HTML part.")
        parts = {name: tuple(parse(text)) for name, text in given.items()}
        variables = {piece for pieces in parts.values() for piece in pieces if isinstance(piece, Variable)}
        return cls(parts, given, tuple(variables))

    def missing(self, data: Mapping[str, Any]) -> str | None:
        """What rendering would fail with, without rendering."""
        try:
            for variable in self.variables:
                look_up(variable, data)
        except MissingVariable as error:
            return str(error)
        return None

    def render(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Each part filled. Raises MissingVariable."""
        return {name: "".join(_filled(piece, data) for piece in pieces) for name, pieces in self.parts.items()}


def parse(text: str) -> list[Piece]:
    """Split at the variables. Raises SesError for what is not simple substitution."""
    pieces: list[Piece] = []
    position = start = 0
    while match := _OPEN.search(text, position):
        slashes = len(match[1])
        pieces.append(text[start : match.end() - 2 - min(slashes, 1)])  # one backslash escapes, whatever stands before
        if slashes == 1:
            start, position = match.end() - 2, match.end()
            continue
        found = _tag(text, match.end() - 2)
        if found.lastindex:
            pieces.append(Variable(tuple(found[1].split("."))))
        start = position = found.end()
    return [piece for piece in (*pieces, text[start:]) if piece != ""]


def _tag(text: str, at: int) -> re.Match[str]:
    for pattern in (_TRIPLE, _PLAIN, _COMMENT):
        if found := pattern.match(text, at):
            return found
    shown = text[at : at + 30].split("\n")[0]
    if re.match(r"\{\{\{?\s*[#/^>&~]", text[at:]):
        raise bad_request(f"The simulator knows only simple substitution, not {shown!r}.")
    raise bad_request(f"The template does not parse at {shown!r}.")


def look_up(variable: Variable, data: Mapping[str, Any]) -> Any:
    """The variable's value. Raises MissingVariable."""
    value: Any = data
    for step in variable.path:
        if not isinstance(value, dict) or step not in value:
            raise MissingVariable(".".join(variable.path))
        value = value[step]
    return value


def _filled(piece: Piece, data: Mapping[str, Any]) -> str:
    if isinstance(piece, str):
        return piece
    value = look_up(piece, data)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Per key, objects recursively, all else replaced."""
    result = {**base, **over}
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            result[key] = merged(base[key], value)
    return result


class TemplateStore:
    """The account's stored templates, in memory."""

    def __init__(self) -> None:
        self._templates: dict[str, Template] = {}

    def names(self) -> list[str]:
        return sorted(self._templates)

    def get(self, name: str) -> Template:
        try:
            return self._templates[name]
        except KeyError:
            raise SesError("NotFoundException", f"Template {name} does not exist.") from None

    def create(self, name: str, content: Mapping[str, str | None]) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise bad_request("A template name is 1 to 64 letters, digits, hyphens and underscores.")
        if name in self._templates:
            raise SesError("AlreadyExistsException", f"Template {name} already exists.")
        self._put(name, content)

    def update(self, name: str, content: Mapping[str, str | None]) -> None:
        self.get(name)
        self._put(name, content)

    def delete(self, name: str) -> None:
        self._templates.pop(name, None)

    def _put(self, name: str, content: Mapping[str, str | None]) -> None:
        size = sum(len((content.get(part) or "").encode()) for part in PARTS)
        if size > MAX_STORED:
            raise SesError("LimitExceededException", f"The template is {size} bytes; at most {MAX_STORED} are stored.")
        self._templates[name] = Template.of(content)
