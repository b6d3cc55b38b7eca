"""The text twin of copy: Markdown written as plain text for people, 72 columns wide, links as numbered footnotes.

It is written from the Markdown, not from the HTML, so it holds all of the copy and none of the layout. Addresses and
merge fields are never broken across lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from newsletter.rendering.markdown import parse
from newsletter.rendering.sanitise import FIELD_ADDRESS

WIDTH = 72
_WORD = re.compile(r"(?:\{\{[^{}]*\}\}|[\S\u00a0\u202f])+")
# What a line never breaks inside: a run of narrow letters, or one wide character with its marks and closing stops.
_UNIT = re.compile(
    "[\u0000-\u10ff]+|.(?:\u200d.|[\u3001\u3002\u300d\u300f\u3099\u309a\ufe0f\uff01\uff09\uff0c\uff1f\U0001f3fb-\U0001f3ff])*"
)


@dataclass
class Footnotes:
    """The addresses that a text refers to by number, each listed once."""

    first: int = 1
    urls: list[str] = field(default_factory=list)

    def number(self, url: str) -> int:
        """The number that stands for this address."""
        if url not in self.urls:
            self.urls.append(url)
        return self.first + self.urls.index(url)

    def mark(self, text: str, url: str) -> str:
        """A link in running text: `text [1]`, or the address alone when the text says nothing else."""
        if not text.strip() or _bare(text) == _bare(url):
            return shown(url)
        return f"{text} <{shown(url)}>" if url.startswith(("mailto:", "tel:")) else f"{text} [{self.number(url)}]"

    def render(self) -> str:
        """The list, one address a line; empty when nothing was referred to."""
        return "\n".join(f"[{self.first + index}] {url}" for index, url in enumerate(self.urls))


def shown(url: str) -> str:
    """An address as people write it."""
    return url.removeprefix("mailto:").removeprefix("tel:")


def to_text(copy: str, links: Footnotes, *, lang: str = "") -> str:
    """Copy as plain text, paragraphs parted by an empty line. Its links go into `links`."""
    parsed = parse(copy, lang=lang)
    return _Writer(links, parsed.hidden.restore).blocks(_children(parsed.tokens), WIDTH)


def to_inline_text(copy: str, links: Footnotes, *, lang: str = "") -> str:
    """A one-line field as plain text, not wrapped."""
    parsed = parse(copy, lang=lang, inline=True)
    return " ".join(_Writer(links, parsed.hidden.restore).running(_children(parsed.tokens)[0]).split("\n"))


def wrap(text: str, width: int = WIDTH, *, indent: str = "", hanging: str | None = None) -> str:
    """Lines of at most `width` columns; a word that is longer stands alone, whole. Line breaks in `text` are kept.

    `indent` stands before the first line, `hanging` (if not the same) before the others.
    """
    rest = indent if hanging is None else hanging
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lead, line = (rest if lines else indent), ""
        for word in (piece for found in _WORD.finditer(paragraph) for piece in _cut(found[0], width - len(rest))):
            if line and width_of(lead) + width_of(line) + 1 + width_of(word) > width:
                lines.append(lead + line)
                lead, line = rest, word
            else:
                line = f"{line} {word}" if line else word
        lines.append((lead + line).rstrip() if not line else lead + line)
    return "\n".join(lines)


@dataclass
class _Writer:
    """Writes syntax nodes; `restore` puts hidden merge fields back."""

    links: Footnotes
    restore: Callable[[str], str]

    def blocks(self, nodes: list[SyntaxTreeNode], width: int) -> str:
        return "\n\n".join(part for part in (self.block(node, width) for node in nodes) if part)

    def block(self, node: SyntaxTreeNode, width: int) -> str:
        match node.type:
            case "paragraph":
                return wrap(self.running(node.children[0]), width)
            case "heading":
                lines = wrap(self.running(node.children[0]), width)
                return f"{lines}\n{'-' * max(width_of(line) for line in lines.splitlines())}" if lines else ""
            case "bullet_list" | "ordered_list":
                return self.list_(node, width)
            case "blockquote":
                inside = self.blocks(node.children, width - 2)
                return "\n".join(f"> {line}".rstrip() for line in inside.splitlines())
            case "fence" | "code_block":
                return "\n".join(f"    {line}" for line in self.restore(node.content).rstrip("\n").splitlines())
            case "hr":
                return "* * *"
            case "table":
                return self.table(node, width)
            case "inline":
                return wrap(self.running(node), width)
        return self.blocks(node.children, width)

    def list_(self, node: SyntaxTreeNode, width: int) -> str:
        first = int(node.attrs.get("start", 1))
        tight = all(child.hidden for item in node.children for child in item.children if child.type == "paragraph")
        items = []
        for index, item in enumerate(node.children):
            mark = f"{first + index}. " if node.type == "ordered_list" else "- "
            gap = "\n" if tight else "\n\n"
            inside = gap.join(
                part for part in (self.block(child, width - len(mark)) for child in item.children) if part
            )
            lines = inside.splitlines() or [""]
            pad = " " * len(mark)
            items.append("\n".join([(mark + lines[0]).rstrip(), *((pad + line).rstrip() for line in lines[1:])]))
        return ("\n" if tight else "\n\n").join(items)

    def table(self, node: SyntaxTreeNode, width: int) -> str:
        """One line a row, its cells parted by bars; the heading underlined."""
        lines: list[str] = []
        for section in node.children:
            for row in section.children:
                cells = [" ".join(self.running(cell.children[0]).split()) for cell in row.children if cell.children]
                lines.append(wrap(" | ".join(cells), width, hanging="  "))
            if section.type == "thead" and lines:
                lines.append("-" * min(width, max(width_of(line) for line in lines[0].splitlines())))
        return "\n".join(lines)

    def running(self, node: SyntaxTreeNode) -> str:
        """The text of an inline node: emphasis as its bare words, links as footnotes."""
        return "".join(self.piece(child) for child in node.children)

    def piece(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "text" | "code_inline":
                return self.restore(node.content)
            case "softbreak":
                return " "
            case "hardbreak":
                return "\n"
            case "link":
                url = self.restore(str(node.attrs.get("href", "")).removeprefix(FIELD_ADDRESS))
                return self.links.mark(self.running(node), url)
        return self.running(node)


def _children(tokens: list[Token]) -> list[SyntaxTreeNode]:
    return SyntaxTreeNode(tokens).children


def _bare(url: str) -> str:
    """An address without what does not tell it from another."""
    return re.sub(r"^(?:https?://|mailto:|tel:)", "", url.strip(), flags=re.IGNORECASE).rstrip("/").lower()


def width_of(text: str) -> int:
    """The columns a text takes: some scripts' characters are two wide."""
    return len(text) if text.isascii() else sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut(word: str, width: int) -> list[str]:
    """Scripts written without spaces may be broken anywhere; addresses and merge fields nowhere."""
    wide = width_of(word) > max(width, 8) and not word.isascii() and "://" not in word and "{{" not in word
    if not wide or not any(unicodedata.east_asian_width(char) in "WF" for char in word):
        return [word]
    pieces = [""]
    for unit in _UNIT.findall(word):
        if pieces[-1] and width_of(pieces[-1]) + width_of(unit) > max(width, 8):
            pieces.append("")
        pieces[-1] += unit
    return pieces
