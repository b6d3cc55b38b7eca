"""Smart quotes, by language, on finished text: never in code, addresses or merge fields.

Markdown's own typographer works before the parser knows what is code, and turns feet and inches into quotes; this one
sees only text, across the borders of emphasis and links, and leaves what it is not sure of as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

OPAQUE = "\ufffc"  # stands for code and the like: something is here, but nothing to change
_LEAVE = re.compile(r"(?:https?://|www\.|mailto:)\S+|\{\{[^{}]*\}\}|\d+'\d+(?:\.\d+)?\"", re.IGNORECASE)
_BEFORE_OPENING = set("([{<-–—/“‘„‚«‹¿¡\u202f\u00a0")


@dataclass(frozen=True)
class Quotes:
    """A language's quotation marks; its apostrophe is always ’."""

    open: str
    close: str
    inner_open: str
    inner_close: str


_SWISS = Quotes("«", "»", "‹", "›")
_QUOTES = {
    "en": Quotes("“", "”", "‘", "’"),
    "de": Quotes("„", "“", "‚", "‘"),
    "fr": Quotes("«\u202f", "\u202f»", "“", "”"),
    "es": Quotes("«", "»", "“", "”"),
    "it": Quotes("«", "»", "“", "”"),
    "nl": Quotes("“", "”", "‘", "’"),
    "pt": Quotes("“", "”", "‘", "’"),
    "de-ch": _SWISS,
    "fr-ch": _SWISS,
}


def smarten(text: str, lang: str) -> str:
    """One piece of text with the quotes of its language; text of other languages unchanged."""
    return smarten_parts([text], lang)[0]


def smarten_parts(parts: Sequence[str], lang: str) -> list[str]:
    """The parts of one running text, each with its quotes made smart in view of its neighbours."""
    quotes = _quotes_for(lang)
    text = "".join(parts)
    if quotes is None or ('"' not in text and "'" not in text):
        return list(parts)
    changes = _changes(text, quotes)
    smart, start = [], 0
    for part in parts:
        smart.append("".join(changes.get(start + index, char) for index, char in enumerate(part)))
        start += len(part)
    return smart


def quotes_of(lang: str) -> Quotes:
    """The marks of a language; English ones where we do not know its own."""
    return _quotes_for(lang) or _QUOTES["en"]


def _quotes_for(lang: str) -> Quotes | None:
    tag = lang.lower()
    return _QUOTES.get(tag) or _QUOTES.get(tag.split("-")[0])


def _changes(text: str, quotes: Quotes) -> dict[int, str]:
    """What to write at which position."""
    left_alone = {index for match in _LEAVE.finditer(text) for index in range(*match.span())}
    changes: dict[int, str] = {}
    double_open = single_open = False
    for index, char in enumerate(text):
        if char not in "\"'" or index in left_alone:
            continue
        if char == '"':
            double_open, changes[index] = _double(text, index, quotes=quotes, is_open=double_open)
        else:
            single_open, changes[index] = _single(text, index, quotes=quotes, is_open=single_open)
    return changes


def _double(text: str, index: int, *, quotes: Quotes, is_open: bool) -> tuple[bool, str]:
    before = text[index - 1] if index else " "
    if _opens(text, index) and not (is_open and before == "'" and not text[index + 1].isalnum()):
        return True, quotes.open
    if before.isspace() or (before.isdigit() and not is_open):
        return is_open, '"'  # between spaces, or inches
    return False, quotes.close


def _single(text: str, index: int, *, quotes: Quotes, is_open: bool) -> tuple[bool, str]:
    before = text[index - 1] if index else " "
    after = text[index + 1] if index + 1 < len(text) else " "
    if before.isalnum() and after.isalnum():
        return is_open, "’"
    if _opens(text, index):
        if not after.isdigit() and _closes_later(text, index + 1):
            return True, quotes.inner_open
        return is_open, "’"  # ’90s, ’tis
    if before.isspace() or (before.isdigit() and not is_open):
        return is_open, "'"  # between spaces, or feet
    return (False, quotes.inner_close) if is_open else (False, "’")


def _opens(text: str, index: int) -> bool:
    before = text[index - 1] if index else " "
    after = text[index + 1] if index + 1 < len(text) else " "
    return (before.isspace() or before in _BEFORE_OPENING or before in "\"'") and not after.isspace()


def _closes_later(text: str, start: int) -> bool:
    return re.search(r"(?<=[^\s'])'(?!\w)", text[start:]) is not None
