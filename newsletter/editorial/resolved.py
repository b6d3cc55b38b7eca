"""What resolving an issue gives: everything it selects found, ready for rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from newsletter.documents import Document
from newsletter.editorial.definition import Block, IssueDefinition
from newsletter.editorial.polls import Poll
from newsletter.editorial.story import Status, Story
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
class ResolvedBlock:
    """A block with what it names: stories, a follow-up, a poll with its closing, the issue corrected, a thread."""

    block: Block
    place: Place
    stories: tuple[Story, ...] = ()
    follow_up: FollowUp | None = None
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
    sources: Mapping[str, bytes]  # path shown to people -> bytes read: the definition and every story used
    facts: Mapping[str, object] = field(default_factory=dict)  # JSON-able: what was selected, who asked when
    written: Mapping[str, date] = field(default_factory=dict)  # by story, the day it was written for; not of this issue
