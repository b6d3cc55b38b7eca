"""What an issue sees when it looks back: the library and the sends, from its own date and never from the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from sqlalchemy import Connection

from newsletter.editorial.carried import builds_with, unnoted_builds
from newsletter.editorial.definition import Stories, placed_names
from newsletter.editorial.index import Index
from newsletter.editorial.library import Heading, Library
from newsletter.editorial.sent import SentRecord, stories_sent
from newsletter.errors import InputError, NotFound


@dataclass(frozen=True)
class Lookback:
    """The view from one issue. Nothing dated after it is ever seen."""

    library: Library
    index: Index
    sent: SentRecord
    issue: Heading
    lang: str
    _carried: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def connection(self) -> Connection:
        return self.index.connection

    @cached_property
    def earlier(self) -> tuple[Heading, ...]:
        """Every other issue dated up to this one's date, the newest first; on one date by id."""
        seen = [found for found in self.index.headings if found.date <= self.issue.date and found != self.issue]
        return tuple(sorted(seen, key=lambda found: (-found.date.toordinal(), found.issue)))

    def went_out(self, issue: Heading) -> date | None:
        """The day an issue of this newsletter went out; None when it had not, or is another newsletter's."""
        if issue.newsletter != self.issue.newsletter or issue == self.issue:
            return None
        return self.sent.went_out(issue, as_of=self.issue.date)

    def carriers(self, story: str) -> frozenset[str]:
        """The issues that had a story, as `carried` says; the index names those worth asking."""
        builds = builds_with(self.connection, story) | self._unnoted
        sent = {issue for issue in self.sent.by_issue if self.sent.build_of(issue) in builds}
        return frozenset(issue for issue in sent | self.index.placing(story) if story in self.carried(issue))

    def first_sent(self, story: str) -> tuple[str | None, date | None]:
        """The issue that brought the story to readers, and its day: its own issue, or the first that took it in.

        Without a day it has not gone out; without an issue none has it.
        """
        home, had = story.partition("/")[0], self.carriers(story)
        since = self.index.days.get(home, date.min)
        ours = [
            found
            for found in self.earlier
            if found.issue in had and found.newsletter == self.issue.newsletter and found.date >= since
        ]
        first: str | None = None
        for issue in sorted(ours, key=lambda found: (found.issue != home, found)):
            day = self.went_out(issue)
            if day is not None:
                return issue.issue, day
            first = first or issue.issue
        return first, None

    @cached_property
    def _unnoted(self) -> frozenset[str]:
        return unnoted_builds(self.connection)

    def carried(self, issue: str) -> frozenset[str]:
        """The stories in an issue: as its build says where it was sent, else as its issue.toml says now."""
        if issue not in self._carried:
            build = self.sent.build_of(issue)
            recorded = stories_sent(self.connection, build) if build else None
            self._carried[issue] = self._named_by(issue) if recorded is None else recorded
        return self._carried[issue]

    def _named_by(self, issue: str) -> frozenset[str]:
        try:
            definition, _ = self.library.definition(issue)
        except (NotFound, InputError):
            return frozenset()
        named = {self.library.full_id(name, issue) for name in placed_names(definition)}
        if any(isinstance(block, Stories) and block.select for block in definition.blocks):
            # What its query chose was not written down; stories of its own folder are the likeliest.
            named.update(self.library.story_ids(issue))
        return frozenset(named)
