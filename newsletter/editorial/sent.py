"""When earlier issues of a newsletter went out, as its readers saw it.

The facts are rows of `sends`; what follows from them is worked out by a pure function, always seen from the date of
the issue that looks back and never from the clock, so that the same issue always says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from sqlalchemy import Connection, select

from newsletter.editorial.facts import facts_of
from newsletter.editorial.index import Index
from newsletter.editorial.library import Heading
from newsletter.errors import NotFound
from newsletter.store.tables import builds, schedules, sends

UNDER_WAY = frozenset({"planned", "preparing", "sending"})  # it will go out by itself
UNFINISHED = UNDER_WAY | {"paused", "held"}


@dataclass(frozen=True)
class Send:
    """What a send says about its issue."""

    issue: str
    date: date  # of the issue, as it was built
    build: str
    state: str
    date_waived: bool
    first_handover_at: datetime | None


@dataclass(frozen=True)
class SentRecord:
    """What is known of one newsletter's sends: per issue the one that counts, and where the record begins."""

    zone: tzinfo
    by_issue: Mapping[str, Send]
    begins: date | None  # the date of the issue first sent; what is older was sent before there was a record

    def went_out(self, issue: Heading, *, as_of: date) -> date | None:
        """The day the issue went out, seen from an issue of the date `as_of`; None when it had not."""
        send = self.by_issue.get(issue.issue)
        if send and send.first_handover_at:
            day = send.date if send.date_waived else send.first_handover_at.astimezone(self.zone).date()
        elif self._is_planned(send) or issue.date >= as_of or self.begins is None or issue.date < self.begins:
            day = issue.date
        else:
            return None
        return day if day <= as_of else None

    def _is_planned(self, send: Send | None) -> bool:
        return send is not None and send.state in UNDER_WAY

    def build_of(self, issue: str) -> str | None:
        """The build an issue went out as; None when it has not."""
        send = self.by_issue.get(issue)
        return send.build if send and send.first_handover_at else None


def sent_record(rows: Iterable[Send], zone: tzinfo) -> SentRecord:
    """The record from the sends of one newsletter. Of an issue's sends the earliest hand-over counts."""
    by_issue: dict[str, Send] = {}
    for send in rows:
        known = by_issue.get(send.issue)
        if known is None or _order(send) < _order(known):
            by_issue[send.issue] = send
    handed_over = [send for send in by_issue.values() if send.first_handover_at]
    first = min(handed_over, key=_order, default=None)
    return SentRecord(zone, by_issue, first.date if first else None)


def _order(send: Send) -> tuple[bool, float, bool]:
    """Handed over first, the earliest first; then what is still to come before what was cancelled."""
    handed = send.first_handover_at
    return handed is None, handed.timestamp() if handed else 0.0, send.state not in UNDER_WAY


def read_sent(connection: Connection, newsletter: str, zone: tzinfo) -> SentRecord:
    """The record of a newsletter's sends; `zone` is the newsletter's."""
    return sent_record(_sends(connection, newsletter), zone)


def _sends(connection: Connection, newsletter: str | None) -> list[Send]:
    query = select(
        sends.c.issue, builds.c.date, sends.c.build, sends.c.state, sends.c.date_waived, sends.c.first_handover_at
    ).join(builds, builds.c.hash == sends.c.build)
    if newsletter is not None:
        query = query.where(sends.c.newsletter == newsletter)
    made = [Send(*row) for row in connection.execute(query.order_by(sends.c.created_at, sends.c.id))]
    return [*made, *_scheduled(connection, newsletter)]


def _scheduled(connection: Connection, newsletter: str | None) -> list[Send]:
    """What waits for its hour: a send that is still planned."""
    query = select(schedules.c.issue, builds.c.date, schedules.c.build, schedules.c.date_waived)
    query = query.join(builds, builds.c.hash == schedules.c.build).where(schedules.c.state == "waiting")
    if newsletter is not None:
        query = query.where(schedules.c.newsletter == newsletter)
    rows = connection.execute(query.order_by(schedules.c.due_at, schedules.c.id))
    return [Send(row.issue, row.date, row.build, "planned", row.date_waived, None) for row in rows]


def stories_sent(connection: Connection, build: str) -> frozenset[str] | None:
    """The stories a build carried, by the facts in its manifest; None where it has none."""
    facts = facts_of(connection, build)
    return frozenset(facts["stories"]) if "stories" in facts else None


def next_unsent(index: Index, newsletter: str | None = None) -> str:
    """The issue a command means when it names none: the next to go out, or else the newest. Raises NotFound.

    The next is the earliest whose send is unfinished or not begun; an issue that was left out while later ones of its
    newsletter went out is passed over.
    """
    headings = [found for found in index.headings if newsletter in (None, found.newsletter)]
    if not headings:
        remedy = "Make one with: newsletter new ISSUE"
        raise NotFound(f"There are no issues{f' of {newsletter}' if newsletter else ''} in issues/. {remedy}")
    rows = _sends(index.connection, newsletter)
    unfinished = {send.issue for send in rows if send.state in UNFINISHED}
    gone = {send.issue for send in rows if send.first_handover_at} - unfinished
    newest: dict[str, date] = {}
    for heading in headings:  # oldest first
        if heading.issue in gone:
            newest[heading.newsletter] = heading.date
    for heading in headings:
        passed = newest.get(heading.newsletter)
        if heading.issue in unfinished or (heading.issue not in gone and (passed is None or heading.date >= passed)):
            return heading.issue
    return headings[-1].issue
