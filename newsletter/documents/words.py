"""Small pieces of every message: the nearest right name, and a value as its writer would know it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from datetime import date, time

LISTED = 20  # more known words than this are not a help


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None when nothing is close."""
    by_lower: dict[str, str] = {}
    for candidate in known:
        by_lower.setdefault(candidate.lower(), candidate)
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy: the nearest known word, or all of them when none is close."""
    words = sorted(set(known))
    close = nearest(word, words)
    if close:
        return f"Did you mean `{close}`?"
    if not words:
        return ""
    return f"Known: {', '.join(words[:LISTED])}{', …' if len(words) > LISTED else ''}."


def shown(value: object) -> str:
    """A value as it would be written in a file, cut to a readable length."""
    text = _written(value)
    return text if len(text) <= 60 else text[:57] + "…" + ('"' if text.startswith('"') else "")


def _written(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_written(part)}" for key, part in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_written(part) for part in value) + "]"
    # JSON writes text, numbers, true and false as TOML does, and control characters harmlessly for a terminal.
    return json.dumps(value, ensure_ascii=False, default=str)
