"""Follow-ups to a poll: what an earlier issue asked its readers, and what they answered.

The poll is the one that went out, whatever the files say by now. Once it has closed its result never changes; before,
the votes so far stand in its place and are marked as such.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from newsletter.documents import did_you_mean
from newsletter.editorial.definition import FollowUpBlock, IssueDefinition
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.resolved import ReadersSaid
from newsletter.editorial.results import asked_polls, freeze_issue, tally_of
from newsletter.editorial.timewords import answer_label, lead_in
from newsletter.editorial.votes import polls_sent
from newsletter.errors import InputError, Place, Problem
from newsletter.store.engine import Store


def readers_said(lookback: Lookback, block: FollowUpBlock, *, place: Place) -> ReadersSaid:
    """What became of the poll a follow-up names. Raises InputError."""
    ours = lookback.issue
    issue, _, poll_id = (block.poll or "").partition("/")
    heading = next((each for each in lookback.index.headings if each.issue == issue), None)
    if heading is None or heading.newsletter != ours.newsletter:
        raise _unknown(lookback, block, place)
    if heading == ours or heading.date > ours.date:
        when = "of this very issue" if heading == ours else f"of a later issue, dated {heading.date}"
        raise _wrong(place, f'the poll "{block.poll}" is {when}.', "A follow-up looks back: name an earlier one.")
    asked_on = lookback.went_out(heading) if lookback.sent.build_of(issue) else None
    if asked_on is None:
        message = f'the poll "{block.poll}" was never asked: issue {issue} had not gone out by {ours.date}.'
        raise _wrong(place, message, "Nobody could vote: take the block out.")
    poll = next((found for found in polls_sent(lookback.connection, issue) if found.id == poll_id), None)
    if poll is None:
        raise _unknown(lookback, block, place)
    return ReadersSaid(
        issue=issue,
        poll=replace(poll, closes=poll.closes.astimezone(lookback.sent.zone)),
        asked_on=asked_on,
        lead_in=lead_in(asked_on, ours.date, lookback.lang, poll=True),
        label=answer_label(here=True, lang=lookback.lang),
        tally=tally_of(lookback.connection, issue, poll),
        answer=block.answer,
    )


def freeze_followed_up(store: Store, definition: IssueDefinition, now: datetime) -> None:
    """Count the polls that an issue follows up for good, those that have closed by now."""
    named = (block.poll for block in definition.blocks if isinstance(block, FollowUpBlock) and block.poll)
    for issue in sorted({name.partition("/")[0] for name in named}):
        freeze_issue(store, issue, now)


def _unknown(lookback: Lookback, block: FollowUpBlock, place: Place) -> InputError:
    ours = lookback.issue.newsletter
    known = [asked.name for asked in asked_polls(lookback.connection) if asked.newsletter == ours]
    remedy = did_you_mean(block.poll or "", known) or "See the polls there are: newsletter poll list"
    return _wrong(place, f'no issue of this newsletter that went out had the poll "{block.poll}".', remedy)


def _wrong(place: Place, message: str, remedy: str) -> InputError:
    return InputError([Problem(place, message, remedy)])
