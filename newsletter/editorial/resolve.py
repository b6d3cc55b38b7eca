"""Resolves an issue: finds every story and follow-up its blocks mean, and every problem of its files at once.

What was found is frozen into `facts`, which the build's manifest keeps: the stories in each block, and for each
follow-up who asked, when that went out, and the words said about it; each poll and each correction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from newsletter.config import CONFIG_NAME, Workspace
from newsletter.documents import Document, did_you_mean
from newsletter.editorial.composition import composition_problems
from newsletter.editorial.definition import (
    Block,
    CorrectionBlock,
    FollowUpBlock,
    IssueDefinition,
    PollBlock,
    Previously,
    Stories,
    story_names,
)
from newsletter.editorial.embargo import earliest
from newsletter.editorial.index import Index
from newsletter.editorial.library import Heading, Library
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.polls import Poll, closing
from newsletter.editorial.query import Select
from newsletter.editorial.questions import follow_up
from newsletter.editorial.readers_said import freeze_followed_up, readers_said
from newsletter.editorial.refresh import refresh
from newsletter.editorial.resolved import (
    Chosen,
    Corrected,
    Earlier,
    FollowUp,
    ReadersSaid,
    ResolvedBlock,
    ResolvedIssue,
)
from newsletter.editorial.selection import kept_out, select_stories
from newsletter.editorial.sent import read_sent
from newsletter.editorial.story import Story
from newsletter.editorial.threads import Continued, continues, earlier_in_thread
from newsletter.editorial.votes import polls_sent
from newsletter.errors import InputError, Place, Problem
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store

__all__ = ["FollowUp", "ResolvedBlock", "ResolvedIssue", "resolve"]


def resolve(
    workspace: Workspace, store: Store, issue_id: str, *, now: datetime | None = None, explain: bool = False
) -> ResolvedIssue:
    """The issue with all it names and selects. Raises NotFound, or InputError with every problem of its files.

    With `now` the polls it follows up are counted for good, if they have closed by then. With `explain` its queries say
    of what they did not choose why, down to the last key.
    """
    library = Library(workspace.issues)
    tree = refresh(store, library)
    problems: list[Problem] = []
    own = _own_stories(library, issue_id, problems)
    try:
        definition, document = library.definition(issue_id)
    except InputError as error:
        raise InputError(_in_order([*error.problems, *problems])) from None
    problems += composition_problems(definition, document, issue_id, segments=workspace.segment_names)
    settings = workspace.settings.newsletters.get(definition.newsletter)
    if settings is None:
        problems.append(_unknown_newsletter(workspace, definition, document))
        problems += _missing_stories(library, issue_id, definition, document=document)
        raise InputError(_in_order(problems))
    if now is not None:
        freeze_followed_up(store, definition, now)
    with store.read() as connection:
        heading = Heading(definition.date, issue_id, definition.newsletter)
        sent = read_sent(connection, definition.newsletter, settings.zone)
        lookback = Lookback(library, Index(connection, tree), sent, heading, _language(definition, settings))
        leaves = earliest(settings, definition.date)
        draft = _Draft(lookback, definition, document, own, problems, leaves, explain)
        blocks = tuple(draft.resolved_blocks())
        draft.check_readers_of()
        written = draft.written()
        continued = continues(lookback, [story for block in blocks for story in block.stories])
    if problems:
        raise InputError(_in_order(problems))
    facts = _facts(blocks, continued)
    return ResolvedIssue(
        issue_id,
        definition,
        document,
        blocks,
        draft.sources(),
        facts=facts,
        stories=tuple(draft.used.values()),
        chosen=draft.chosen,
        written=written,
    )


@dataclass
class _Draft:
    """An issue on its way to being resolved."""

    lookback: Lookback
    definition: IssueDefinition
    document: Document
    own: tuple[Story, ...]  # of the issue's folder
    problems: list[Problem]
    leaves: datetime  # when it goes out at the earliest
    explain: bool  # whether queries say of all they did not choose why
    used: dict[str, Story] = field(default_factory=dict)
    chosen: dict[int, Chosen] = field(default_factory=dict)

    def resolved_blocks(self) -> Iterator[ResolvedBlock]:
        """The blocks in order, without those whose query chose nothing, or whose thread begins here."""
        named = [tuple(self._named(index, block)) for index, block in enumerate(self.definition.blocks)]
        placed = {story.id: story for stories in named for story in stories}
        for index, block in enumerate(self.definition.blocks):
            place = self.document.place(["blocks", index])
            if isinstance(block, FollowUpBlock) and block.poll:
                yield ResolvedBlock(block, place, readers_said=self._readers_said(index, block))
            elif isinstance(block, FollowUpBlock):
                yield ResolvedBlock(block, place, follow_up=self._follow_up(index, block, placed))
            elif isinstance(block, PollBlock):
                yield ResolvedBlock(block, place, poll=self._poll(index, block))
            elif isinstance(block, CorrectionBlock):
                yield ResolvedBlock(block, place, corrected=self._corrected(index, block))
            elif isinstance(block, Previously):
                if told := self._previously(index, block):
                    yield ResolvedBlock(block, place, thread=told)
            elif isinstance(block, Stories) and block.select:
                stories = self._selected(index, block.select, set(placed))
                placed.update((story.id, story) for story in stories)
                if stories:
                    yield ResolvedBlock(block, place, stories)
            else:
                yield ResolvedBlock(block, place, named[index])
        self.used.update(placed)

    def _named(self, index: int, block: Block) -> Iterator[Story]:
        library, issue = self.lookback.library, self.lookback.issue.issue
        for path, name in story_names(block):
            story_id = library.full_id(name, issue)
            if not library.has_story(story_id):
                place = self.document.place(["blocks", index, *path])
                self.problems.append(_unknown_story(library, place, name, story_id=story_id))
                continue
            try:
                yield library.story(story_id)
            except InputError as error:
                self.problems += error.problems

    def _selected(self, index: int, query: Select, placed: set[str]) -> tuple[Story, ...]:
        try:
            found = select_stories(self.lookback, query, placed=placed, leaves=self.leaves)
        except InputError as error:
            self.problems += error.problems
            return ()
        if self.explain or len(found.stories) < query.minimum:
            found = replace(found, left_out={**found.left_out, **kept_out(self.lookback, query, found)})
        self.chosen[index] = found
        if len(found.stories) < query.minimum:
            place = self.document.place(["blocks", index, "select", "minimum"])
            others = f" Passed over: {found.in_words}." if found.left_out else " No other fits."
            message = f"the query finds {len(found.stories)} of the {query.minimum} stories it must find.{others}"
            self.problems.append(Problem(place, message, "Widen it, or lower `minimum`."))
        return found.stories

    def _follow_up(self, index: int, block: FollowUpBlock, placed: Mapping[str, Story]) -> FollowUp | None:
        library, issue = self.lookback.library, self.lookback.issue.issue
        if block.story and not library.has_story(library.full_id(block.story, issue)):
            place = self.document.place(["blocks", index, "story"])
            story_id = library.full_id(block.story, issue)
            self.problems.append(_unknown_story(library, place, block.story, story_id=story_id))
            return None
        place = self.document.place(["blocks", index, "question"])
        try:
            found = follow_up(self.lookback, block, place=place, own=(*placed.values(), *self.own))
        except InputError as error:
            self.problems += error.problems
            return None
        self.used.update((story.id, story) for story in found.stories)
        return found.follow_up

    def _readers_said(self, index: int, block: FollowUpBlock) -> ReadersSaid | None:
        try:
            return readers_said(self.lookback, block, place=self.document.place(["blocks", index, "poll"]))
        except InputError as error:
            self.problems += error.problems
            return None

    def _poll(self, index: int, block: PollBlock) -> Poll | None:
        issue, zone = self.lookback.issue, self.lookback.sent.zone
        place = self.document.place(["blocks", index, "closes"])
        try:
            closes = closing(block.closes, issued=issue.date, zone=zone)
        except ValueError as error:
            self.problems.append(Problem(place, f"`closes`: {error}", "Choose another."))
            return None
        poll = Poll(block.id, block.question, block.options, closes)
        for sent in polls_sent(self.lookback.connection, issue.issue):
            # Its votes are counted by issue, id and number: they would be counted for what nobody voted for.
            if sent.id == poll.id and sent.facts() != poll.facts():
                place = self.document.place(["blocks", index, "id"])
                message = f'poll "{poll.id}" went out with other words or another closing; readers may have voted.'
                self.problems.append(Problem(place, message, "Put it back as it was, or give this one its own id."))
                break
        return poll

    def _previously(self, index: int, block: Previously) -> tuple[Earlier, ...]:
        library = self.lookback.library
        story_id = library.full_id(block.story, self.lookback.issue.issue)
        if not library.has_story(story_id):
            place = self.document.place(["blocks", index, "story"])
            self.problems.append(_unknown_story(library, place, block.story, story_id=story_id))
            return ()
        try:
            story = library.story(story_id)
            told = earlier_in_thread(self.lookback, story, limit=block.limit)
        except InputError as error:
            self.problems += error.problems
            return ()
        self.used.update((each.id, each) for each in (story, *(earlier.story for earlier in told)))
        return told

    def _corrected(self, index: int, block: CorrectionBlock) -> Corrected | None:
        found = self._earlier_issue(block.issue, self.document.place(["blocks", index, "issue"]))
        if found is None:
            return None
        day = self.lookback.went_out(found)
        return Corrected(found.issue, day or found.date, day is not None)

    def check_readers_of(self) -> None:
        """An issue for the readers of another names an earlier one of its newsletter."""
        if self.definition.readers_of is not None:
            self._earlier_issue(self.definition.readers_of, self.document.place(["readers_of"]))

    def _earlier_issue(self, name: str, place: Place) -> Heading | None:
        library, ours = self.lookback.library, self.lookback.issue
        found = library.heading(name) if name in library.issue_ids() else None
        if found is None or found == ours or found.newsletter != ours.newsletter or found.date > ours.date:
            earlier = [issue.issue for issue in self.lookback.earlier if issue.newsletter == ours.newsletter]
            message = f'this newsletter has no earlier issue "{name}".'
            self.problems.append(Problem(place, message, did_you_mean(name, earlier)))
            return None
        return found

    def sources(self) -> dict[str, bytes]:
        """What the build rests on: the definition and every story used, by path."""
        path, source = self.lookback.library.definition_source(self.lookback.issue.issue)
        shared = self.lookback.library.shared_sources(self.lookback.issue.issue)
        return {path: source, **shared, **{story.path: story.source for _, story in sorted(self.used.items())}}

    def written(self) -> dict[str, date]:
        """The day each story was written for, where it says one or is from another issue."""
        days = self.lookback.index.days
        known = {story.id: story.meta.date or days.get(story.issue) for story in self.used.values()}
        return {story: day for story, day in known.items() if day}


def _own_stories(library: Library, issue_id: str, problems: list[Problem]) -> tuple[Story, ...]:
    """The stories of the issue's own folder; a broken one is a problem though no block names it (yet)."""
    stories = []
    for story_id in library.story_ids(issue_id):
        try:
            stories.append(library.story(story_id))
        except InputError as error:
            problems += error.problems
    problems += library.misnamed(issue_id)
    return tuple(stories)


