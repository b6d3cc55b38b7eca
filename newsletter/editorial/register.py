"""The register of questions: what issues asked and still owe, what was answered since, and what is overdue.

Seen from a day, as a desk sees it in the morning. A story asks; its issue going out makes it asked. The newest answer
up to that day counts, be it in a story or in a follow-up block. The same name may be asked again later: each asking is
an entry of its own, and an answer belongs to the asking before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from newsletter.editorial.index import Index, StoryEntry
from newsletter.editorial.library import Heading, Library
from newsletter.editorial.sent import SentRecord
from newsletter.editorial.story import Status
from newsletter.errors import InputError

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


def read_register(
    library: Library,
    index: Index,
    sent: Mapping[str, SentRecord],
    today: Mapping[str, date],
    *,
    since: date = date.min,
) -> Register:
    """The register of these newsletters, by name, as far back as `since`; `today` is each one's own date."""
    headings = [found for found in index.headings if found.newsletter in sent and found.date >= since]
    reading = _Reading(library, index, sent, today, within=None if since == date.min else headings)
    for heading in headings:
        reading.take(heading)
    found = sorted(reading.entries(), key=lambda entry: (entry.asked_on or date.max, entry.asked_in), reverse=True)
    return Register(tuple(found), tuple(reading.unreadable()))


@dataclass(frozen=True)
class _Asking:
    heading: Heading
    story: str
    question: str
    promised_by: date | None


class _Reading:
    """Goes through the issues once, oldest first."""

    def __init__(
        self,
        library: Library,
        index: Index,
        sent: Mapping[str, SentRecord],
        today: Mapping[str, date],
        *,
        within: Sequence[Heading] | None,
    ) -> None:
        folders = None if within is None else [found.issue for found in within]
        self.library, self.index, self.sent, self.today = library, index, sent, today
        self.askings: dict[str, list[_Asking]] = defaultdict(list)
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.stories: dict[str, dict[str, StoryEntry]] = defaultdict(dict)
        for entry in (*index.asking(folders=folders), *index.answering(folders=folders)):
            self.stories[entry.folder][entry.story] = entry
        self.replies = index.replies(folders=folders)

    def take(self, heading: Heading) -> None:
        said_by_now = heading.date <= self.today[heading.newsletter]
        for _, entry in sorted(self.stories[heading.issue].items()):
            for asks in entry.data["asks"]:
                promised_by = asks["promised_by"] and date.fromisoformat(asks["promised_by"])
                asking = _Asking(heading, entry.story, asks["question"], promised_by)
                self.askings[asks["id"]].append(asking)
            for said in entry.data["answers"] if said_by_now else ():
                answer = Answer(heading.issue, heading.date, said["status"], said["text"], entry.story)
                self.answers[said["question"]].append(answer)
        for question, text in self.replies.get(heading.issue, ()) if said_by_now else ():
            if text:
                self.answers[question].append(Answer(heading.issue, heading.date, "answered", text, None))

    def entries(self) -> Iterator[Question]:
        for question_id, askings in self.askings.items():
            for asking, following in zip(askings, [*askings[1:], None], strict=True):
                until = following.heading.date if following else date.max
                heading, seen_on = asking.heading, self.today[asking.heading.newsletter]
                mine = [a for a in self.answers[question_id] if heading.date <= a.day < until]
                yield Question(
                    id=question_id,
                    question=asking.question,
                    newsletter=heading.newsletter,
                    asked_in=heading.issue,
                    asked_on=self.sent[heading.newsletter].went_out(heading, as_of=seen_on),
                    story=asking.story,
                    promised_by=asking.promised_by,
                    answers=tuple(mine),
                    seen_on=seen_on,
                )

    def unreadable(self) -> Iterator[str]:
        """The files that may hold a question or an answer, and cannot be read; oldest issue first."""
        ours = {found.issue: found for found in self.index.headings if found.newsletter in self.sent}
        broken = [(ours[entry.folder], entry.story, entry.problem) for entry in self.index.broken(ours)]
        found = [each for each in broken if self._concerns_us(each[1])]
        found += [(ours[entry.issue], "~", entry.problem) for entry in self.index.issues() if entry.issue in ours]
        yield from (problem for _, _, problem in sorted(found, key=lambda each: each[:2]) if problem)

    def _concerns_us(self, story: str) -> bool:
        try:
            return self.library.mentions(story, "asks") or self.library.mentions(story, "answers")
        except InputError:
            return True
