"""Votes: one a reader and poll, hers to change until the poll closes. The only writer of the table `votes`.

A vote belongs to an issue's poll, whichever build of the issue asked it: a poll that went out cannot come back under
its id with another question (editorial/resolve.py), so the numbers of its options mean the same for everyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, select

from newsletter.editorial.facts import facts_of
from newsletter.editorial.polls import Poll, polls_in
from newsletter.store.tables import sends, subscribers, votes
from newsletter.store.upsert import upsert


@dataclass(frozen=True)
class Ballot:
    """A poll as one reader was asked it, and what she has answered so far."""

    issue: str
    poll: Poll
    subscriber_id: int
    choice: int | None = None


class Cast(StrEnum):
    """What became of a vote."""

    COUNTED = "counted"
    NO_SUCH_OPTION = "no such option"
    CLOSED = "closed"


@dataclass(frozen=True)
class Share:
    """One option's part of the votes."""

    option: str
    votes: int
    percent: int


@dataclass(frozen=True)
class Tally:
    """How many voted for each option, by its number from 1."""

    counts: dict[int, int]

    def shares(self, poll: Poll) -> tuple[Share, ...]:
        """The options in order, each with its votes and its share in whole per cents."""
        found = [self.counts.get(number, 0) for number in range(1, len(poll.options) + 1)]
        total = sum(found) or 1
        return tuple(
            Share(option, votes, (200 * votes + total) // (2 * total))
            for option, votes in zip(poll.options, found, strict=True)
        )

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def ballot(connection: Connection, subscriber_id: int, *, send: str, newsletter: str, poll: str) -> Ballot | None:
    """The poll as it stood in the mail of this send; None when there was none, or the reader has been erased."""
    reader = select(subscribers.c.id).where(subscribers.c.id == subscriber_id, subscribers.c.erased_at.is_(None))
    query = select(sends.c.issue, sends.c.build).where(sends.c.id == send, sends.c.newsletter == newsletter)
    sent = connection.execute(query).one_or_none()
    if sent is None or connection.scalar(reader) is None:
        return None
    asked = next((found for found in polls_in(facts_of(connection, sent.build)) if found.id == poll), None)
    if asked is None:
        return None
    mine = (votes.c.issue == sent.issue, votes.c.poll == poll, votes.c.subscriber_id == subscriber_id)
    return Ballot(sent.issue, asked, subscriber_id, connection.scalar(select(votes.c.choice).where(*mine)))


def cast(connection: Connection, vote: Ballot, choice: int | None, *, now: datetime) -> Cast:
    """Count a reader's vote, in place of the one before. The same vote again changes nothing."""
    if not vote.poll.is_open(now):
        return Cast.CLOSED
    if choice is None or not vote.poll.has(choice):
        return Cast.NO_SUCH_OPTION
    if choice != vote.choice:
        key = {"issue": vote.issue, "poll": vote.poll.id, "subscriber_id": vote.subscriber_id}
        said = {"choice": choice, "at": now}
        upsert(connection, votes, {**key, **said}, key=list(key), changes=said)
    return Cast.COUNTED


def tally(connection: Connection, issue: str, poll: str) -> Tally:
    """The votes of a poll, each reader's last."""
    query = select(votes.c.choice, func.count().label("number")).where(votes.c.issue == issue, votes.c.poll == poll)
    rows = connection.execute(query.group_by(votes.c.choice))
    return Tally({row.choice: row.number for row in rows})


def polls_sent(connection: Connection, issue: str) -> tuple[Poll, ...]:
    """The polls that readers of this issue were asked already, in any build of it that went out."""
    query = select(sends.c.build).where(sends.c.issue == issue, sends.c.first_handover_at.is_not(None)).distinct()
    return tuple(poll for build in connection.scalars(query) for poll in polls_in(facts_of(connection, build)))
