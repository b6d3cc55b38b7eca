"""Cuts finished HTML into its pieces without changing a byte: tags, text, comments, styles.

Nothing is parsed into a tree, so nothing can be lost, moved or mended: it tells what a document says before and after
a parser had its way with it. Quoted attributes, comments and raw text (`<style>`, `<script>`, `<title>`) are
understood, so a `<style>` written inside one of them is not taken for a style.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from html.entities import html5

_RAW = ("style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
_TAG = r"""[a-zA-Z](?:[^"'<>]++|"[^"]*+"|'[^']*+')*+"""
_PIECE = re.compile(
    r"(?P<comment><!--(?:-?>|.*?(?:-->|--!>)))"
    rf"|(?P<raw><(?P<rawname>{'|'.join(_RAW)})\b(?P<rawattributes>(?:[^\"'<>]++|\"[^\"]*+\"|'[^']*+')*+)>"
    r"(?P<content>.*?)</(?P=rawname)\s*>)"
    rf"|(?P<tag></?{_TAG}>)"
    r"|(?P<declaration><[!?/][^>]*>)",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>`]+))?""")
_REFERENCE = re.compile(r"&(#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*)(;?)")
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905


class Kind(StrEnum):
    """What a piece is."""

    TEXT = "text"
    TAG = "tag"
    COMMENT = "comment"
    RAW = "raw"  # a whole element whose content is not markup: style, script, title, …
    DECLARATION = "declaration"  # doctype, <?…?>, <![…]>


@dataclass(frozen=True)
class Attribute:
    """One attribute of a tag; `start` and `end` are its place in the tag's text."""

    name: str
    value: str  # character references resolved
    start: int
    end: int


@dataclass(frozen=True)
class Piece:
    """A piece of a document; joined together the pieces are the document."""

    kind: Kind
    text: str
    start: int
    name: str = ""  # of a tag or raw element, lower case
    closing: bool = False
    content: str = ""  # of a raw element

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes of an opening tag or raw element, in order."""
        if self.kind not in {Kind.TAG, Kind.RAW} or self.closing:
            return ()
        opening = self.text[: len(self.text) - len(self.content)] if self.kind is Kind.RAW else self.text
        return tuple(_attributes(opening, 1 + len(self.name)))

    def attribute(self, name: str) -> str | None:
        """The value of an attribute, or None when the tag has none of that name."""
        return next((found.value for found in self.attributes if found.name == name), None)


def pieces(document: str) -> list[Piece]:
    """The document cut up."""
    found: list[Piece] = []
    end = 0
    for match in _PIECE.finditer(document):
        if match.start() > end:
            found.append(Piece(Kind.TEXT, document[end : match.start()], end))
        found.append(_piece(match))
        end = match.end()
    if end < len(document):
        found.append(Piece(Kind.TEXT, document[end:], end))
    return found


def visible_text(document: Iterable[Piece]) -> str:
    """What the document says, character references resolved: text, titles, and nothing of styles and scripts."""
    return "".join(
        html.unescape(piece.text if piece.kind is Kind.TEXT else piece.content)
        for piece in document
        if piece.kind is Kind.TEXT or (piece.kind is Kind.RAW and piece.name in {"title", "textarea"})
    )


def deepest(document: Iterable[Piece]) -> int:
    """How many elements are open at once, at most, as a parser that closes nothing by itself would count."""
    depth = most = 0
    for piece in document:
        if piece.kind is Kind.TAG and piece.name not in VOID and not piece.text.endswith("/>"):
            depth += -1 if piece.closing else 1
            most = max(most, depth)
    return most


def _piece(match: re.Match[str]) -> Piece:
    text, start = match[0], match.start()
    if match["comment"]:
        return Piece(Kind.COMMENT, text, start)
    if match["raw"]:
        return Piece(Kind.RAW, text, start, match["rawname"].lower(), content=match["content"])
    if match["declaration"]:
        return Piece(Kind.DECLARATION, text, start)
    closing = text.startswith("</")
    name = re.match(r"[^\s/>]+", text[2 if closing else 1 :])
    return Piece(Kind.TAG, text, start, name[0].lower() if name else "", closing)


def _attributes(tag: str, after_name: int) -> Iterator[Attribute]:
    for match in _ATTRIBUTE.finditer(tag, after_name):
        written = match[2] or ""
        value = written[1:-1] if written[:1] in {'"', "'"} else written
        yield Attribute(match[1].lower(), _resolve(value), match.start(), match.end())


def _resolve(value: str) -> str:
    """Character references of an attribute, which are stricter than those of text: `?a=1&copy=2` holds none."""

    def resolved(match: re.Match[str]) -> str:
        follower = value[match.end() : match.end() + 1]
        known = match[1].startswith("#") or match[1] + match[2] in html5
        ambiguous = not match[2] and not match[1].startswith("#") and (follower == "=" or follower.isalnum())
        return html.unescape(match[0]) if known and not ambiguous else match[0]

    return _REFERENCE.sub(resolved, value)
