"""What an issue sees when it looks back: the library and the sends, from its own date and never from the clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from sqlalchemy import Connection

from newsletter.editorial.definition import Block, IssueDefinition, QAndA, Stories, StoryBlock, Watching
from newsletter.editorial.library import Heading, Library
from newsletter.editorial.sent import SentRecord, stories_sent
from newsletter.errors import InputError, NotFound

StoryPath = tuple[tuple[str | int, ...], str]  # the key a story is named under, within its block, and the name


@dataclass(frozen=True)
class Lookback:
    """The view from one issue. Nothing dated after it is ever seen."""

    library: Library
    connection: Connection
    sent: SentRecord
    issue: Heading
    lang: str
    _carried: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def earlier(self) -> tuple[Heading, ...]:
        """Every other issue dated up to this one's date, the newest first; on one date by id."""
        seen = [found for found in self.library.headings() if found.date <= self.issue.date and found != self.issue]
        return tuple(sorted(seen, key=lambda found: (-found.date.toordinal(), found.issue)))

    def went_out(self, issue: Heading) -> date | None:
        """The day an issue of this newsletter went out; None when it had not, or is another newsletter's."""
        if issue.newsletter != self.issue.newsletter or issue == self.issue:
            return None
        return self.sent.went_out(issue, as_of=self.issue.date)

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


def placed_names(definition: IssueDefinition) -> Iterator[str]:
    """The stories an issue places by name, as written. A follow-up quotes its story and does not place it."""
    for block in definition.blocks:
        yield from (name for _, name in story_names(block))


def story_names(block: Block) -> tuple[StoryPath, ...]:
    """The stories a block places by name."""
    if isinstance(block, StoryBlock):
        return ((("story",), block.story),)
    if isinstance(block, QAndA) and block.story:
        return ((("story",), block.story),)
    if isinstance(block, Stories | Watching):
        return tuple((("stories", index), name) for index, name in enumerate(block.stories))
    return ()
