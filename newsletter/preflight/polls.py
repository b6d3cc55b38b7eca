"""POLL-OVER: a poll gives its readers time to vote. Its closing is an hour; so is the moment the issue goes out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from newsletter.preflight.examined import Examined, error, warning
from newsletter.preflight.findings import Finding

SHORT = timedelta(hours=2)


def time_to_vote(examined: Examined) -> Iterator[Finding]:
    """POLL-OVER: when the issue goes out, the poll is open, and for a while."""
    leaves, zone = _leaves(examined), examined.context.zone
    if leaves is None or examined.resolved is None:
        return
    for block in examined.resolved.blocks:
        if block.poll is None or block.poll.closes - leaves >= SHORT:
            continue
        closes, goes = (f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}" for at in (block.poll.closes, leaves))
        said = f"the poll {block.poll.id} closes at {closes}, and the issue goes out at {goes}"
        if block.poll.is_open(leaves):
            minutes = int((block.poll.closes - leaves) / timedelta(minutes=1))
            message = f"{said}: readers have {minutes} minutes to vote."
            yield warning("POLL-OVER", block.place, message, "Give `closes` a later time, if more of them should.")
        else:
            yield error("POLL-OVER", block.place, f"{said}: nobody can vote.", "Give `closes` a later time.")


def _leaves(examined: Examined) -> datetime | None:
    """The moment it goes out, where that is known, or else likely; of an issue whose day is past nothing is likely."""
    context, issued = examined.context, examined.build.date
    today = context.now.astimezone(context.zone).date()
    if context.goes_out is not None or issued > today:
        return context.leaves
    return (context.leaves or context.now) if issued == today else None
