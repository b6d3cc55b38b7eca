"""A body.html as the rules see it: elements in order with what surrounds them, cut up without a parser's mending."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from newsletter.rendering.markup import VOID, Kind, Piece, pieces

_LENGTH = re.compile(r"^\s*(-?[\d.]+)\s*(px|pt)?\s*$", re.IGNORECASE)
_NO_TEXT = {"title", "style", "script"}
_WITHIN_WORDS = {"b", "strong", "i", "em", "u", "s", "del", "sub", "sup", "code"}  # may begin and end inside a word


@dataclass(frozen=True)
class Element:
    """An opening tag, with what is inherited at that place."""

    name: str
    start: int  # in body.html
    attributes: dict[str, str]
    style: dict[str, str]
    parents: tuple[Element, ...] = ()

    def inherited(self, name: str) -> str | None:
        """An inheritable style property: its own, else the nearest parent's."""
        return next((e.style[name] for e in (self, *reversed(self.parents)) if name in e.style), None)

    @property
    def hidden(self) -> bool:
        return any(e.style.get("display") == "none" for e in (self, *self.parents))

    def within(self, name: str) -> Element | None:
        """The nearest parent of that name."""
        return next((e for e in reversed(self.parents) if e.name == name), None)


@dataclass(frozen=True)
class Run:
    """A piece of text and the element it stands in."""

    text: str
    start: int
    element: Element | None
    apart: bool = True  # something stands between it and the run before, so their words are two


@dataclass
class Link:
    """An `<a href>` with the words and images a reader sees of it."""

    element: Element
    href: str
    text: str = ""
    images: list[Element] = field(default_factory=list)


class Page:
    """A page, cut up once; every list is in document order."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.pieces = pieces(source)
        self.elements: list[Element] = []
        self.runs: list[Run] = []
        self._walk()

    def _walk(self) -> None:
        stack: list[Element] = []
        apart = True
        for piece in self.pieces:
            if piece.kind is Kind.TEXT and piece.text.strip():
                self.runs.append(Run(html.unescape(piece.text), piece.start, stack[-1] if stack else None, apart))
                apart = False
                continue
            apart = apart or piece.kind is not Kind.TAG or piece.name not in _WITHIN_WORDS
            if piece.kind is Kind.TAG and piece.closing:
                if any(element.name == piece.name for element in stack):
                    while stack.pop().name != piece.name:
                        pass
            elif piece.kind in {Kind.TAG, Kind.RAW}:
                element = _element(piece, stack)
                self.elements.append(element)
                if piece.kind is Kind.TAG and piece.name not in VOID and not piece.text.endswith("/>"):
                    stack.append(element)

    def named(self, *names: str) -> list[Element]:
        """The elements of these names."""
        return [element for element in self.elements if element.name in names]

    @cached_property
    def links(self) -> list[Link]:
        found = {id(e): Link(e, e.attributes["href"]) for e in self.named("a") if "href" in e.attributes}
        for run in self.runs:
            if run.element is not None and (link := _around(run.element, found)):
                link.text += run.text
        for image in self.named("img"):
            if link := _around(image, found):
                link.images.append(image)
        return list(found.values())

    @cached_property
    def styles(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.kind is Kind.RAW and piece.name == "style"]

    @cached_property
    def comments(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.kind is Kind.COMMENT]

    @cached_property
    def title(self) -> str:
        titles = (piece for piece in self.pieces if piece.kind is Kind.RAW and piece.name == "title")
        return next((html.unescape(piece.content).strip() for piece in titles), "")

    @cached_property
    def visible(self) -> list[Run]:
        """The text that readers see: nothing hidden, no titles."""
        return [
            run for run in self.runs if run.element is None or not (run.element.hidden or run.element.name in _NO_TEXT)
        ]

    @cached_property
    def text(self) -> str:
        """All text that readers see, in order."""
        return "".join(f"\n{run.text}" if run.apart else run.text for run in self.visible)


def pixels(value: str | None) -> float | None:
    """A length in CSS pixels, where it is given in pixels or points."""
    found = _LENGTH.match(value or "")
    if found is None:
        return None
    try:
        return float(found[1]) * (4 / 3 if (found[2] or "").lower() == "pt" else 1)
    except ValueError:
        return None


def declarations(style: str) -> Iterator[tuple[str, str]]:
    """The declarations of a style attribute, roughly: enough to look one up by name."""
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            yield name.strip().lower(), value.strip()


def _element(piece: Piece, stack: list[Element]) -> Element:
    attributes: dict[str, str] = {}
    for attribute in piece.attributes:
        attributes.setdefault(attribute.name, attribute.value)
    return Element(piece.name, piece.start, attributes, dict(declarations(attributes.get("style", ""))), tuple(stack))


def _around(element: Element, links: dict[int, Link]) -> Link | None:
    return next((links[id(e)] for e in (element, *reversed(element.parents)) if id(e) in links), None)
