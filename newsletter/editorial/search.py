"""Finding stories by words: the best first, each with the passage where the words stand.

The index ranks; the passage is read from the story's own file, so it is what the file says now.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from newsletter.editorial.index import Index, Sought, StoryEntry
from newsletter.editorial.library import Library
from newsletter.editorial.terms import sought, terms
from newsletter.errors import InputError, NotFound

PASSAGE = 180  # characters
_WORD = re.compile(r"\w+(?:[’']\w+)*")


@dataclass(frozen=True)
class Passage:
    """A piece of copy on one line, and where in it the words stand."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Hit:
    """A story that has the words."""

    story: str
    title: str
    day: date | None
    tags: tuple[str, ...]
    passage: Passage

    def as_json(self) -> dict[str, object]:
        issue = self.story.partition("/")[0]
        day = self.day.isoformat() if self.day else None
        found = {"story": self.story, "issue": issue, "date": day, "title": self.title, "tags": list(self.tags)}
        return {**found, "passage": self.passage.text}


def search(library: Library, index: Index, query: str, *, narrowed: Sought, limit: int) -> list[Hit]:
    """The stories with every word of the query, at most `limit`; `word*` stands for all that begin so."""
    words = sought(query)
    return [_hit(library, entry, words) for entry in index.search(words, narrowed, limit=limit)]


def _hit(library: Library, entry: StoryEntry, words: list[str]) -> Hit:
    try:
        story = library.story(entry.story)
        copy = f"{story.meta.dek}\n{story.body}" if story.meta.dek else story.body
    except (InputError, NotFound):  # written or deleted this moment
        copy = ""
    return Hit(entry.story, entry.title, entry.day, entry.tags, passage(copy, words))


def passage(copy: str, words: list[str]) -> Passage:
    """The part of a text around the first of the words, or its beginning."""
    flat = " ".join(copy.split())
    marks = [found.span() for found in _WORD.finditer(flat) if _is_one_of(found[0], words)]
    start = max(0, marks[0][0] - PASSAGE // 3) if marks else 0
    start = flat.rfind(" ", 0, start) + 1 if start else 0
    end = start + PASSAGE
    if end < len(flat):
        end = max(flat.rfind(" ", start, end), marks[0][1] if marks else start + 1)
    before, after = "…" if start else "", "…" if end < len(flat) else ""
    shift = len(before) - start
    seen = tuple((first + shift, last + shift) for first, last in marks if last <= end)
    return Passage(before + flat[start:end] + after, seen)


def _is_one_of(word: str, words: list[str]) -> bool:
    own = terms(word)
    plain = word.casefold()
    return any(each in own or (each.endswith("*") and plain.startswith(each[:-1])) for each in words)
