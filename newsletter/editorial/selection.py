"""Stories chosen by a query, reckoned from the issue's date: the same query on the same library chooses the same.

A story's day is the date of its issue; a story of `_inbox` needs a `date` of its own to be chosen. Newest day first,
then by id. Never chosen: stories of issues dated later, and stories this issue has already.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from datetime import date, timedelta
from itertools import groupby

from newsletter.editorial.definition import Select
from newsletter.editorial.library import INBOX, Heading
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.story import Story


def select_stories(lookback: Lookback, query: Select, *, placed: Set[str]) -> tuple[Story, ...]:
    """The stories a query chooses, at most `limit`. Raises InputError at a broken story it has to look at."""
    chosen: list[Story] = []
    for day, story_id in _candidates(lookback, _oldest(lookback.issue.date, query.since)):
        if len(chosen) == query.limit:
            break
        if story_id in placed:
            continue
        story = lookback.library.story(story_id)
        if _fits(story, query) and not (query.unsent and _was_sent(lookback, story_id, day)):
            chosen.append(story)
    return tuple(chosen)


def _oldest(issue_date: date, since: str | None) -> date:
    days = int(since.removesuffix("d")) if since else None
    if days is None or days >= issue_date.toordinal():
        return date.min
    return issue_date - timedelta(days=days)


def _candidates(lookback: Lookback, oldest: date) -> Iterator[tuple[date, str]]:
    """Story ids with their days, in order. Issues are listed one day at a time, since few are wanted."""
    waiting = _inbox(lookback, oldest)
    days = groupby(sorted({lookback.issue, *lookback.earlier}, reverse=True), key=lambda found: found.date)
    for day, issues in days:
        if day < oldest:
            break
        while waiting and waiting[0][0] > day:
            yield waiting.pop(0)
        same_day = [story_id for found in issues for story_id in lookback.library.story_ids(found.issue)]
        while waiting and waiting[0][0] == day:
            same_day.append(waiting.pop(0)[1])
        yield from ((day, story_id) for story_id in sorted(same_day))
    yield from waiting


def _inbox(lookback: Lookback, oldest: date) -> list[tuple[date, str]]:
    dated = [
        (story.meta.date, story.id)
        for story in lookback.library.stories(INBOX)
        if story.meta.date and oldest <= story.meta.date <= lookback.issue.date
    ]
    return sorted(dated, key=lambda found: (-found[0].toordinal(), found[1]))


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

    def had(issue: Heading) -> bool:
        return lookback.went_out(issue) is not None and story_id in lookback.carried(issue.issue)

    return any(had(issue) for issue in lookback.earlier if issue.date >= day)
