"""Dresses sanitised copy: gives each element the theme's class and a direction, and puts headings under the one above.

Works on the sanitiser's output only, where every attribute has a quoted value, so one pattern can step over whole tags.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from markupsafe import Markup

_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+="[^"]*")*)\s*/?>')
_CLASSES: Mapping[str, str] = {
    "p": "p",
    "a": "link",
    "ul": "list",
    "ol": "list",
    "li": "item",
    "blockquote": "aside soft rule",
    "h1": "sub ink",
    "h2": "sub ink",
    "h3": "sub ink",
    "h4": "sub ink",
    "pre": "p code",
    "hr": "hr rule",
    "table": "p",
    "th": "cell rule",
    "td": "cell rule",
    "img": "img",
}
_BLOCKS = frozenset({"p", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4", "pre", "hr", "table"})

_DIRECTED = _BLOCKS | {"li", "th", "td"}
_NOT_TEXT = re.compile(r"<[^>]*>|&\w+;|\{\{[^{}]*\}\}")
_LOOK_AHEAD = 400


def dress(copy: str, *, under: int = 2) -> Markup:
    """The fragment with classes; its first element sits close (`top`), its headings start below level `under`."""
    used = sorted({int(tag[2][1]) for tag in _TAG.finditer(copy) if re.fullmatch("h[1-6]", tag[2])})
    levels = {f"h{level}": f"h{min(6, under + 1 + index)}" for index, level in enumerate(used)}
    first = True

    def clothe(tag: re.Match[str]) -> str:
        nonlocal first
        closing, name, attributes = tag.groups()
        shown = levels.get(name, name)
        if closing:
            return f"</{shown}>"
        classes = _CLASSES.get(name, "")
        if name in _BLOCKS and first:
            first = False
            classes += " top"
        if name == "table":
            attributes += ' cellpadding="0" cellspacing="0" border="0"'  # without gaps in the lines under its cells
        if name in _DIRECTED and _reads_from_the_right(copy, tag.end()):
            attributes += ' dir="rtl"'
        return f'<{shown} class="{classes}"{attributes}>' if classes else f"<{shown}{attributes}>"

    return Markup(_TAG.sub(clothe, copy))  # noqa: S704 -- sanitised before, and nothing but looks and directions is added


def _reads_from_the_right(copy: str, start: int) -> bool:
    """Whether what begins here begins with a letter written from right to left, as a quotation in Arabic does."""
    text = _NOT_TEXT.sub("", copy[start : start + _LOOK_AHEAD])
    kinds = (unicodedata.bidirectional(char) for char in text)
    return next((kind for kind in kinds if kind in {"L", "R", "AL"}), "L") != "L"
