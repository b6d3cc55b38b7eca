"""What came back of a send, in four numbers, at hand without counting its readers again for every page of events.

The truth is the ledger. A send of a million readers cannot be counted anew with every page, so the numbers so far are
kept in the row that remembers how far a send's events were read; without one they are counted from the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, and_, case, func, not_, or_, select

from newsletter.feedback.standing import Standing
from newsletter.feedback.vocabulary import ON_THEIR_LIST
from newsletter.store.tables import deliveries, feed_positions
from newsletter.store.upsert import upsert


@dataclass(frozen=True)
class Figures:
    """Mails something final was heard of, and those among them that count against the sender."""

    heard: int = 0
    hard_bounces: int = 0
    complaints: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.heard + other.heard, self.hard_bounces + other.hard_bounces, self.complaints + other.complaints
        )

    def __sub__(self, other: Figures) -> Figures:
        return self + Figures(-other.heard, -other.hard_bounces, -other.complaints)


@dataclass(frozen=True)
class Kept:
    """A send's figures, and what was made of them."""

    figures: Figures
    judged: Figures = Figures()  # up to here a person has seen them: only what comes after counts for a next stop
    warned: bool = False

    @property
    def fresh(self) -> Figures:
        return self.figures - self.judged


def weight(before: Standing, after: Standing) -> Figures:
    """What one mail's change of standing adds."""
    return _of(after) - _of(before)


def _of(standing: Standing) -> Figures:
    return Figures(int(standing.heard), int(standing.hard_bounced), int(standing.complained))


def count(connection: Connection, send_id: str) -> Figures:
    """The figures by the ledger itself."""
    table = deliveries.c
    said = func.coalesce(table.outcome_detail, "")
    tried = not_(said.contains(ON_THEIR_LIST))
    soft = or_(said.startswith("Transient/"), said.startswith("Undetermined/"))
    query = select(
        func.count(),
        func.count(case((and_(table.outcome == "bounced", not_(soft), tried), 1))),
        func.count(case((and_(table.outcome == "complained", tried), 1))),
    ).where(table.send_id == send_id, table.outcome.not_in(("none", "delayed")))
    return Figures(*connection.execute(query).one())


def kept(connection: Connection, send_ids: Iterable[str]) -> dict[str, Kept]:
    """The figures at hand of these sends."""
    feeds = {_feed(send_id): send_id for send_id in send_ids}
    query = select(feed_positions.c.feed, feed_positions.c.position).where(feed_positions.c.feed.in_(feeds))
    return {feeds[row.feed]: _read(json.loads(row.position)) for row in connection.execute(query)}


def keep(connection: Connection, send_id: str, found: Kept) -> None:
    """Remember a send's figures."""
    written = json.dumps(asdict(found))
    upsert(
        connection,
        feed_positions,
        {"feed": _feed(send_id), "position": written},
        key=["feed"],
        changes={"position": written},
    )


def advance(connection: Connection, added: Mapping[str, Figures]) -> dict[str, Kept]:
    """Add to the sends' figures what the ledger has just taken in; how they stand now, still to be kept."""
    known = kept(connection, added)
    return {
        send_id: replace(known[send_id], figures=known[send_id].figures + more)
        if send_id in known
        else Kept(count(connection, send_id))
        for send_id, more in added.items()
    }


def _feed(send_id: str) -> str:
    return f"figures:{send_id}"


def _read(written: Mapping[str, object]) -> Kept:
    figures, judged = written["figures"], written["judged"]
    if not isinstance(figures, dict) or not isinstance(judged, dict):
        raise TypeError("kept figures are tables")
    return Kept(Figures(**figures), Figures(**judged), bool(written["warned"]))
