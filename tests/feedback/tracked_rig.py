"""What tests of opens, clicks and the report share: a build with links, its send, and readers who may be measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from newsletter.app import App
from newsletter.audience.addresses import address_hash
from newsletter.audience.consent import Purpose
from newsletter.feedback.apply import Applied, apply_messages
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import freeze
from newsletter.store.tables import consent, deliveries, sends, subscribers, subscriptions, tracked

NOW = datetime(2024, 10, 10, 12, 0, tzinfo=UTC)
SEND = "abcdefgh"
ISSUE = "2024-10-10"
WALLS, RAIL, PACT = (f"https://example.org/{word}?utm_source=daily" for word in ("walls", "rail", "pact"))
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.0"
POLL = {"id": "next", "question": "What next?", "options": ["Trains", "Walls"], "closes": "2024-10-17T04:00:00+00:00"}

_BETWEEN = '<tr><td class="space" height="40"> </td></tr>'
BODY = f"""<html><body><table>
<tr><td><a href="https://news.example.org/archive/daily/2024-10-10">Read online</a></td></tr>{_BETWEEN}
<tr><td><h2>Walls</h2><a href="{WALLS}">Walls</a></td></tr>{_BETWEEN}
<tr><td><a href="{WALLS}">Walls again</a> <a href="{RAIL}">Rail</a> <a href="{PACT}">Pact</a></td></tr>{_BETWEEN}
<tr><td><a href="{{{{vote_url}}}}/next/1">Trains</a></td></tr>{_BETWEEN}
</table><a href="{{{{unsubscribe_url}}}}">Leave</a> <a href="https://example.org/privacy">Privacy</a></body></html>
"""


def make_build() -> Build:
    """Three blocks: a lead, a list of links in which the lead's stands again, and a poll."""
    files = {
        "subject.txt": b"Walls\n",
        "preheader.txt": b"And rails\n",
        "body.html": BODY.encode(),
        "body.txt": b"Walls\n{{unsubscribe_url}}\n",
    }
    blocks = [{"type": kind, "stories": []} for kind in ("lead", "related", "poll")]
    manifest: dict[str, object] = {"newsletter": "daily", "issue": ISSUE, "date": ISSUE, "assets": {}}
    manifest |= {"facts": {"blocks": blocks, "polls": [POLL]}}
    manifest["variants"] = {"default": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    return Build({"manifest.json": canonical_json(manifest), **files})


def add_send(app: App, *, readers: Iterable[int] = (), tracking: str = "both", **send: Any) -> Build:
    """A send that is done, whose readers were all taken at noon and confirmed their subscription long ago."""
    build = make_build()
    freeze(app.store, app.workspace, build, now=NOW)
    since = datetime(2024, 1, 1, tzinfo=UTC)
    ids = list(readers)
    with app.store.write() as connection:
        row = {"id": SEND, "newsletter": "daily", "issue": ISSUE, "build": build.hash, "state": "done"}
        row |= {"person": "ann", "transport": "ses", "date_waived": False, "created_at": NOW, "first_handover_at": NOW}
        connection.execute(insert(sends).values({**row, **send}))
        if ids:
            connection.execute(
                insert(subscribers),
                [
                    {"id": i, "address_hash": hash_of(app, i), "address": address_of(i), "created_at": since}
                    for i in ids
                ],
            )
            connection.execute(
                insert(subscriptions), [{"newsletter": "daily", "subscriber_id": i, "created_at": since} for i in ids]
            )
            connection.execute(insert(consent), [entry(i, "send", "confirmed", at=since) for i in ids])
            rows = [
                {"send_id": SEND, "subscriber_id": i, "batch": 1, "state": "accepted", "attempt": 1}
                | {"message_id": f"m-{i}", "handed_over_at": NOW, "tracking": tracking}
                for i in ids
            ]
            connection.execute(insert(deliveries), rows)
    return build


def address_of(reader: int) -> str:
    return f"reader{reader}@example.com"


def hash_of(app: App, reader: int) -> str:
    return address_hash(address_of(reader), app.keys.hash)


def entry(reader: int, purpose: str, event: str, *, at: datetime = NOW, **more: object) -> dict[str, object]:
    return {
        "subscriber_id": reader,
        "newsletter": "daily",
        "purpose": purpose,
        "event": event,
        "basis": "express",
        "jurisdiction": "gdpr",
        "source": "test",
        "actor": "reader",
        "occurred_at": at,
        "recorded_at": at,
        **more,
    }


def say(app: App, event: str, *readers: int, purposes: Iterable[Purpose] = tuple(Purpose)[1:]) -> None:
    """These readers say yes (`confirmed`) or no (`withdrawn`) to being measured."""
    with app.store.write() as connection:
        rows = [entry(reader, purpose.value, event) for reader in readers for purpose in purposes]
        connection.execute(insert(consent), rows)


def looked(
    kind: str,
    reader: int = 1,
    *,
    at: float = 60.0,
    link: str = WALLS,
    agent: str | None = PERSON,
    tag: str | None = None,
) -> str:
    """An open, click or delivery as SES tells of it, so many seconds after noon."""
    moment = (NOW + timedelta(seconds=at)).isoformat()
    mail = {
        "timestamp": NOW.isoformat(),
        "messageId": f"m-{reader}",
        "destination": [address_of(reader)],
        "tags": {"delivery": [tag or f"{SEND}-{reader}-1"]},
    }
    said: dict[str, Any] = {"timestamp": moment}
    if kind != "Delivery":
        said |= {"ipAddress": "192.0.2.77"} | ({"userAgent": agent} if agent is not None else {})
    if kind == "Click":
        said |= {"link": link, "linkTags": None}
    return json.dumps({"eventType": kind, "mail": mail, kind.lower(): said})


def hear(app: App, *messages: str) -> Applied:
    with app.store.write() as connection:
        return apply_messages(connection, messages, settings=app.settings, keys=app.keys, now=NOW)


def rows(app: App) -> list[tuple[str, int, str | None, str | None, str]]:
    """What is kept of opens and clicks: kind, reader, link, block, who looked."""
    table = tracked.c
    query = select(table.kind, table.subscriber_id, table.link, table.block, table.by)
    with app.store.read() as connection:
        return sorted((tuple(row) for row in connection.execute(query)), key=str)


def set_delivery(app: App, reader: int, **values: object) -> None:
    table = deliveries.c
    with app.store.write() as connection:
        connection.execute(
            update(deliveries).where(table.send_id == SEND, table.subscriber_id == reader).values(values)
        )
