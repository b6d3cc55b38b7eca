"""What the index of the library answers: which issues and stories there are, and which of them name something.

It says which files to look at; what stands in them is read from the files. Nothing here opens one. It is as true as the
last refresh (refresh.py), which every verb begins with.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from newsletter.editorial.fields import name_key
from newsletter.editorial.library import INBOX, Heading
from newsletter.store.fulltext import matches
from newsletter.store.tables import library_issues, library_names, library_stories

_issues, _stories, _names = library_issues.c, library_stories.c, library_names.c
_MOST_BOUND = 500  # values in one IN (…)
_COUNTED = 2_000


@dataclass(frozen=True)
class IssueEntry:
    """An issue as the index knows it."""

    issue: str
    date: date | None
    newsletter: str | None
    subject: str
    problem: str | None


@dataclass(frozen=True)
class StoryEntry:
    """A story as the index knows it."""

    story: str
    title: str
    day: date | None  # its issue's date; of an inbox story its own
    own_day: date | None  # the date in its front matter
    data: dict[str, Any]
    problem: str | None
    rank: float = 0.0

    @property
    def folder(self) -> str:
        return self.story.partition("/")[0]

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.data.get("tags", ()))

    @property
    def follows(self) -> tuple[str, ...]:
        return tuple(self.data.get("follows", ()))


@dataclass(frozen=True)
class Sought:
    """What narrows a list of stories. Dates are both included."""

    tags: tuple[str, ...] = ()
    section: str | None = None
    source: str | None = None
    author: str | None = None
    words: tuple[str, ...] = ()  # all of them (`terms.sought`)
    since: date | None = None
    until: date | None = None
    folders: Collection[str] | None = None
    broken_too: bool = False  # a broken story might be one that is sought


class Index:
    """The index of one tree, seen in one transaction."""

    def __init__(self, connection: Connection, tree: str) -> None:
        self.connection = connection
        self.tree = tree

    # -- issues --------------------------------------------------------------------------------------------------------

    @cached_property
    def headings(self) -> tuple[Heading, ...]:
        """Every issue that has a date, oldest first."""
        query = select(_issues.date, _issues.issue, _issues.newsletter)
        query = query.where(_issues.tree == self.tree, _issues.date.is_not(None))
        return tuple(sorted(Heading(*row) for row in self.connection.execute(query)))

    @cached_property
    def days(self) -> dict[str, date]:
        """The date of every issue that has one."""
        return {found.issue: found.date for found in self.headings}

    def issues(self) -> list[IssueEntry]:
        """Every issue, a broken one as well."""
        columns = (_issues.issue, _issues.date, _issues.newsletter, _issues.subject, _issues.problem)
        query = select(*columns).where(_issues.tree == self.tree).order_by(_issues.issue)
        return [IssueEntry(*row) for row in self.connection.execute(query)]

    def replies(self, *, folders: Collection[str] | None = None) -> dict[str, list[tuple[str, str]]]:
        """By issue, its follow-ups: the question each is about, and the answer written in the block."""
        named = self._files("replies").distinct()
        query = select(_issues.issue, _issues.data).where(_issues.tree == self.tree, _issues.issue.in_(named))
        rows = self.connection.execute(query if folders is None else query.where(_issues.issue.in_(sorted(folders))))
        return {issue: [(question, answer) for question, answer in json.loads(data)["replies"]] for issue, data in rows}

    def placing(self, story: str) -> frozenset[str]:
        """The issues whose definition places the story by name, or whose query may have chosen it."""
        placed: set[str] = set(self.connection.scalars(self._files("places", story)))
        chooses = select(_issues.issue).where(
            _issues.tree == self.tree, _issues.issue == story.partition("/")[0], _issues.selects
        )
        return frozenset(placed.union(self.connection.scalars(chooses)))

    # -- stories -------------------------------------------------------------------------------------------------------

    def stories(self, sought: Sought = Sought()) -> Iterator[StoryEntry]:
        """The stories sought, the newest day first, those without one last; on one day by id."""
        query = self._entries(sought)
        found = (_entry(row) for row in self.connection.execute(query.order_by(_day().desc().nulls_last())))
        yield from _by_id_within_days(found)

    def number(self, sought: Sought) -> int:
        """How many stories are sought."""
        return self.connection.scalar(select(func.count()).select_from(self._entries(sought).subquery())) or 0

    def search(self, words: list[str], sought: Sought, *, limit: int, every: bool = True) -> list[StoryEntry]:
        """The stories with these words (`terms.sought`), the best first."""
        if not words:
            return []
        hits = matches(self.connection, words, every=every)
        query = self._entries(sought).add_columns(hits.c.rank).join(hits, hits.c.id == _stories.id)
        query = query.order_by(hits.c.rank, _day().desc().nulls_last(), _stories.story).limit(limit)
        return [_entry(row) for row in self.connection.execute(query)]

    def count(self, word: str) -> int:
        """About how many stories have a word, whichever tree they are of; counted as far as makes a difference."""
        some = select(matches(self.connection, [word]).c.id).limit(_COUNTED)
        return self.connection.scalar(select(func.count()).select_from(some.subquery())) or 0

    def entries(self, stories: Iterable[str]) -> dict[str, StoryEntry]:
        """These stories, as far as they are there."""
        wanted = sorted(set(stories))
        found: dict[str, StoryEntry] = {}
        for first in range(0, len(wanted), _MOST_BOUND):
            some = wanted[first : first + _MOST_BOUND]
            query = self._entries(Sought(broken_too=True)).where(_stories.story.in_(some))
            found.update((row.story, _entry(row)) for row in self.connection.execute(query))
        return found

    def asking(self, question: str | None = None, *, folders: Collection[str] | None = None) -> list[StoryEntry]:
        """The stories that ask this question, or any."""
        return self._naming("asks", question, folders)

    def answering(self, question: str | None = None, *, folders: Collection[str] | None = None) -> list[StoryEntry]:
        """The stories that answer this question, or any."""
        return self._naming("answers", question, folders)

    def following(self, story: str | None = None) -> list[StoryEntry]:
        """The stories that follow this one, or any."""
        return self._naming("follows", story)

    def with_copy(self, key: str) -> list[str]:
        """The stories whose copy has this key (`story.copy_key`), by id."""
        return sorted(self.connection.scalars(self._files("copy", key)))

    def including(self) -> frozenset[str]:
        """The issues with blocks of shared files."""
        return frozenset(self.connection.scalars(self._files("includes")))

    def broken(self, folders: Collection[str] | None = None) -> list[StoryEntry]:
        """The stories that cannot be read."""
        query = self._entries(Sought(broken_too=True, folders=folders)).where(_stories.problem.is_not(None))
        return sorted((_entry(row) for row in self.connection.execute(query)), key=lambda found: found.story)

    # -- queries -------------------------------------------------------------------------------------------------------

    def _naming(self, kind: str, name: str | None, folders: Collection[str] | None = None) -> list[StoryEntry]:
        query = self._entries(Sought(folders=folders)).where(_stories.story.in_(self._files(kind, name)))
        return sorted((_entry(row) for row in self.connection.execute(query)), key=lambda found: found.story)

    def _files(self, kind: str, name: str | None = None) -> Select[tuple[str]]:
        query = select(_names.file).where(_names.tree == self.tree, _names.kind == kind)
        return query if name is None else query.where(_names.name == name)

    def _entries(self, sought: Sought) -> Select[Any]:
        columns = (_stories.story, _stories.title, _day().label("day"), _stories.day.label("own_day"))
        its_issue = and_(_issues.tree == _stories.tree, _issues.issue == _stories.folder)
        query = select(*columns, _stories.data, _stories.problem)
        query = query.join_from(library_stories, library_issues, its_issue, isouter=True)
        query = query.where(_stories.tree == self.tree)
        if sought.since:
            query = query.where(_day() >= sought.since)
        if sought.until:
            query = query.where(_day() <= sought.until)
        if sought.folders is not None:
            query = query.where(_stories.folder.in_(sorted(sought.folders)))
        fits = and_(_stories.problem.is_(None), *self._named(sought), *self._worded(sought))
        return query.where(or_(fits, _stories.problem.is_not(None)) if sought.broken_too else fits)

    def _named(self, sought: Sought) -> Iterator[ColumnElement[bool]]:
        wanted = [("tag", tag) for tag in sought.tags]
        kinds = ("section", "source", "author")
        wanted += [(kind, name) for kind in kinds if (name := getattr(sought, kind)) is not None]
        for kind, name in wanted:
            yield _stories.story.in_(self._files(kind, name_key(name)))

    def _worded(self, sought: Sought) -> Iterator[ColumnElement[bool]]:
        if sought.words:
            yield _stories.id.in_(select(matches(self.connection, sought.words).c.id))


def _day() -> ColumnElement[date | None]:
    """A story's day: its issue's date; in the inbox its own."""
    return case((_stories.folder == INBOX, _stories.day), else_=_issues.date)


def _entry(row: Any) -> StoryEntry:
    rank = getattr(row, "rank", 0.0)
    return StoryEntry(row.story, row.title, row.day, row.own_day, json.loads(row.data), row.problem, rank)


def _by_id_within_days(found: Iterable[StoryEntry]) -> Iterator[StoryEntry]:
    """Databases disagree on the order of names; all of one day are put in ours."""
    for _, same_day in groupby(found, key=lambda entry: entry.day):
        yield from sorted(same_day, key=lambda entry: entry.story)
