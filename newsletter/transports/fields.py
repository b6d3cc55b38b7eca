"""Merge fields: the only words in copy that differ from reader to reader, and their one form per place.

`{{first_name|reader}}` in copy stands for the reader's own first name, or the fallback when it is not known. A
template is split at its fields once and joined per reader. Values are hostile (readers type them), so each place
escapes its own: nothing a reader's name holds can become markup, a link, a header or another field.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal
from urllib.parse import quote

from newsletter.documents import did_you_mean
from newsletter.errors import BuildError

TOKEN = re.compile(r"\{\{([a-z_]+)(?:\|([^{}|]*))?\}\}")

_BRACES = re.compile(r"\{\{|\}\}")
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_LINK_ATTRIBUTE = re.compile(
    r"""[\s"'](?:href|src|action|background|poster)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE
)


@dataclass(frozen=True)
class Field:
    """A registered merge field."""

    name: str
    kind: Literal["text", "url"]
    needs_fallback: bool  # a reader's own field: not everybody has one
    description: str


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("first_name", "text", True, "the reader's first name"),
        Field("unsubscribe_url", "url", False, "the reader's own link to unsubscribe"),
        Field("preferences_url", "url", False, "the reader's own link to her preferences"),
        Field("vote_url", "url", False, "the reader's own link to the polls of the issue; a poll block adds the rest"),
    )
}


class Place(StrEnum):
    """Where a template's text ends up; each place escapes in its own way."""

    HTML = "html"
    TEXT = "text"
    URL = "url"
    HEADER = "header"


@dataclass(frozen=True)
class Slot:
    """One field in one place of a template. Equal slots have equal values for a reader."""

    name: str
    fallback: str
    place: Place
    in_link: bool = False  # inside an href or src of HTML

    def value(self, fields: Mapping[str, str]) -> str:
        """This slot's text for a reader, escaped for its place. Raises BuildError when a link has no value."""
        field = FIELDS.get(self.name)
        given = _plain(fields.get(self.name) or "")
        if not given and field is not None and field.kind == "url" and not self.fallback:
            raise BuildError(f"The merge field `{self.name}` has no value for this reader.")
        if not given:
            return self._fallback
        return self._escaped(given, is_url=field is not None and field.kind == "url")

    @cached_property
    def _fallback(self) -> str:
        # In HTML templates the fallback is escaped already, in copy it is not: unescaping first serves both.
        plain = html.unescape(self.fallback) if self.place is Place.HTML else self.fallback
        return self._escaped(_CONTROLS.sub(" ", plain), is_url=False)

    def _escaped(self, value: str, *, is_url: bool) -> str:
        if (self.in_link or self.place is Place.URL) and not is_url:
            value = quote(value, safe="")
        return html.escape(value, quote=True) if self.place is Place.HTML else value


@dataclass(frozen=True)
class Compiled:
    """A template split at its fields: `literals[0] slots[0] literals[1] … literals[-1]`."""

    literals: tuple[str, ...]
    slots: tuple[Slot, ...]

    def fill(self, fields: Mapping[str, str]) -> str:
        """The text for one reader. Unknown, absent and blank values give the fallback."""
        if not self.slots:
            return self.literals[0]
        parts = [self.literals[0]]
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            parts.append(slot.value(fields))
            parts.append(literal)
        return "".join(parts)


def _plain(value: str) -> str:
    """A value without control characters, on one line. Most are so already, and only looked at."""
    if value.isprintable() and "  " not in value:
        return value.strip()
    return _CONTROLS.sub(" ", value).strip()


def compile(template: str, place: Place) -> Compiled:  # noqa: A001 - the word `re` uses for the same thing
    """Split a template once, to be filled for many readers."""
    links = [match.span() for match in _LINK_ATTRIBUTE.finditer(template)] if place is Place.HTML else []
    literals, slots, end = [], [], 0
    for match in TOKEN.finditer(template):
        literals.append(template[end : match.start()])
        in_link = any(start < match.start() < stop for start, stop in links)
        slots.append(Slot(match[1], match[2] or "", place, in_link))
        end = match.end()
    return Compiled((*literals, template[end:]), tuple(slots))


def fill(template: str, fields: Mapping[str, str], place: Place) -> str:
    """A template filled for one reader. For many readers `compile` it first."""
    return compile(template, place).fill(fields)


def used_in(*templates: str) -> frozenset[str]:
    """The names of the fields these templates use."""
    return frozenset(match[1] for template in templates for match in TOKEN.finditer(template))


def archive_values() -> dict[str, str]:
    """The values for a page that has no reader: fallbacks for their own fields, and links that lead nowhere."""
    return {name: "#" for name, field in FIELDS.items() if field.kind == "url"}


def parse_token(token: str) -> tuple[str, str | None] | None:
    """The field's name and fallback when the text is one whole `{{name}}` or `{{name|fallback}}`."""
    match = TOKEN.fullmatch(token)
    return (match[1], match[2]) if match else None


def problems_in(copy: str) -> list[tuple[int, str]]:
    """What is wrong with the merge fields of some copy: where, counted in characters from 0, and what to do."""
    found = []
    end = 0
    for match in TOKEN.finditer(copy):
        found += _stray(copy, end, match.start())
        message = _problem(match[1], match[2])
        if message:
            found.append((match.start(), message))
        end = match.end()
    return found + _stray(copy, end, len(copy))


def _problem(name: str, fallback: str | None) -> str:
    field = FIELDS.get(name)
    if field is None:
        return f"there is no merge field `{name}`. {did_you_mean(name, FIELDS)}"
    if field.needs_fallback and not (fallback or "").strip():
        return f"`{{{{{name}}}}}` needs a fallback for readers without one, such as {{{{{name}|reader}}}}."
    if not field.needs_fallback and fallback is not None:
        return f"`{name}` takes no fallback: every reader has one. Write {{{{{name}}}}}."
    return ""


def _stray(copy: str, start: int, stop: int) -> list[tuple[int, str]]:
    """Pairs of braces between two well-formed fields; `{{ first_name }}` is reported once, at its opening pair."""
    found = []
    position = start
    while match := _BRACES.search(copy, position, stop):
        closing = copy.find("}}", match.end(), stop) if match[0] == "{{" else -1
        position = closing + 2 if closing >= 0 else match.end()
        shown = copy[match.start() : position]
        shown = shown if len(shown) <= 40 else shown[:39] + "…"
        known = ", ".join(f"{{{{{f.name}|…}}}}" if f.needs_fallback else f"{{{{{f.name}}}}}" for f in FIELDS.values())
        found.append((match.start(), f"`{shown}` is not a merge field. Known, written without spaces: {known}."))
    return found
