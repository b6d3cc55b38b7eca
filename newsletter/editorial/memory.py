"""The desk's memory: what an issue should know of the ones before it, and may have forgotten.

Promises that ran out, answers to what nobody was ever asked, questions asked again; and threads: links that lead
nowhere, threads that somebody else took on, stories that seem to continue one and do not say so. Everything is seen
from the issue's own date. It looks back a year, so that it costs the same in the tenth year.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from newsletter.config import Workspace
from newsletter.editorial.definition import FollowUpBlock, StoryBlock
from newsletter.editorial.index import Index
from newsletter.editorial.library import INBOX, NO_ISSUES, Heading, Library
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.refresh import tree_of
from newsletter.editorial.register import CLOSED, PLANNED, Question, read_register
from newsletter.editorial.resolved import ResolvedIssue
from newsletter.editorial.reuse import used_before
from newsletter.editorial.sent import read_sent
from newsletter.editorial.story import Story
from newsletter.editorial.suggesting import CERTAIN, Suggestion, suggest
from newsletter.editorial.terms import telling
from newsletter.editorial.threads import continued_by
from newsletter.errors import InputError, NotFound, Place
from newsletter.store.engine import Store

WINDOW = timedelta(days=366)
ALIKE = 0.75  # of the telling words of two questions, how many they share to be the same
_FEWEST = 3  # words: of fewer nothing is concluded


@dataclass(frozen=True)
class Reminder:
    """One thing to remember, and where it stands in the editors' files."""

    place: Place
    message: str
    remedy: str


@dataclass(frozen=True)
class Memory:
    """What came to mind about an issue."""

    promises: tuple[Reminder, ...] = ()
    questions: tuple[Reminder, ...] = ()
    threads: tuple[Reminder, ...] = ()
    suggestions: tuple[Reminder, ...] = ()
    reused: tuple[Reminder, ...] = ()


def remember(workspace: Workspace, store: Store, resolved: ResolvedIssue) -> Memory:
    """What the desk remembers about a resolved issue; the index is as fresh as its resolving left it."""
    name, settings = workspace.newsletter(resolved.definition.newsletter)
    library = Library(workspace.issues)
    with store.read() as connection:
        index = Index(connection, tree_of(library.root))
        heading = Heading(resolved.definition.date, resolved.id, name)
        sent = read_sent(connection, name, settings.zone)
        lookback = Lookback(library, index, sent, heading, resolved.definition.lang or settings.lang)
        day = heading.date
        since = day - WINDOW if day.toordinal() > WINDOW.days else day.min
        register = read_register(library, index, {name: sent}, {name: day}, since=since)
        desk = _Desk(lookback, resolved, register.questions)
        return Memory(
            tuple(desk.promises()),
            tuple(desk.questions()),
            tuple(desk.threads()),
            tuple(desk.suggestions()),
            tuple(desk.reused()),
        )


