"""What readers did with a mail, of those who agreed to be measured: people and machines apart, nobody by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import Connection, Select, func, select

from newsletter.feedback.machines import By
from newsletter.rendering.links import links_of
from newsletter.sending.sends import Send
from newsletter.store.tables import deliveries, tracked
from newsletter.transports.mail import Tracking

OPENS_CAVEAT = (
    "An open is no proof of reading, nor its absence of none: Apple Mail and the proxies of Gmail and Yahoo fetch "
    "pictures by themselves, and many programs fetch none."
)
CLICKS_CAVEAT = "Scanners try links before a person sees them; who is who is a guess."

Section = dict[str, Any]


def opens(connection: Connection, send: Send) -> Section:
    """How many readers opened it, as far as can be told."""
    by = _readers_by(connection, _of(send, "open"))
    return {
        "measured": _agreed(connection, send, (Tracking.OPENS, Tracking.BOTH)),
        "people": by[By.PERSON],
        "prefetched": by[By.PREFETCH],
        "scanners": by[By.SCANNER],
        "caveat": OPENS_CAVEAT,
    }


def clicks(connection: Connection, send: Send) -> Section:
    """How many readers followed which link, and in which block; links nobody followed too."""
    table, of_send = tracked.c, _of(send, "click")
    by = _readers_by(connection, of_send)
    query = select(table.link, table.block, table.by, func.count(table.subscriber_id.distinct()).label("readers"))
    rows = connection.execute(of_send(query).group_by(table.link, table.block, table.by)).all()
    measured = _agreed(connection, send, (Tracking.CLICKS, Tracking.BOTH))
    found: dict[tuple[str | None, str | None], Counter[str]] = defaultdict(Counter)
    if measured:
        found.update({pair: Counter() for pair in links_of(connection, send.build, "default").items()})
    for row in rows:
        found[row.link, row.block][row.by] += int(row.readers)
    links = [
        {"link": link, "block": block, "people": count[By.PERSON], "scanners": count[By.SCANNER]}
        for (link, block), count in found.items()
    ]
    people = of_send(select(table.block, func.count(table.subscriber_id.distinct()))).where(table.by == By.PERSON.value)
    blocks = connection.execute(people.where(table.block.is_not(None)).group_by(table.block)).all()
    return {
        "measured": measured,
        "people": by[By.PERSON],
        "scanners": by[By.SCANNER],
        "blocks": [
            {"block": block, "people": int(number)} for block, number in sorted(blocks, key=lambda b: (-b[1], b[0]))
        ],
        "links": sorted(links, key=lambda link: (-link["people"], -link["scanners"], link["link"] or "~")),
        "caveat": CLICKS_CAVEAT,
    }


def _of(send: Send, kind: str) -> Any:
    """Narrows a query to what was measured of one kind."""

    def narrowed(query: Select[Any]) -> Select[Any]:
        return query.where(tracked.c.send_id == send.id, tracked.c.kind == kind)

    return narrowed


def _readers_by(connection: Connection, of_send: Any) -> Counter[str]:
    """Readers of whom any such event is known, by who looked; one may be in two of them."""
    query = select(tracked.c.by, func.count(tracked.c.subscriber_id.distinct()))
    return Counter({by: int(number) for by, number in connection.execute(of_send(query).group_by(tracked.c.by))})


def _agreed(connection: Connection, send: Send, choices: tuple[Tracking, ...]) -> int:
    """Readers who agreed to be measured when they were mailed."""
    table = deliveries.c
    chosen = table.tracking.in_([choice.value for choice in choices])
    query = select(func.count()).where(table.send_id == send.id, table.state == "accepted", chosen)
    return connection.scalar(query) or 0
