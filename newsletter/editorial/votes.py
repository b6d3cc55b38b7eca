"""Votes: one a reader and poll, hers to change until the poll closes. The only writer of the table `votes`.

A vote belongs to an issue's poll, whichever build of the issue asked it: a poll that went out cannot come back under
its id with another question (editorial/resolve.py), so the numbers of its options mean the same for everyone.

A vote that looks like a machine's is kept with the reason and not counted. It never takes the place of one that counts,
and gives way to the next one that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, select, update

from newsletter.editorial.facts import facts_of
from newsletter.editorial.polls import Poll, polls_in
from newsletter.store.tables import poll_results, sends, subscribers, votes
from newsletter.store.upsert import upsert


@dataclass(frozen=True)
class Ballot:
    """A poll as one reader was asked it, and what she has answered so far."""

    issue: str
    poll: Poll
    subscriber_id: int
    choice: int | None = None
    suspect: str | None = None  # why that answer looks like a machine's


class Cast(StrEnum):
    """What became of a vote."""

    COUNTED = "counted"
    NOTED = "noted"  # and not counted: it looks like a machine's
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
    left_out: int = 0  # votes that look like a machine's
    final: bool = False  # frozen when the poll closed: nothing changes it any more

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
    said = connection.execute(select(votes.c.choice, votes.c.suspect).where(*mine)).one_or_none()
    return Ballot(sent.issue, asked, subscriber_id, *(said or (None, None)))


def cast(
    connection: Connection, vote: Ballot, choice: int | None, *, now: datetime, suspect: str | None = None
) -> Cast:
    """Take down a reader's vote, in place of the one before. The same vote again changes nothing. With the write lock.

    `suspect` says why it looks like a machine's: then it is not counted.
    """
    if not vote.poll.is_open(now) or _frozen(connection, vote):
        return Cast.CLOSED
    if choice is None or not vote.poll.has(choice):
        return Cast.NO_SUCH_OPTION
    counts_already = vote.choice is not None and vote.suspect is None
    if suspect and counts_already:
        return Cast.COUNTED if choice == vote.choice else Cast.NOTED
    if (choice, suspect) != (vote.choice, vote.suspect):
        key = {"issue": vote.issue, "poll": vote.poll.id, "subscriber_id": vote.subscriber_id}
        said = {"choice": choice, "at": now, "suspect": suspect}
        upsert(connection, votes, {**key, **said}, key=list(key), changes=said)
    return Cast.NOTED if suspect else Cast.COUNTED


def doubt_since(connection: Connection, vote: Ballot, choice: int | None, *, since: datetime, why: str) -> bool:
    """Whether the reader answered otherwise, or another poll of the issue, since that moment; if so, none of it counts.

    Polls that are closed by then stay as they are.
    """
    table = votes.c
    hers = (table.issue == vote.issue, table.subscriber_id == vote.subscriber_id, table.at >= since)
    found = connection.execute(select(table.poll, table.choice).where(*hers)).all()
    if not any((row.poll, row.choice) != (vote.poll.id, choice) for row in found):
        return False
    frozen = select(poll_results.c.poll).where(poll_results.c.issue == vote.issue)
    connection.execute(update(votes).where(*hers, table.poll.not_in(frozen)).values(suspect=why))
    return True


def tally(connection: Connection, issue: str, poll: str) -> Tally:
    """The votes of a poll as they stand, each reader's last."""
    these = (votes.c.issue == issue, votes.c.poll == poll)
    counts = select(votes.c.choice, func.count().label("number")).where(*these, votes.c.suspect.is_(None))
    left_out = select(func.count()).where(*these, votes.c.suspect.is_not(None))
    rows = connection.execute(counts.group_by(votes.c.choice))
    return Tally({row.choice: row.number for row in rows}, connection.scalar(left_out) or 0)


def _frozen(connection: Connection, vote: Ballot) -> bool:
    """Its result is written down: a vote that waited for the lock meanwhile came too late."""
    query = select(poll_results.c.poll).where(poll_results.c.issue == vote.issue, poll_results.c.poll == vote.poll.id)
    return connection.scalar(query) is not None


def polls_sent(connection: Connection, issue: str) -> tuple[Poll, ...]:
    """The polls that readers of this issue were asked already, in any build of it that went out."""
    query = select(sends.c.build).where(sends.c.issue == issue, sends.c.first_handover_at.is_not(None)).distinct()
    return tuple(poll for build in connection.scalars(query) for poll in polls_in(facts_of(connection, build)))
