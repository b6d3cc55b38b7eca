"""The register of questions: what issues asked and still owe, what was answered since, and what is overdue.

Seen from a day, as a desk sees it in the morning. A story asks; its issue going out makes it asked. The newest answer
up to that day counts, be it in a story or in a follow-up block. The same name may be asked again later: each asking is
an entry of its own, and an answer belongs to the asking before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from newsletter.editorial.definition import FollowUpBlock
from newsletter.editorial.library import Heading, Library
from newsletter.editorial.sent import SentRecord
from newsletter.editorial.story import Asks, Status, Story
from newsletter.errors import InputError, NotFound

OPEN, PLANNED = "open", "planned"
CLOSED = frozenset({"answered", "dropped"})


@dataclass(frozen=True)
class Answer:
    """What an issue said to a question."""

    issue: str
    day: date
    status: Status
    text: str
    story: str | None


@dataclass(frozen=True)
class Question:
    """One asking of a question, and how it stands."""

    id: str
    question: str
    newsletter: str
    asked_in: str
    asked_on: date | None  # None while its issue has not gone out
    story: str
    promised_by: date | None
    answers: tuple[Answer, ...]  # oldest first
    seen_on: date

    @property
    def status(self) -> str:
        """answered, partly, still-open or dropped, as last said; open before any answer; planned before it is asked."""
        if self.answers:
            return self.answers[-1].status
        return OPEN if self.asked_on else PLANNED

    @property
    def answered_in(self) -> str | None:
        return self.answers[-1].issue if self.answers else None

    @property
    def age_days(self) -> int:
        """How long it stood, or stands, open."""
        if self.asked_on is None:
            return 0
        until = self.answers[-1].day if self.status in CLOSED else self.seen_on
        return max(0, (until - self.asked_on).days)

    @property
    def overdue(self) -> bool:
        return self.promised_by is not None and self.promised_by < self.seen_on and self.status not in CLOSED

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "question": self.question,
            "asked_in": self.asked_in,
            "asked_on": self.asked_on and self.asked_on.isoformat(),
            "status": self.status,
            "answered_in": self.answered_in,
            "age_days": self.age_days,
            "overdue": self.overdue,
            "newsletter": self.newsletter,
            "story": self.story,
            "promised_by": self.promised_by and self.promised_by.isoformat(),
        }


@dataclass(frozen=True)
class Register:
    """Every question, the newest first, and the files that could not be read."""

    questions: tuple[Question, ...]
    unreadable: tuple[str, ...]

    def find(self, question_id: str) -> list[Question]:
        return [found for found in self.questions if found.id == question_id]


def read_register(library: Library, sent: Mapping[str, SentRecord], today: Mapping[str, date]) -> Register:
    """The register of the newsletters that `sent` and `today` name; issues dated later are planned."""
    reading = _Reading(library, sent, today)
    for heading in library.headings():  # oldest first
        if heading.newsletter in sent:
            reading.take(heading)
    found = sorted(reading.entries(), key=lambda entry: (entry.asked_on or date.max, entry.asked_in), reverse=True)
    return Register(tuple(found), tuple(reading.unreadable))


@dataclass(frozen=True)
class _Asking:
    heading: Heading
    story: str
    asks: Asks


class _Reading:
    """Goes through the issues once, oldest first."""

    def __init__(self, library: Library, sent: Mapping[str, SentRecord], today: Mapping[str, date]) -> None:
        self.library, self.sent, self.today = library, sent, today
        self.askings: dict[str, list[_Asking]] = defaultdict(list)
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.unreadable: list[str] = []

    def take(self, heading: Heading) -> None:
        for story in self._stories(heading.issue):
            for asks in story.meta.asks:
                self.askings[asks.id].append(_Asking(heading, story.id, asks))
            if heading.date <= self.today[heading.newsletter]:
                for said in story.meta.answers:
                    text = said.answer or story.meta.dek
                    answer = Answer(heading.issue, heading.date, said.status, text, story.id)
                    self.answers[said.question].append(answer)
        if heading.date <= self.today[heading.newsletter]:
            for block in self._follow_ups(heading.issue):
                if block.answer:
                    answer = Answer(heading.issue, heading.date, "answered", block.answer, None)
                    self.answers[block.question].append(answer)

    def entries(self) -> Iterator[Question]:
        for question_id, askings in self.askings.items():
            for asking, following in zip(askings, [*askings[1:], None], strict=True):
                until = following.heading.date if following else date.max
                heading, seen_on = asking.heading, self.today[asking.heading.newsletter]
                mine = [a for a in self.answers[question_id] if heading.date <= a.day < until]
                yield Question(
                    id=question_id,
                    question=asking.asks.question,
                    newsletter=heading.newsletter,
                    asked_in=heading.issue,
                    asked_on=self.sent[heading.newsletter].went_out(heading, as_of=seen_on),
                    story=asking.story,
                    promised_by=asking.asks.promised_by,
                    answers=tuple(mine),
                    seen_on=seen_on,
                )

    def _stories(self, issue: str) -> Iterator[Story]:
        for story_id in self.library.story_ids(issue):
            try:
                if self.library.mentions(story_id, "asks") or self.library.mentions(story_id, "answers"):
                    yield self.library.story(story_id)
            except InputError as error:
                self.unreadable.append(str(error.problems[0]))

    def _follow_ups(self, issue: str) -> Iterator[FollowUpBlock]:
        try:
            definition, _ = self.library.definition(issue)
        except (InputError, NotFound) as error:
            self.unreadable.append(str(error).splitlines()[0])
            return
        yield from (block for block in definition.blocks if isinstance(block, FollowUpBlock))
