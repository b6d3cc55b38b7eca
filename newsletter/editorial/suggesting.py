"""Which earlier stories a story seems to continue: those that share the words few others have.

Words of the title and the tags weigh most, and words that are rare in the archive; older stories count for less. A
likeness of 1 would be the same story. What is suggested is a question to the editor, never done by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from newsletter.editorial.index import Index, Sought, StoryEntry
from newsletter.editorial.library import INBOX, Library
from newsletter.editorial.register import CLOSED
from newsletter.editorial.story import Story
from newsletter.editorial.terms import telling
from newsletter.errors import InputError, NotFound

WINDOW = timedelta(days=365)
HALF_LIFE = 60.0  # days after which a likeness counts for half
LIKELY = 0.12  # shown to whoever asks
CERTAIN = 0.3  # said without being asked
_WORDS = 24  # of a story that are looked up
_LOOKED_AT = 30  # stories compared in full
_OWN_COPY = 40  # words
_FEWEST = 2  # words in common: of fewer nothing is concluded
_TITLE, _LABEL, _COPY = 3.0, 2.0, 1.0


@dataclass(frozen=True)
class Suggestion:
    """An earlier story, how alike it is, by which words, and the questions it leaves open."""

    story: str
    title: str
    day: date
    likeness: float
    shared: tuple[str, ...]
    questions: tuple[str, ...]

    @property
    def is_asked(self) -> bool:
        """Whether it asked what the story answers: no likeness is needed then."""
        return not self.shared

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "day": self.day.isoformat()}


def suggest(library: Library, index: Index, story: Story, *, day: date, least: float = LIKELY) -> list[Suggestion]:
    """What a story of that day seems to continue, the likeliest first; not what it follows already."""
    mine = _weighed(index, story)
    words = sorted(mine, key=lambda word: (-mine[word], word))[:_WORDS]
    narrowed = Sought(since=day - WINDOW, until=day - timedelta(days=1))
    own = {library.full_id(name, story.issue) for name in story.meta.follows} | {story.id}
    hits = index.search(words, narrowed, limit=_LOOKED_AT, every=False)
    others = [entry for entry in hits if entry.story not in own and entry.folder != INBOX]
    found = {made.story: made for entry in others if (made := _compared(library, index, entry, mine=mine, day=day))}
    likely = {name: made for name, made in found.items() if made.likeness >= least}
    likely.update((made.story, made) for made in _askers(index, story, day) if made.story not in own)
    return sorted(likely.values(), key=lambda each: (-each.likeness, each.story))


def _askers(index: Index, story: Story, day: date) -> Iterator[Suggestion]:
    """The stories that asked what this one answers: there is nothing to guess."""
    for said in story.meta.answers:
        for entry in index.asking(said.question):
            if entry.day and entry.day < day:
                yield Suggestion(entry.story, entry.title, entry.day, 1.0, (), (said.question,))


def _compared(
    library: Library, index: Index, entry: StoryEntry, *, mine: Mapping[str, float], day: date
) -> Suggestion | None:
    """How much of what this story says is said in the other."""
    try:
        other = _weights(library.story(entry.story))
    except (InputError, NotFound):
        return None
    shared = sorted(mine.keys() & other.keys(), key=lambda word: (-mine[word], word))
    if len(shared) < _FEWEST:
        return None
    said = sum(mine[word] * other[word] / _TITLE for word in shared)
    day_of = entry.day or day
    likeness = said / sum(mine.values()) * 0.5 ** ((day - day_of).days / HALF_LIFE)
    asked = tuple(asks["id"] for asks in entry.data["asks"] if not _is_closed(index, asks["id"], day))
    return Suggestion(entry.story, entry.title, day_of, round(likeness, 3), tuple(shared[:6]), asked)


def _is_closed(index: Index, question: str, day: date) -> bool:
    earlier = (entry for entry in index.answering(question) if entry.day and entry.day < day)
    answers = (said for entry in earlier for said in entry.data["answers"])
    return any(said["question"] == question and said["status"] in CLOSED for said in answers)


def _weighed(index: Index, story: Story) -> dict[str, float]:
    """A story's words by what they tell: a word that few stories have tells much."""
    return {word: weight / math.log2(2 + index.count(word)) for word, weight in _weights(story, copy=_OWN_COPY).items()}


def _weights(story: Story, *, copy: int | None = None) -> dict[str, float]:
    """A story's telling words, each with the most it weighs; of its copy the first so many."""
    meta = story.meta
    found: dict[str, float] = {}
    body = telling(f"{meta.dek}\n{story.body}")[:copy]
    for words, weight in ((telling(meta.title), _TITLE), (telling(" ".join(meta.tags)), _LABEL), (body, _COPY)):
        for word in words:
            found[word] = max(found.get(word, 0.0), weight)
    return found
