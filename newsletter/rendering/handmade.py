"""HTML that an editor wrote by hand: what of it mail can have, what was taken out, and what it says as Markdown.

It is copy like any other: never evaluated, merge fields hidden while it is parsed, sanitised by the same policy.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

from markupsafe import Markup

from newsletter.rendering.markup import Kind, pieces
from newsletter.rendering.placeholders import Placeholders
from newsletter.rendering.sanitise import FIELD_ADDRESS, clean, normalise
from newsletter.transports.fields import FIELDS, TOKEN, parse_token

_HREF = re.compile(r"(\bhref\s*=\s*[\"'])")
_WHOLE = {"script", "style"}  # what is in them goes too
# What stands inside a paragraph; a link does too, but its words are written otherwise in plain text.
_INSIDE = frozenset({"abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q", "s"})
_INSIDE |= {"small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr"}
PART = "\u2029"  # parts what stands in one paragraph, cell or link from the next


def kept(written: str) -> Markup:
    """What is left of it, merge fields in their place. Not dressed."""
    hidden, safe = _sanitised(written)
    return Markup(hidden.restore(safe.replace(FIELD_ADDRESS, ""), _escaped).strip())  # noqa: S704 - sanitised


def as_markdown(written: str) -> str:
    """What it says to whoever reads plain text."""
    from markdownify import ATX, MarkdownConverter  # takes a moment to load, and few issues need it

    hidden, safe = _sanitised(written)
    converter = MarkdownConverter(heading_style=ATX, bullets="-", newline_style="backslash", table_infer_header=True)
    text = str(converter.convert(safe)).replace(FIELD_ADDRESS, "")
    return re.sub(r"\n{3,}", "\n\n", hidden.restore(text)).strip()


def spoken(written: str) -> str:
    """Its words as they were typed, each on its own line still, with `PART` for tags that end a piece of text."""
    said = ""
    for piece in pieces(normalise(written)):
        if piece.kind is Kind.TEXT:
            said += html.unescape(piece.text)
        else:
            parts = piece.kind is Kind.TAG and piece.name not in _INSIDE
            said += (PART if parts else "") + "\n" * piece.text.count("\n")
    return said


def taken_out(written: str) -> list[str]:
    """What mail cannot have, each kind once with how often it stood there, in the order written."""
    hidden, safe = _sanitised(written)
    before, after = _inventory(normalise(written)), _inventory(hidden.restore(safe.replace(FIELD_ADDRESS, "")))
    gone = {name: count - after[name] for name, count in before.items() if count > after[name]}
    return [name if count == 1 else f"{name} ({count} times)" for name, count in gone.items()]


def _sanitised(written: str) -> tuple[Placeholders, str]:
    text = normalise(written)
    hidden = Placeholders(text)
    text = hidden.hide(text, TOKEN)

    def addressed(found: re.Match[str]) -> str:
        """A link that begins with a merge field must begin with one that is an address."""
        first = hidden.pattern.match(text, found.end())
        name, _ = (parse_token(hidden.original(first)) if first else None) or ("", None)
        return found[1] + FIELD_ADDRESS if name in FIELDS and FIELDS[name].kind == "url" else found[1]

    return hidden, clean(_HREF.sub(addressed, text))


def _escaped(token: str) -> str:
    name, fallback = parse_token(token) or ("", None)
    return f"{{{{{name}}}}}" if fallback is None else f"{{{{{name}|{html.escape(fallback)}}}}}"


def _inventory(markup: str) -> Counter[str]:
    reader = _Inventory(convert_charrefs=True)
    reader.feed(markup)
    reader.close()
    return Counter(reader.found)


class _Inventory(HTMLParser):
    """Lists the elements and attributes of a piece of HTML, in words."""

    def __init__(self, *, convert_charrefs: bool) -> None:
        super().__init__(convert_charrefs=convert_charrefs)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(f"<{tag}>")
        self.found += [name for name, value in attrs for name in _attribute(tag, name, value or "")]

    def handle_comment(self, data: str) -> None:
        self.found.append("a comment")


def _attribute(tag: str, name: str, value: str) -> Iterator[str]:
    if tag in _WHOLE:
        return
    yield f"the address `{value[:60]}`" if name in {"href", "src"} else f"`{name}`"
