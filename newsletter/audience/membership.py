"""Who is in a segment: counted, and shown by some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, func, literal, select

from newsletter.audience.consent import IN_WORDS, MAILABLE, Reason
from newsletter.audience.explain import Count
from newsletter.audience.gather import gather
from newsletter.audience.ledger import in_force
from newsletter.audience.segment_sql import View, members
from newsletter.audience.segments import Segment
from newsletter.audience.select import verdicts
from newsletter.store.tables import subscribers, subscriptions

MOST_SHOWN = 1000


@dataclass(frozen=True)
class Member:
    """One reader, and whether she would get the newsletter now; `reason` is a Reason or `mailable`."""

    subscriber_id: int
    address: str | None  # None once erased
    first_name: str | None
    mailable: bool
    reason: str
    words: str


def listed(connection: Connection, newsletter: str) -> int:
    """How many the newsletter's audience has, ended subscriptions included."""
    theirs = subscriptions.c.newsletter == newsletter, in_force(subscriptions)
    query = select(func.count()).select_from(subscriptions).where(*theirs)
    return connection.scalar(query) or 0


def count_members(connection: Connection, segment: Segment, view: View) -> Count:
    """The segment in numbers, as `explain.count` gives the whole audience: `audience` are those in the segment."""
    inside = _judged(segment, view).subquery("inside")
    query = select(inside.c.reason, func.count()).group_by(inside.c.reason)
    by_reason = {row[0]: int(row[1]) for row in connection.execute(query)}
    mailable = by_reason.pop(None, 0)
    excluded = {reason.value: by_reason[reason.value] for reason in Reason if reason.value in by_reason}
    return {"audience": mailable + sum(excluded.values()), "mailable": mailable, "excluded_by": excluded}


def sample(connection: Connection, segment: Segment | None, view: View, *, limit: int) -> Sequence[Member]:
    """Some readers of the segment, or of the whole audience: spread over all of it, and the same ones each time."""
    found = _judged(segment, view).subquery("found")
    query = select(found.c.subscriber_id, found.c.reason, subscribers.c.address, subscribers.c.first_name)
    query = query.join_from(found, subscribers, subscribers.c.id == found.c.subscriber_id)
    scattered = (found.c.subscriber_id * 7919) % 1_000_003  # primes: neighbours by number come far apart
    rows = connection.execute(query.order_by(scattered, found.c.subscriber_id).limit(min(limit, MOST_SHOWN)))
    shown = [_member(row.subscriber_id, row.address, row.first_name, reason=row.reason) for row in rows]
    return sorted(shown, key=lambda member: member.subscriber_id)


def _judged(segment: Segment | None, view: View) -> Select[tuple[int, str | None]]:
    """Readers of the segment, or all, with the reason each may not be mailed, NULL when she may."""
    everybody = verdicts(view.newsletter, view.settings, view.at)
    if segment is None:
        return everybody
    reader = gather(everybody, members(segment, view).add_columns(literal(1).label("inside")), name="reader").c
    return select(reader.subscriber_id, reader.reason).where(reader.inside == 1)


def _member(subscriber_id: int, address: str | None, first_name: str | None, *, reason: str | None) -> Member:
    named = reason or MAILABLE
    return Member(subscriber_id, address, first_name, reason is None, named, IN_WORDS.get(named, named))
