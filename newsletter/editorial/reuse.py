"""Copy that readers had before: a story that went out in an earlier issue, or another with the same words.

A story is known again by its id; a copy of it, in another folder or the inbox, by the hash of its words. What lies in
`_shared` is there to be used again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from newsletter.editorial.include import SHARED
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.story import Story, copy_key


@dataclass(frozen=True)
class Reuse:
    """A story placed now, and the issue that brought it, or its words, to readers last."""

    story: Story
    as_story: str  # the id it had then
    issue: str
    day: date


def used_before(lookback: Lookback, stories: Iterable[Story]) -> Iterator[Reuse]:
    """The stories that went out before, each with the last time."""
    for story in stories:
        if story.issue == SHARED:
            continue
        same = [story.id, *(other for key in copy_key(story.body) for other in lookback.index.with_copy(key))]
        found = [Reuse(story, other, *sent) for other in dict.fromkeys(same) if (sent := _last_issue(lookback, other))]
        if found:
            yield max(found, key=lambda reuse: (reuse.day, reuse.as_story == story.id, reuse.as_story))


def _last_issue(lookback: Lookback, story: str) -> tuple[str, date] | None:
    """The issue of this newsletter that brought it last, and when that went out."""
    had = lookback.carriers(story)
    carried = (issue for issue in lookback.earlier if issue.issue in had)
    days = [(day, issue.issue) for issue in carried if (day := lookback.went_out(issue))]
    day, issue = max(days, default=(None, ""))
    return (issue, day) if day else None
