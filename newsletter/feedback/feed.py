"""Fetching events from the local simulator, as SQS would be read: a page at a time, each page verified, applied and
remembered in one transaction. Nothing but this machine is ever asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from newsletter.errors import Refused
from newsletter.feedback.apply import Applied, apply_messages
from newsletter.feedback.fetching import Unreachable, fetch
from newsletter.feedback.sns import Forged, Trust, verified
from newsletter.settings import Settings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import feed_positions
from newsletter.store.upsert import upsert

PAGE = 1_000
_TIMEOUT = 60
_LONGEST = 64_000_000


def pull(store: Store, settings: Settings, keys: KeyRing, *, now: Callable[[], datetime], page: int = PAGE) -> Applied:
    """Apply every event the configured simulator has and we have not; without one configured there is nothing to do.

    Raises Refused when nobody answers there. That the address is of this machine, the settings have made sure.
    """
    base = settings.feedback.simulator_url
    if base is None:
        return Applied()
    trust = Trust(load=_fetch, topics=settings.feedback.topics, simulator_url=base)
    feed = f"simulator:{base}"
    first = _first_id(base)
    with store.read() as connection:
        position = _position(connection, feed, first)
    total = Applied()
    while True:
        envelopes, following = _page(base, position, page)
        messages, forged = _open(envelopes, trust, now())
        with store.write() as connection:
            total += apply_messages(connection, messages, settings=settings, keys=keys, now=now())
            total += Applied(forged=forged)
            _remember(connection, feed, following, first)
        if following <= position or len(envelopes) < page:
            return total
        position = following


def _open(envelopes: list[dict[str, object]], trust: Trust, now: datetime) -> tuple[list[str], int]:
    """The messages of the envelopes that are what they claim, and how many are not."""
    messages, forged = [], 0
    for envelope in envelopes:
        try:
            said = verified(envelope, trust, now)
        except Forged:
            forged += 1
        else:
            if said["Type"] == "Notification":
                messages.append(said["Message"])
    return messages, forged


def _first_id(base: str) -> str:
    """Tells one simulator's record from another's at the same address, whose numbers start again."""
    envelopes, _ = _page(base, 0, 1)
    return str(envelopes[0].get("MessageId")) if envelopes else ""


def _position(connection: Connection, feed: str, first: str) -> int:
    written = connection.scalar(select(feed_positions.c.position).where(feed_positions.c.feed == feed))
    known = json.loads(written) if written else {}
    return int(known["next"]) if known.get("first") == first else 0


def _remember(connection: Connection, feed: str, following: int, first: str) -> None:
    written = json.dumps({"next": following, "first": first})
    row = {"feed": feed, "position": written}
    upsert(connection, feed_positions, row, key=["feed"], changes={"position": written})


def _page(base: str, after: int, limit: int) -> tuple[list[dict[str, object]], int]:
    url = f"{base}/_simulator/events?after={after}&limit={limit}"
    try:
        answer: dict[str, Any] = json.loads(_fetch(url))
        return [dict(envelope) for envelope in answer["messages"]], int(answer["next"])
    except (ValueError, KeyError, TypeError):
        raise Refused(f"What answers at {base} is not a simulator. Check [feedback] simulator_url.") from None


def _fetch(url: str) -> bytes:
    try:
        return fetch(url, most_bytes=_LONGEST, seconds=_TIMEOUT)
    except Unreachable as error:
        raise Refused(f"{error} Is the simulator running?") from None
