"""Threads: stories tied by `follows` into a chain that readers can be led back along.

A story may follow several; what those followed belongs to the thread too. A thread is told oldest first. Whatever the
links say, even in a circle, walking it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date

from newsletter.editorial.index import Index, StoryEntry
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.resolved import Earlier
from newsletter.editorial.story import Story

LONGEST = 100  # stories in one thread: more is no story any more


@dataclass(frozen=True)
class Link:
    """A story of a thread."""

    story: str
    title: str
    day: date | None  # its issue's date
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Thread:
    """What came before a story and what came after it, each the oldest first."""

    story: str
    before: tuple[Link, ...]
    after: tuple[Link, ...]


def thread(index: Index, story: str) -> Thread:
    """The chain a story stands in, whatever has been sent. Links to stories there are not are left out."""
    entry = index.entries([story]).get(story)
    before = _walk(index, entry.follows if entry else (), besides=story)
    return Thread(story, tuple(before), tuple(_walk_on(index, story)))


@dataclass(frozen=True)
class Continued:
    """A story of an issue, and one it follows, as readers had it before."""

    story: str
    title: str
    earlier: str
    earlier_title: str
    issue: str  # the one that brought the earlier story
    day: date

    def facts(self) -> dict[str, str]:
        """What a build's manifest keeps of it."""
        return {**asdict(self), "day": self.day.isoformat()}


def continues(lookback: Lookback, stories: Iterable[Story]) -> list[Continued]:
    """What these stories follow, as far as it went out to readers of this newsletter, in order."""
    found: dict[tuple[str, str], Continued] = {}
    for story in stories:
        names = [lookback.library.full_id(name, story.issue) for name in story.meta.follows]
        entries = lookback.index.entries(names) if names else {}
        for name in names:
            issue, day = lookback.first_sent(name)
            if name in entries and issue and day and name != story.id:
                earlier = entries[name]
                link = Continued(story.id, story.meta.title, name, earlier.title, issue, day)
                found[story.id, name] = link
    return list(found.values())


def earlier_in_thread(lookback: Lookback, story: Story, *, limit: int) -> tuple[Earlier, ...]:
    """What readers of this newsletter were told of the thread before, the oldest first; of many the newest."""
    names = [lookback.library.full_id(name, story.issue) for name in story.meta.follows]
    known: list[Earlier] = []
    for link in _walk(lookback.index, tuple(names), besides=story.id):
        issue, day = lookback.first_sent(link.story)
        if issue and day and lookback.library.has_story(link.story):
            known.append(Earlier(lookback.library.story(link.story), issue, day))
    return tuple(sorted(known, key=lambda each: (each.day, each.story.id))[-limit:])


def continued_by(index: Index, story: str, *, after: date, before: date) -> list[StoryEntry]:
    """Stories that took the thread on from this one, dated between the two days."""
    found = index.following(story)
    return sorted((each for each in found if each.day and after < each.day < before), key=lambda each: each.story)


def _walk(index: Index, names: tuple[str, ...], *, besides: str) -> list[Link]:
    """All that these follow, and they themselves; step by step, so that a long chain costs one query a step."""
    seen: dict[str, Link] = {}
    wanted = set(names) - {besides}
    while wanted and len(seen) < LONGEST:
        found = index.entries(wanted)
        seen.update((each.story, _link(each)) for each in found.values())
        wanted = {name for each in found.values() for name in each.follows} - seen.keys() - {besides}
    return sorted(seen.values(), key=_in_order)


def _walk_on(index: Index, story: str) -> Iterator[Link]:
    seen: dict[str, Link] = {}
    waiting = [story]
    while waiting and len(seen) < LONGEST:
        for each in index.following(waiting.pop()):
            if each.story not in seen and each.story != story:
                seen[each.story] = _link(each)
                waiting.append(each.story)
    yield from sorted(seen.values(), key=_in_order)


def _link(entry: StoryEntry) -> Link:
    return Link(entry.story, entry.title, entry.day, entry.follows)


def _in_order(link: Link) -> tuple[date, str]:
    return link.day or date.max, link.story
