"""Stories chosen by a query, reckoned from the issue's date: the same query on the same library chooses the same.

A story's day is the date of its issue; a story of `_inbox` needs a `date` of its own to be chosen. Newest day first
unless the query sorts otherwise, then by id. Never chosen: stories of issues dated later, stories this issue has
already, and those under embargo when it goes out. What fits and was passed over is counted by reason; to whoever asks
why a story did not come, so is what one key of the query keeps out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from datetime import date, datetime, timedelta

from newsletter.editorial.embargo import embargo_end
from newsletter.editorial.index import Sought, StoryEntry
from newsletter.editorial.library import INBOX
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.query import Select, days
from newsletter.editorial.relevance import relevance
from newsletter.editorial.resolved import Chosen
from newsletter.editorial.story import Story, authors
from newsletter.editorial.terms import sought

HERE, EMBARGOED, OUT, UNDATED = "in this issue already", "under embargo", "went out before", "without a date"


def select_stories(lookback: Lookback, query: Select, *, placed: Set[str], leaves: datetime) -> Chosen:
    """The stories a query chooses, at most `limit`, for an issue that goes out at `leaves`.

    Raises InputError at a broken story it has to look at.
    """
    stories: list[Story] = []
    left_out: Counter[str] = Counter()
    for entry in _sorted(lookback, query, _candidates(lookback, query)):
        if len(stories) == query.limit:
            break
        story = lookback.library.story(entry.story)
        if not _fits(story, query):
            continue
        if reason := _against(lookback, query, entry, story, placed=placed, leaves=leaves):
            left_out[reason] += 1
        else:
            stories.append(story)
    return Chosen(tuple(stories), dict(sorted(left_out.items())))


def _against(
    lookback: Lookback, query: Select, entry: StoryEntry, story: Story, *, placed: Set[str], leaves: datetime
) -> str | None:
    """Why a story that fits is not chosen all the same."""
    if entry.story in placed:
        return HERE
    if entry.day is None:
        return UNDATED
    held = embargo_end(story, lookback.sent.zone)
    if held is not None and held > leaves:
        return EMBARGOED
    window = query.not_sent_within
    sent = _last_sent(lookback, entry.story, entry.day) if query.unsent or window else None
    if sent is None:
        return None
    if window and sent >= _back(lookback.issue.date, window):
        return f"went out in the last {days(window)} days"
    return OUT if query.unsent else None


# -- what does not fit -------------------------------------------------------------------------------------------------


def kept_out(lookback: Lookback, query: Select, chosen: Chosen) -> dict[str, int]:
    """How many stories one key alone keeps out, by reason, as the index knows them: no file is opened.

    Nothing where a query chose all it may. Its days come first; what else narrows it where it chose none at all. It
    takes longer the more stories there are.
    """
    if len(chosen.stories) == query.limit:
        return {}
    wanted, index, today = _sought(query), lookback.index, lookback.issue.date
    oldest, newest = _back(today, query.since), _back(today, query.until or "0d")
    within = replace(wanted, since=oldest, until=newest)
    counted: dict[str, int] = {}
    if query.since and oldest > date.min:
        reason = f"older than {_days(query.since)}" if days(query.since) else "of an earlier day"
        counted[reason] = index.number(replace(wanted, until=oldest - timedelta(days=1)))
    if query.until and newest < today:
        reason = f"not yet {_days(query.until)} old"
        counted[reason] = index.number(replace(wanted, since=newest + timedelta(days=1), until=today))
    counted["dated after this issue"] = index.number(replace(wanted, since=today + timedelta(days=1)))
    if not chosen.stories:
        fitting = index.number(within)
        for reason, without in _widened(query, within):
            counted[reason] = index.number(without) - fitting
    return {reason: number for reason, number in counted.items() if number > 0}


def _widened(query: Select, within: Sought) -> Iterator[tuple[str, Sought]]:
    """The query without one of its keys at a time, and what that key keeps out."""
    for tag in query.tags:
        yield f"without the tag {tag}", replace(within, tags=tuple(each for each in query.tags if each != tag))
    if query.section is not None:
        yield f"not of section {query.section}", replace(within, section=None)
    if query.source is not None:
        yield f"not from {query.source}", replace(within, source=None)
    if query.author is not None:
        yield f"not by {query.author}", replace(within, author=None)
    if query.text is not None:
        yield f"without the words “{query.text}”", replace(within, words=())


def _days(window: str) -> str:
    return f"{days(window)} day{'' if days(window) == 1 else 's'}"


# -- what may fit ------------------------------------------------------------------------------------------------------


def _back(issue_date: date, window: str | None) -> date:
    """The day so long before the issue; the first there is without a window."""
    if window is None or days(window) >= issue_date.toordinal():
        return date.min
    return issue_date - timedelta(days=days(window))


def _candidates(lookback: Lookback, query: Select) -> Iterator[StoryEntry]:
    """What the index says may fit, newest first; a broken story may be one of those sought. Raises InputError."""
    library, issue = lookback.library, lookback.issue
    oldest, newest = _back(issue.date, query.since), _back(issue.date, query.until or "0d")
    window = {issue.issue, INBOX, *(found.issue for found in lookback.earlier if oldest <= found.date <= newest)}
    wanted = replace(_sought(query), folders=None if oldest == date.min else window, broken_too=True)
    for broken in lookback.index.broken([INBOX]):
        library.story(broken.story)  # it may have been meant: this says what is wrong with it
    for entry in lookback.index.stories(wanted):
        day = issue.date if entry.folder == issue.issue else entry.day
        if day is not None and oldest <= day <= newest:
            yield replace(entry, day=day)
        elif day is None and entry.folder == INBOX:
            yield entry


def _sought(query: Select) -> Sought:
    """What the query asks for, on whatever day."""
    words = tuple(sought(query.text or ""))
    return Sought(query.tags, query.section, query.source, author=query.author, words=words)


def _sorted(lookback: Lookback, query: Select, found: Iterable[StoryEntry]) -> Iterable[StoryEntry]:
    match query.sort:
        case "newest":
            return found
        case "oldest":
            return sorted(found, key=lambda entry: (entry.day or date.max, entry.story))
        case "title":
            return sorted(found, key=lambda entry: (entry.title.casefold(), entry.story))
        case "relevance":
            words = sought(query.text or "")
            weighed = [(relevance(lookback.library.story(entry.story), words), entry) for entry in found]
            return [entry for _, entry in sorted(weighed, key=lambda each: -each[0])]  # the newest of equals first


def _fits(story: Story, query: Select) -> bool:
    """Every key of a query narrows it: all tags, all words, the section, the source, the author. Capitals do not count.

    The index said so; the file is the truth.
    """
    tags = {tag.casefold() for tag in story.meta.tags}
    names = {name.casefold() for name in authors(story.meta.byline)}
    return (
        all(tag.casefold() in tags for tag in query.tags)
        and (query.section is None or query.section.casefold() == story.meta.section.casefold())
        and (query.source is None or query.source.casefold() == story.meta.source.casefold())
        and (query.author is None or query.author.casefold() in names)
        and (query.text is None or relevance(story, sought(query.text)) > 0)
    )


def _last_sent(lookback: Lookback, story_id: str, day: date) -> date | None:
    """When an issue of this newsletter last went out with the story, which is of that day; None when none has."""
    had = lookback.carriers(story_id)
    carried = (issue for issue in lookback.earlier if issue.date >= day and issue.issue in had)
    return max((sent for issue in carried if (sent := lookback.went_out(issue))), default=None)
