"""What readers of a send's issue voted: its polls as their mail asked them, with the votes so far or as they closed."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, func, select

from newsletter.editorial.facts import facts_of
from newsletter.editorial.polls import Poll, polls_in
from newsletter.editorial.votes import Tally
from newsletter.sending.sends import Send
from newsletter.store.tables import poll_results, votes


def polls(connection: Connection, send: Send) -> list[dict[str, Any]]:
    """Each poll of the send's build. Votes belong to the issue: those of its other sends count too."""
    return [_one(connection, send.issue, poll) for poll in polls_in(facts_of(connection, send.build))]


def _one(connection: Connection, issue: str, poll: Poll) -> dict[str, Any]:
    table = poll_results.c
    query = select(table.counts, table.suspect).where(table.issue == issue, table.poll == poll.id)
    closed = connection.execute(query).one_or_none()
    if closed is None:
        these = select(votes.c.choice, func.count()).where(votes.c.issue == issue, votes.c.poll == poll.id)
        cast = these.where(votes.c.suspect.is_(None)).group_by(votes.c.choice)
        counted = Tally({int(choice): int(number) for choice, number in connection.execute(cast)})
        doubtful = these.with_only_columns(func.count()).where(votes.c.suspect.is_not(None))
        suspect = connection.scalar(doubtful) or 0
    else:
        counted = Tally(dict(enumerate(json.loads(closed.counts), 1)))
        suspect = closed.suspect
    return {
        "poll": poll.id,
        "question": poll.question,
        "closes": poll.closes.isoformat(),
        "votes": counted.total,
        "suspect": suspect,
        "options": [
            {"option": share.option, "votes": share.votes, "percent": share.percent} for share in counted.shares(poll)
        ],
    }
