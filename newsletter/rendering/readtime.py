"""How long an issue takes to read, from the words of its text part."""

from __future__ import annotations

import re

WORDS_A_MINUTE = 230

_NOT_READ = re.compile(r"\S+://\S+|\[\d+\]")
_WORD = re.compile(r"\w")


def count_words(text: str) -> int:
    """The words a reader reads: addresses and footnote marks are not among them."""
    return sum(1 for word in _NOT_READ.sub(" ", text).split() if _WORD.search(word))


def minutes(text: str) -> int:
    """Whole minutes, at least one."""
    return max(1, round(count_words(text) / WORDS_A_MINUTE))