def _missing_stories(
    library: Library, issue_id: str, definition: IssueDefinition, *, document: Document
) -> Iterator[Problem]:
    for index, block in enumerate(definition.blocks):
        for path, name in story_names(block):
            story_id = library.full_id(name, issue_id)
            if not library.has_story(story_id):
                yield _unknown_story(library, document.place(["blocks", index, *path]), name, story_id=story_id)


def _unknown_story(library: Library, place: Place, name: str, *, story_id: str) -> Problem:
    return Problem(place, f'there is no story "{name}".', library.nearest_story(story_id))


def _unknown_newsletter(workspace: Workspace, definition: IssueDefinition, document: Document) -> Problem:
    name = definition.newsletter
    remedy = did_you_mean(name, workspace.settings.newsletters)
    return Problem(document.place(["newsletter"]), f'there is no newsletter "{name}" in {CONFIG_NAME}.', remedy)


def _language(definition: IssueDefinition, settings: NewsletterSettings) -> str:
    return definition.lang or settings.lang


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Each problem once, the definition's first, then file by file, line by line."""
    unique = dict.fromkeys(problems)
    return sorted(
        unique, key=lambda found: (not found.place.file.endswith(".toml"), found.place.file, found.place.line or 0)
    )


def _facts(blocks: tuple[ResolvedBlock, ...], continued: list[Continued]) -> dict[str, object]:
    stories = dict.fromkeys(story.id for block in blocks for story in block.stories)
    return {
        "stories": list(stories),
        "blocks": [_block_facts(block) for block in blocks],
        "follow_ups": [_follow_up_facts(block.follow_up) for block in blocks if block.follow_up],
        **_readers_said_facts(blocks),
        **_thread_facts(blocks),
        **({"follows": [each.facts() for each in continued]} if continued else {}),
        "polls": [block.poll.facts() for block in blocks if block.poll],
        "corrections": [block.block.facts() for block in blocks if isinstance(block.block, CorrectionBlock)],
    }


def _block_facts(block: ResolvedBlock) -> dict[str, object]:
    facts: dict[str, object] = {"type": block.block.type, "stories": [story.id for story in block.stories]}
    return {**facts, "audience": block.block.audience} if block.block.audience else facts


def _thread_facts(blocks: tuple[ResolvedBlock, ...]) -> dict[str, object]:
    """What was said to have been told before; nothing where no block says it."""
    told = [
        {"story": e.story.id, "title": e.story.meta.title, "issue": e.issue, "day": e.day.isoformat()}
        for block in blocks
        for e in block.thread
    ]
    return {"previously": told} if told else {}


def _readers_said_facts(blocks: tuple[ResolvedBlock, ...]) -> dict[str, object]:
    told = [block.readers_said.facts() for block in blocks if block.readers_said]
    return {"poll_follow_ups": told} if told else {}


def _follow_up_facts(said: FollowUp) -> dict[str, object]:
    return {
        "question": said.question_id,
        "asked": said.question,
        "asked_in": said.asked_in,
        "asked_on": said.asked_on.isoformat() if said.asked_on else None,
        "lead_in": said.lead_in,
        "asking_story": said.asking_story,
        "answering_story": said.answering_story,
        "status": said.status,
    }
