"""Follow-ups: who asked a question, when that went out, and which story answers it.

A question is looked for in the issues of the last sixty days first; two stories asking it there are a mistake. Only
when nobody did are older issues searched, the newest first. The answer comes from the story the block names, else from
this issue's own stories, else from the newest earlier one; without any the question is still open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from newsletter.documents import did_you_mean
from newsletter.editorial.definition import FollowUpBlock
from newsletter.editorial.index import StoryEntry
from newsletter.editorial.library import INBOX
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.resolved import FollowUp
from newsletter.editorial.story import Answers, Asks, Status, Story
from newsletter.editorial.timewords import answer_label, lead_in
from newsletter.errors import InputError, Place, Problem

LOOK_BACK = timedelta(days=60)
OPEN: frozenset[Status] = frozenset({"still-open", "dropped"})


@dataclass(frozen=True)
class Answered:
    """What the block will say, and the stories it rests on: they are sources of the build."""

    follow_up: FollowUp
    stories: tuple[Story, ...]


def follow_up(lookback: Lookback, block: FollowUpBlock, *, place: Place, own: Iterable[Story]) -> Answered:
    """Tie a question to its answer; `own` are this issue's stories, the placed ones first. Raises InputError."""
    question = block.question or ""
    asker, asks = _asked(lookback, question, place)
    asked_in, asked_on = lookback.first_sent(asker.id)
    answerer, answers, here = _answered(lookback, block, place=place, own=tuple(own))
    status: Status = answers.status if answers else "answered" if block.answer else "still-open"
    text = block.answer or (_answer_text(answerer, answers) if answerer and answers else "")
    said = FollowUp(
        question_id=question,
        question=asks.question,
        lead_in=lead_in(asked_on, lookback.issue.date, lookback.lang),
        answer_label="" if status in OPEN else answer_label(here=here, lang=lookback.lang),
        answer=text,
        status=status,
        asked_in=asked_in,
        asked_on=asked_on,
        asking_story=asker.id,
        answering_story=answerer.id if answerer else None,
    )
    return Answered(said, (asker, answerer) if answerer else (asker,))


# -- who asked ---------------------------------------------------------------------------------------------------------


def _asked(lookback: Lookback, question: str, place: Place) -> tuple[Story, Asks]:
    oldest = _day_before(lookback.issue.date, LOOK_BACK)
    recent = [issue.issue for issue in lookback.earlier if issue.date >= oldest]
    folders = [lookback.issue.issue, *recent, INBOX]
    found = list(_askers(lookback, question, folders))
    if len(found) > 1:
        names = " and ".join(story.path for story, _ in found[:2])
        raise InputError([Problem(place, f'the question "{question}" is asked twice: {names}.', "Rename one of them.")])
    older = [issue.issue for issue in lookback.earlier if issue.date < oldest]
    first = found[0] if found else next(_askers(lookback, question, older), None)
    if first is None:
        near = set(folders)
        known = {asks["id"] for entry in lookback.index.asking() if entry.folder in near for asks in entry.data["asks"]}
        raise InputError([Problem(place, f'nobody asked the question "{question}".', did_you_mean(question, known))])
    return first


def _askers(lookback: Lookback, question: str, folders: Sequence[str]) -> Iterator[tuple[Story, Asks]]:
    for story in _naming(lookback, question, lookback.index.asking(question), folders):
        yield from ((story, asks) for asks in story.meta.asks if asks.id == question)


def _naming(
    lookback: Lookback, question: str, entries: Iterable[StoryEntry], folders: Sequence[str]
) -> Iterator[Story]:
    """The stories the index names, and broken ones with the word in them, in order. Raises InputError at those."""
    order = {folder: place for place, folder in enumerate(folders)}
    found = [entry.story for entry in entries if entry.folder in order]
    broken = [entry.story for entry in lookback.index.broken() if entry.folder in order]
    found += [story for story in broken if lookback.library.mentions(story, question)]
    for story in sorted(found, key=lambda each: (order[each.partition("/")[0]], each)):
        yield lookback.library.story(story)


# -- who answers -------------------------------------------------------------------------------------------------------


def _answered(
    lookback: Lookback, block: FollowUpBlock, *, place: Place, own: tuple[Story, ...]
) -> tuple[Story | None, Answers | None, bool]:
    """The answering story, its answer, and whether it is this issue that gives it."""
    question = block.question or ""
    if block.story:
        story = lookback.library.story(lookback.library.full_id(block.story, lookback.issue.issue))
        answers = _answer_of(story, question)
        if answers is None and not block.answer:
            remedy = f'Add [[answers]] with question = "{question}" to {story.path}, or `answer` to this block.'
            raise InputError([Problem(place, f'story "{block.story}" does not answer "{question}".', remedy)])
        return story, answers, bool(block.answer) or any(story.id == placed.id for placed in own)
    here = {story.id: story for story in own if _answer_of(story, question)}
    if len(here) > 1:
        names = " and ".join(story.path for story in list(here.values())[:2])
        raise InputError([Problem(place, f'"{question}" is answered twice: {names}.', "Say which with `story`.")])
    for story in here.values():
        return story, _answer_of(story, question), True
    for story in () if block.answer else _earlier_answers(lookback, question):
        return story, _answer_of(story, question), False
    return None, None, True


def _earlier_answers(lookback: Lookback, question: str) -> Iterator[Story]:
    oldest = _day_before(lookback.issue.date, LOOK_BACK)
    folders = [issue.issue for issue in lookback.earlier if issue.date >= oldest]
    found = _naming(lookback, question, lookback.index.answering(question), folders)
    return (story for story in found if _answer_of(story, question))


def _answer_of(story: Story, question: str) -> Answers | None:
    return next((answers for answers in story.meta.answers if answers.question == question), None)


def _answer_text(story: Story, answers: Answers) -> str:
    """The answer in the front matter, else the story's dek. A question that is open needs no words."""
    text = answers.answer or story.meta.dek
    if text or answers.status in OPEN:
        return answers.answer if answers.status in OPEN else text
    place = story.front.place(["answers", story.meta.answers.index(answers)])
    raise InputError([Problem(place, f'there is no answer to "{answers.question}".', "Add `answer`, or a `dek`.")])


def _day_before(day: date, span: timedelta) -> date:
    return day - span if day.toordinal() > span.days else date.min
