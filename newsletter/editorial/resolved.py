"""What resolving an issue gives: everything it selects found, ready for rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from newsletter.documents import Document
from newsletter.editorial.definition import Block, IssueDefinition
from newsletter.editorial.polls import Poll
from newsletter.editorial.story import Status, Story
from newsletter.editorial.votes import Tally
from newsletter.errors import Place


@dataclass(frozen=True)
class FollowUp:
    """A question tied to its answer, with the words that say when it was asked."""

    question_id: str
    question: str
    lead_in: str  # "Yesterday we asked", "On Tuesday we asked", "The question"
    answer_label: str  # "Today", or "" when there is no answer
    answer: str  # Markdown, one paragraph or more; "" while it is still open
    status: Status
    asked_in: str | None  # the issue that asked
    asked_on: date | None  # the local date it went out; None when it was never sent
    asking_story: str | None
    answering_story: str | None


@dataclass(frozen=True)
class ReadersSaid:
    """A poll of an earlier issue and what readers answered, with the words that say when it was asked."""

    issue: str  # the one that asked
    poll: Poll
    asked_on: date
    lead_in: str  # "Yesterday we asked you"
    label: str  # in front of the result: "Today"
    tally: Tally
    answer: str  # Markdown under the result; "" for none

    @property
    def name(self) -> str:
        return f"{self.issue}/{self.poll.id}"

    def facts(self) -> dict[str, object]:
        """What a build's manifest keeps of it."""
        votes = [share.votes for share in self.tally.shares(self.poll)]
        return {
            **self.poll.facts(),
            "poll": self.name,
            "asked_in": self.issue,
            "asked_on": self.asked_on.isoformat(),
            "lead_in": self.lead_in,
            "votes": votes,
            "left_out": self.tally.left_out,
            "final": self.tally.final,
        }


@dataclass(frozen=True)
class Corrected:
    """The earlier issue that a correction puts right."""

    issue: str
    day: date  # it went out, or is dated when it did not
    went_out: bool


@dataclass(frozen=True)
class Earlier:
    """A story as readers know it: in the issue that brought it, on the day that went out."""

    story: Story
    issue: str
    day: date


@dataclass(frozen=True)
class Chosen:
    """What a query chose, and how many it passed over, by reason: that fit, or that one key alone keeps out."""

    stories: tuple[Story, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def in_words(self) -> str:
        """`3 went out before, 12 older than 3 days`; "" when none was passed over."""
        return ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())


@dataclass(frozen=True)
class ResolvedBlock:
    """A block with what it names: stories, a follow-up, a poll with its closing, the issue corrected, a thread."""

    block: Block
    place: Place
    stories: tuple[Story, ...] = ()
    follow_up: FollowUp | None = None
    readers_said: ReadersSaid | None = None
    poll: Poll | None = None
    corrected: Corrected | None = None
    thread: tuple[Earlier, ...] = ()  # oldest first


@dataclass(frozen=True)
class ResolvedIssue:
    """What a build is made from. Everything here is read once; rendering opens only the images."""

    id: str
    definition: IssueDefinition
    document: Document
    blocks: tuple[ResolvedBlock, ...]
    sources: Mapping[str, bytes]  # path shown to people -> bytes read: the definition, what it shares, every story used
    facts: Mapping[str, object] = field(default_factory=dict)  # JSON-able: what was selected, who asked when
    chosen: Mapping[int, Chosen] = field(default_factory=dict)  # by a block's number in the definition
    stories: tuple[Story, ...] = ()  # every story it rests on: placed, quoted by a follow-up, named in a thread
    written: Mapping[str, date] = field(default_factory=dict)  # by story, the day it was written for; not of this issue
