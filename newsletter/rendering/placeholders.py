"""Hides merge fields and other template syntax from parsers that would escape, split or move it.

A hidden piece is one word of letters and digits (`zq7qz`): no HTML, CSS or Markdown parser has a reason to touch it,
in a text, an address or an attribute. The word is chosen so that the text does not already contain its like.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

# What mail merges use: {{name}}, {% if %}, *|NAME|*, %%name%%. Anything of the kind must come through unchanged.
TEMPLATE_SYNTAX = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*?%\}|\*\|[^|*\s<>]+\|\*|%%[\w.-]+%%")


class Placeholders:
    """The pieces hidden from one text, and the way back."""

    def __init__(self, text: str) -> None:
        """Chooses words that `text` does not contain."""
        stem = "zq"
        while re.search(stem + r"\d", text, re.IGNORECASE):
            stem += "x"
        self._stem = stem
        self.pattern = re.compile(stem + r"(\d+)qz")
        self.hidden: list[str] = []

    def put(self, piece: str) -> str:
        """The word that stands for this piece from now on."""
        self.hidden.append(piece)
        return f"{self._stem}{len(self.hidden) - 1}qz"

    def hide(self, text: str, pattern: re.Pattern[str]) -> str:
        """The text with every match of `pattern` hidden."""
        return pattern.sub(lambda match: self.put(match[0]), text)

    def restore(self, text: str, spelling: Callable[[str], str] = str) -> str:
        """The text with the hidden pieces back, each as `spelling` writes it."""
        return self.pattern.sub(lambda match: spelling(self.original(match)), text)

    def original(self, match: re.Match[str]) -> str:
        """What a word found by `pattern` stands for; the word itself when it is none of ours."""
        index = int(match[1])
        return self.hidden[index] if index < len(self.hidden) else match[0]

    def count(self, text: str) -> Counter[str]:
        """How often each hidden piece occurs in a text."""
        return Counter(match[0] for match in self.pattern.finditer(text))
