"""What polls came to. A poll that closes is counted once, and that is its result: no later erasure changes it.

Whoever looks first after the closing writes the result down, under the write lock, and never a second time. The only
writer of the table `poll_results`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from newsletter.editorial.facts import facts_of
from newsletter.editorial.polls import Poll, polls_in
from newsletter.editorial.votes import Tally, polls_sent, tally
from newsletter.store.engine import Store
from newsletter.store.tables import poll_results, sends
from newsletter.store.upsert import insert_new

Known = dict[str, tuple[Poll, ...]]  # the polls of each build: a build never changes


@dataclass(frozen=True)
class Asked:
    """A poll that readers were asked."""

    newsletter: str
    issue: str
    poll: Poll
    asked_at: datetime  # the first hand-over

    @property
    def name(self) -> str:
        return f"{self.issue}/{self.poll.id}"


def tally_of(connection: Connection, issue: str, poll: Poll) -> Tally:
    """The votes of a poll: as they were when it closed, once that is written down; else as they stand."""
    table = poll_results.c
    query = select(table.counts, table.suspect).where(table.issue == issue, table.poll == poll.id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return tally(connection, issue, poll.id)
    return Tally(dict(enumerate(json.loads(row.counts), 1)), row.suspect, final=True)


def asked_polls(connection: Connection, *, known: Known | None = None) -> list[Asked]:
    """Every poll that any reader was asked, the latest issue first. Builds that `known` has are not read again."""
    known = {} if known is None else known
    first, its = func.min(sends.c.first_handover_at).label("asked_at"), sends.c
    query = select(its.newsletter, its.issue, its.build, first)
    query = query.where(its.first_handover_at.is_not(None))
    query = query.group_by(its.newsletter, its.issue, its.build)
    found: dict[tuple[str, str], Asked] = {}
    for newsletter, issue, build, asked_at in connection.execute(query.order_by(first.desc(), sends.c.issue)):
        if build not in known:
            known[build] = tuple(polls_in(facts_of(connection, build)))
        for poll in known[build]:
            found[issue, poll.id] = Asked(newsletter, issue, poll, asked_at)  # the earliest build has the last word
    return list(found.values())


def freeze_closed(store: Store, now: datetime, *, known: Known | None = None) -> int:
    """Write down the result of every poll that went out and has closed since; how many. Safe to call at any time."""
    with store.read() as connection:
        query = select(poll_results.c.issue, poll_results.c.poll)
        written = {(row.issue, row.poll) for row in connection.execute(query)}
        asked = asked_polls(connection, known=known)
    due = [each for each in asked if (each.issue, each.poll.id) not in written]
    return _freeze(store, ((each.issue, each.poll) for each in due), now)


def freeze_issue(store: Store, issue: str, now: datetime) -> int:
    """The same for the polls of one issue."""
    with store.read() as connection:
        polls = polls_sent(connection, issue)
        due = [poll for poll in polls if not tally_of(connection, issue, poll).final]
    return _freeze(store, ((issue, poll) for poll in due), now)


def _freeze(store: Store, polls: Iterable[tuple[str, Poll]], now: datetime) -> int:
    done = 0
    for issue, poll in polls:
        if poll.is_open(now):
            continue
        with store.write() as connection:
            found = tally_of(connection, issue, poll)
            if found.final:
                continue
            counts = [found.counts.get(number, 0) for number in range(1, len(poll.options) + 1)]
            row = {"issue": issue, "poll": poll.id, "closed_at": poll.closes, "suspect": found.left_out}
            insert_new(connection, poll_results, [{**row, "counts": json.dumps(counts)}])
            done += 1
    return done
