"""Opens and clicks: kept of readers who agreed to be measured when they were mailed, and still do. Of all others
nothing is kept but that the event came.

So a withdrawal holds for mails that went out before it (CNIL 2026-042): what comes in later is neither counted nor
stored, not even as it came. A link is written down as the build has it; one the build does not have may be a reader's
own, and is left out together with the text of its event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from newsletter.audience.consent import Purpose
from newsletter.audience.select import tracking
from newsletter.feedback.delivery_rows import Key, key_of
from newsletter.feedback.machines import By, Look, judge
from newsletter.feedback.vocabulary import Event, Kind, NotAnEvent, parse
from newsletter.rendering.links import Links, links_of, same_address
from newsletter.store.bulk import insert_many
from newsletter.store.tables import deliveries, events, raw_events, sends, tracked
from newsletter.transports.mail import Tracking

_PURPOSES = {Kind.OPEN: Purpose.OPEN_TRACKING, Kind.CLICK: Purpose.CLICK_TRACKING}
_COLUMNS = ("raw_id", "kind", "send_id", "subscriber_id", "link", "block", "by", "at")


@dataclass(frozen=True)
class _Kept:
    """One open or click that may be kept, with the build's own address of the link."""

    event: Event
    key: Key
    link: str | None = None
    block: str | None = None


class Looks:
    """The opens and clicks in a page of events."""

    def __init__(self, connection: Connection, fresh: Iterable[tuple[str, Event]]) -> None:
        self._connection = connection
        told = [event for _, event in fresh]
        looks = [event for event in told if event.kind in _PURPOSES]
        allowed = _allowed(connection, looks)
        self._kept = [self._keep(event, allowed[event.dedup]) for event in looks if event.dedup in allowed]
        self._delivered = {key for event in told if event.kind is Kind.DELIVERY and (key := key_of(event))}
        self.uncounted = {event.dedup for event in looks} - allowed.keys()
        """Of whom nothing may be written down, by their dedup keys."""
        self.textless = self.uncounted | {kept.event.dedup for kept in self._kept if not _known(kept)}
        """Of which the text is not kept as it came."""

    def _keep(self, event: Event, delivery: Any) -> _Kept:
        key = (delivery.send_id, delivery.subscriber_id)
        if event.kind is Kind.OPEN:
            return _Kept(event, key)
        found = _by_address(links_of(self._connection, delivery.build, delivery.variant))
        return _Kept(event, key, *found.get(same_address(event.link), (None, None)))

    def write(self, ids: Mapping[str, int]) -> None:
        """Write them down under the ids of their events, and judge anew who looked, where more is known now."""
        rows = []
        for kept in self._kept:
            event = kept.event
            look = Look(event.kind is Kind.CLICK, event.occurred_at, kept.link, event.agent)
            by = judge([look], None)[0].value
            rows.append((ids[event.dedup], event.kind.value, *kept.key, kept.link, kept.block, by, event.occurred_at))
        insert_many(self._connection, tracked, _COLUMNS, rows)
        _judge_anew(self._connection, {kept.key for kept in self._kept} | self._delivered)


def _known(kept: _Kept) -> bool:
    return kept.event.kind is Kind.OPEN or kept.link is not None


def _by_address(links: Links) -> dict[str, tuple[str, str]]:
    return {same_address(address): (address, block) for address, block in links.items()}


def _allowed(connection: Connection, looks: Sequence[Event]) -> dict[str, Any]:
    """Those which their reader agreed to, both when she was mailed and now, with the delivery they are about."""
    rows = _deliveries(connection, {key for event in looks if (key := key_of(event))})
    agreed: dict[tuple[str, Purpose], set[int]] = {}
    found = {}
    for event in looks:
        key = key_of(event)
        row = rows.get(key) if key else None
        if row is None or not _stated(event.kind, Tracking(row.tracking)):
            continue
        asked = row.newsletter, _PURPOSES[event.kind]
        if asked not in agreed:
            ids = [other.subscriber_id for other in rows.values() if other.newsletter == row.newsletter]
            agreed[asked] = set(connection.scalars(tracking(*asked, subscriber_ids=ids)))
        if row.subscriber_id in agreed[asked]:
            found[event.dedup] = row
    return found


def _stated(kind: Kind, choice: Tracking) -> bool:
    return choice.opens if kind is Kind.OPEN else choice.clicks


def _deliveries(connection: Connection, keys: Iterable[Key]) -> dict[Key, Any]:
    table = deliveries.c
    found: dict[Key, Any] = {}
    for send_id, readers in _by_send(keys).items():
        columns = (table.send_id, table.subscriber_id, table.variant, table.tracking)
        query = select(*columns, sends.c.newsletter, sends.c.build).join(sends, sends.c.id == table.send_id)
        query = query.where(table.send_id == send_id, table.subscriber_id.in_(readers))
        for row in connection.execute(query):
            found[(row.send_id, row.subscriber_id)] = row
    return found


def _by_send(keys: Iterable[Key]) -> Mapping[str, list[int]]:
    found = defaultdict(list)
    for send_id, reader in sorted(keys):
        found[send_id].append(reader)
    return found


# -- judging ----------------------------------------------------------------------------------------------------------

_UPDATE = update(tracked).where(tracked.c.raw_id == bindparam("of_event")).values(by=bindparam("to_by"))


def _judge_anew(connection: Connection, keys: Iterable[Key]) -> None:
    """A later event may show that an earlier click was one of many at once, or came with the delivery itself."""
    changes = []
    for send_id, readers in _by_send(keys).items():
        any_at_all = select(tracked.c.raw_id).where(tracked.c.send_id == send_id).limit(1)
        if connection.scalar(any_at_all) is None:
            continue
        delivered = _delivered(connection, send_id, readers)
        for reader, rows in _seen(connection, send_id, readers).items():
            judged = judge([_look(row) for row in rows], delivered.get(reader))
            changes += [
                {"of_event": row.raw_id, "to_by": by.value}
                for row, by in zip(rows, judged, strict=True)
                if row.by != by
            ]
    if changes:
        connection.execute(_UPDATE, changes)


def _delivered(connection: Connection, send_id: str, readers: Sequence[int]) -> dict[int, datetime]:
    """When each reader's mail was first delivered, as far as it is known."""
    table = events.c
    query = select(table.subscriber_id, func.min(table.occurred_at)).where(table.kind == Kind.DELIVERY.value)
    query = query.where(table.send_id == send_id, table.subscriber_id.in_(readers)).group_by(table.subscriber_id)
    return {int(reader): at for reader, at in connection.execute(query) if reader is not None}


def _seen(connection: Connection, send_id: str, readers: Sequence[int]) -> Mapping[int, list[Any]]:
    """All that is kept of these readers and this send, with the events as they came."""
    table = tracked.c
    found: dict[int, list[Any]] = defaultdict(list)
    query = select(table.raw_id, table.subscriber_id, table.kind, table.link, table.by, table.at, raw_events.c.body)
    query = query.join(raw_events, raw_events.c.id == table.raw_id).order_by(table.raw_id)
    for row in connection.execute(query.where(table.send_id == send_id, table.subscriber_id.in_(readers))):
        found[row.subscriber_id].append(row)
    return found


def _look(row: Any) -> Look:
    known = By.PERSON if row.body else By(row.by)
    return Look(row.kind == Kind.CLICK, row.at, row.link, _agent(row.body), known)


def _agent(body: str) -> str | None:
    try:
        return parse(body).agent if body else None
    except NotAnEvent:
        return None
