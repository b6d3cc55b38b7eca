"""Stories chosen by a query, reckoned from the issue's date: the same query on the same library chooses the same.

A story's day is the date of its issue; a story of `_inbox` needs a `date` of its own to be chosen. Newest day first,
then by id. Never chosen: stories of issues dated later, and stories this issue has already.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from datetime import date, timedelta

from newsletter.editorial.definition import Select
from newsletter.editorial.index import Sought, StoryEntry
from newsletter.editorial.library import INBOX
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.story import Story


def select_stories(lookback: Lookback, query: Select, *, placed: Set[str]) -> tuple[Story, ...]:
    """The stories a query chooses, at most `limit`. Raises InputError at a broken story it has to look at."""
    chosen: list[Story] = []
    for entry in _candidates(lookback, query):
        if len(chosen) == query.limit:
            break
        if entry.story in placed:
            continue
        story = lookback.library.story(entry.story)
        if _fits(story, query) and not (query.unsent and entry.day and _was_sent(lookback, entry.story, entry.day)):
            chosen.append(story)
    return tuple(chosen)


def _oldest(issue_date: date, since: str | None) -> date:
    days = int(since.removesuffix("d")) if since else None
    if days is None or days >= issue_date.toordinal():
        return date.min
    return issue_date - timedelta(days=days)


def _candidates(lookback: Lookback, query: Select) -> Iterator[StoryEntry]:
    """What the index says may fit, in order; a broken story may be one of those sought. Raises InputError."""
    library, issue = lookback.library, lookback.issue
    oldest = _oldest(issue.date, query.since)
    window = {issue.issue, INBOX, *(found.issue for found in lookback.earlier if found.date >= oldest)}
    folders = None if oldest == date.min else window
    sought = Sought(query.tags, query.section, query.source, folders=folders, broken_too=True)
    for broken in lookback.index.broken([INBOX]):
        library.story(broken.story)  # it may have been meant: this says what is wrong with it
    for entry in lookback.index.stories(sought):
        day = issue.date if entry.folder == issue.issue else entry.day
        if day is not None and oldest <= day <= issue.date:
            yield replace(entry, day=day)


def _fits(story: Story, query: Select) -> bool:
    """Every key of a query narrows it: all tags, and the section, and the source. Capitals do not count."""
    tags = {tag.casefold() for tag in story.meta.tags}
    return (
        all(tag.casefold() in tags for tag in query.tags)
        and (query.section is None or query.section.casefold() == story.meta.section.casefold())
        and (query.source is None or query.source.casefold() == story.meta.source.casefold())
    )


def _was_sent(lookback: Lookback, story_id: str, day: date) -> bool:
    """Whether an issue of this newsletter that went out had the story."""
    had = lookback.carriers(story_id)
    return any(
        issue.issue in had and lookback.went_out(issue) is not None for issue in lookback.earlier if issue.date >= day
    )