@dataclass(frozen=True)
class _Desk:
    lookback: Lookback
    resolved: ResolvedIssue
    known: tuple[Question, ...]

    @property
    def stories(self) -> list[Story]:
        """The stories placed in the issue, each once."""
        placed = (story for block in self.resolved.blocks for story in block.stories)
        return list({story.id: story for story in placed}.values())

    # -- questions -----------------------------------------------------------------------------------------------------

    def promises(self) -> Iterator[Reminder]:
        """Questions whose promised day is past, and that this issue says nothing about."""
        blocks = self.resolved.definition.blocks
        spoken = {block.question for block in blocks if isinstance(block, FollowUpBlock)}
        spoken |= {said.question for story in self.stories for said in story.meta.answers}
        for asked in self.known:
            if asked.overdue and asked.asked_on and asked.id not in spoken:
                message = f"an answer to “{asked.question}” ({asked.id}) was promised by {asked.promised_by}."
                remedy = f'Asked in {asked.asked_in}. Answer it, or say status = "still-open", or "dropped".'
                yield Reminder(self._promise(asked), message, remedy)

    def _promise(self, asked: Question) -> Place:
        try:
            story = self.lookback.library.story(asked.story)
        except (InputError, NotFound):
            return Place(asked.story)
        number = next((at for at, each in enumerate(story.meta.asks) if each.id == asked.id), 0)
        return story.front.place(["asks", number, "promised_by"])

    def questions(self) -> Iterator[Reminder]:
        for story in self.stories:
            yield from self._answers_to_nothing(story)
            yield from self._asked_again(story)
        yield from self._follows_up_nothing()

    def _answers_to_nothing(self, story: Story) -> Iterator[Reminder]:
        """An answer readers cannot place: nobody asked them."""
        for number, said in enumerate(story.meta.answers):
            askers = [entry.story for entry in self.lookback.index.asking(said.question)]
            place = story.front.place(["answers", number, "question"])
            if not askers:
                message = f"no story asks “{said.question}”, which is answered here."
                yield Reminder(place, message, "Mend the name, or ask it first: newsletter question list shows all.")
            elif not any(self.lookback.first_sent(asker)[1] for asker in askers if asker != story.id) and not any(
                asker.startswith(f"{self.resolved.id}/") for asker in askers
            ):
                message = f"“{said.question}” is answered here, and {askers[0]}, which asks it, never went out."
                yield Reminder(place, message, "Tell readers what was asked, or leave the answer for later.")

    def _follows_up_nothing(self) -> Iterator[Reminder]:
        """A follow-up to a question that readers never saw, where no story placed here is told so already."""
        told = {said.question for story in self.stories for said in story.meta.answers}
        for block in self.resolved.blocks:
            said = block.follow_up
            if said and said.asked_in != self.resolved.id and not said.asked_on and said.question_id not in told:
                message = f"it follows up “{said.question}”, and {said.asking_story}, which asks it, never went out."
                yield Reminder(block.place, message, "Tell readers what was asked, or wait until they were.")

    def _asked_again(self, story: Story) -> Iterator[Reminder]:
        for number, asks in enumerate(story.meta.asks):
            place = story.front.place(["asks", number, "question"])
            for asked in self.known:
                if asked.story == story.id or asked.status == PLANNED or not _same(asked, asks.id, asks.question):
                    continue
                if asked.asked_in == self.resolved.id:
                    yield Reminder(place, f"{asked.story} asks “{asked.question}” in this issue too.", "Keep one.")
                elif asked.status in CLOSED:
                    message = f"“{asked.question}” ({asked.id}) was {asked.status} in {asked.answered_in} already."
                    yield Reminder(place, message, "Ask what is new about it, or leave it out.")
                else:
                    message = f"“{asked.question}” ({asked.id}) is open since {asked.asked_in}: this asks it twice."
                    yield Reminder(place, message, f'Follow it up: a block with question = "{asked.id}".')
                break

    # -- threads -------------------------------------------------------------------------------------------------------

    def threads(self) -> Iterator[Reminder]:
        """Links that lead nowhere, or past what the thread has come to since."""
        library, index, day = self.lookback.library, self.lookback.index, self.lookback.issue.date
        for story in self.stories:
            names = [library.full_id(name, story.issue) for name in story.meta.follows]
            entries = index.entries(names)
            for number, name in enumerate(names):
                place = story.front.place(["follows", number])
                entry = entries.get(name)
                if entry is None:
                    message = f'follows "{name}", which is not there.'
                    yield Reminder(place, message, library.nearest_story(name) or "Mend or remove it.")
                elif entry.folder != INBOX and entry.day and entry.day > day:
                    message = f'follows "{name}", which is dated later: {entry.day}.'
                    yield Reminder(place, message, "Turn the link round.")
                elif entry.folder not in {*NO_ISSUES, self.resolved.id} and not self.lookback.first_sent(name)[1]:
                    message = f'follows "{name}", which never went out: readers have nothing to be led back to.'
                    yield Reminder(place, message, "Say here what it said, or follow what they had.")
                elif entry.day:
                    later = continued_by(index, name, after=entry.day, before=day)
                    if later and not {each.story for each in later} & {*names, story.id}:
                        message = f'follows "{name}", which {later[-1].story} took on since: the thread parts here.'
                        yield Reminder(place, message, f'If it is one story, follow "{later[-1].story}".')

    def reused(self) -> Iterator[Reminder]:
        """Stories that readers had before."""
        for found in used_before(self.lookback, self.stories):
            copied = "" if found.as_story == found.story.id else f" as {found.as_story}, word for word,"
            message = f"“{found.story.meta.title}” went out before{copied} in {found.issue}, on {found.day}."
            yield Reminder(found.story.front.place(["title"]), message, "Leave it out, or say what is new in it.")

    def suggestions(self) -> Iterator[Reminder]:
        """What the issue's main stories seem to continue, where they do not say."""
        main = [block for block in self.resolved.blocks if isinstance(block.block, StoryBlock)]
        for story in (story for block in main for story in block.stories):
            day = self.lookback.index.days.get(story.issue, self.lookback.issue.date)
            likely = suggest(self.lookback.library, self.lookback.index, story, day=day, least=CERTAIN)
            found = [each for each in likely if each.is_asked or len(each.shared) >= _FEWEST]
            if found and not story.meta.follows:
                message = f"seems to continue {found[0].story}, “{found[0].title}” ({_why(found[0])})."
                yield Reminder(story.front.place(["title"]), message, f'Add follows = ["{found[0].story}"].')


def _why(found: Suggestion) -> str:
    return f"it asks {found.questions[0]}" if found.is_asked else f"both have {', '.join(found.shared[:4])}"


def _same(asked: Question, question_id: str, text: str) -> bool:
    """Whether it is the same question: by its name, or nearly word for word."""
    if asked.id == question_id:
        return True
    one, other = set(telling(asked.question)), set(telling(text))
    return min(len(one), len(other)) >= _FEWEST and len(one & other) / len(one | other) >= ALIKE
