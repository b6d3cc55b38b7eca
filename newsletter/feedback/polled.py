"""What readers of a send's issue voted: its polls as their mail asked them, with the votes so far or as they closed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from newsletter.editorial.facts import facts_of
from newsletter.editorial.polls import Poll, polls_in
from newsletter.editorial.results import tally_of
from newsletter.sending.sends import Send


def polls(connection: Connection, send: Send) -> list[dict[str, Any]]:
    """Each poll of the send's build. Votes belong to the issue: those of its other sends count too."""
    return [_one(connection, send.issue, poll) for poll in polls_in(facts_of(connection, send.build))]


def _one(connection: Connection, issue: str, poll: Poll) -> dict[str, Any]:
    counted = tally_of(connection, issue, poll)
    return {
        "poll": poll.id,
        "question": poll.question,
        "closes": poll.closes.isoformat(),
        "votes": counted.total,
        "suspect": counted.left_out,
        "options": [
            {"option": share.option, "votes": share.votes, "percent": share.percent} for share in counted.shares(poll)
        ],
    }
