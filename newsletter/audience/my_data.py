"""Everything we hold on one reader, for herself (GDPR art. 15 and 20): every table that knows her, row by row.

What she agreed to comes with its words. Other people's data never comes along: each row is chosen by her id or by the
hash of an address that is or was hers; one she only asked for may be another's. Nor does what staff noted for
themselves: who did something is "newsroom", and why an address was suppressed is the reason's word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, select

from newsletter.audience.erase import hashes_of
from newsletter.store.keys import KeyRing
from newsletter.store.tables import (
    consent,
    deliveries,
    events,
    import_batches,
    proofs,
    raw_events,
    sends,
    service_mails,
    signups,
    subscribers,
    subscriptions,
    suppression_lifts,
    suppressions,
    test_mails,
    tracked,
    votes,
    wordings,
)

Record = dict[str, Any]
# How the work went, for the program only.
_OURS = frozenset({"owner", "batch", "dedup", "address_hash", "pending_hash", "request", "why"})


def my_data(connection: Connection, keys: KeyRing, subscriber_id: int, *, at: datetime) -> Record:
    """All of it, in words of JSON; `at` is when it was asked for."""
    hashes = hashes_of(connection, keys, subscriber_id)
    texts = {row.hash: row.text for row in connection.execute(select(wordings.c.hash, wordings.c.text))}
    entries = _rows(connection, consent, subscriber_id)
    return {
        "exported_at": at.isoformat(),
        "reader": _all(connection, select(subscribers).where(subscribers.c.id == subscriber_id))[0],
        "newsletters": _rows(connection, subscriptions, subscriber_id),
        "consent": [{**entry, "wording_text": texts.get(entry["wording_hash"])} for entry in entries],
        "proofs": _rows(connection, proofs, subscriber_id),
        "sign_ups": [_unpacked(row, "newsletters") for row in _rows(connection, signups, subscriber_id)],
        "imports": _imports(connection, subscriber_id),
        "suppressions": _of_hashes(connection, suppressions, hashes),
        "suppressions_lifted": _of_hashes(connection, suppression_lifts, hashes),
        "issues": _issues(connection, subscriber_id),
        "events": _events(connection, subscriber_id),
        "opened_and_clicked": _rows(connection, tracked, subscriber_id),
        "test_mails": [
            {k: v for k, v in row.items() if k != "person"} for row in _of_hashes(connection, test_mails, hashes)
        ],
        "votes": _rows(connection, votes, subscriber_id),
        "service_mails": _rows(connection, service_mails, subscriber_id),
    }


def as_json(found: Record) -> bytes:
    """The file a reader downloads."""
    return (json.dumps(found, ensure_ascii=False, indent=2) + "\n").encode()


def _rows(connection: Connection, table: Table, subscriber_id: int) -> list[Record]:
    query = select(table).where(table.c.subscriber_id == subscriber_id)
    return _all(connection, query.order_by(*table.primary_key.columns))


def _of_hashes(connection: Connection, table: Table, hashes: Iterable[str]) -> list[Record]:
    found = _all(connection, select(table).where(table.c.address_hash.in_(list(hashes))).order_by(table.c.id))
    return [{name: value for name, value in row.items() if name != "source"} for row in found]


def _imports(connection: Connection, subscriber_id: int) -> list[Record]:
    """The files that brought her; what else was in them is none of her business."""
    table = import_batches.c
    hers = select(consent.c.batch_id).where(consent.c.subscriber_id == subscriber_id, consent.c.batch_id.is_not(None))
    columns: tuple[Column[Any], ...] = (table.id, table.newsletter, table.file_name, table.source, table.at)
    return _all(connection, select(*columns, table.undone_at).where(table.id.in_(hers)).order_by(table.id))


def _issues(connection: Connection, subscriber_id: int) -> list[Record]:
    query = select(sends.c.newsletter, sends.c.issue, deliveries).join(sends, sends.c.id == deliveries.c.send_id)
    query = query.where(deliveries.c.subscriber_id == subscriber_id)
    return _all(connection, query.order_by(sends.c.created_at, sends.c.id))


def _events(connection: Connection, subscriber_id: int) -> list[Record]:
    """What came back about mail to her, with what the provider wrote."""
    query = select(events, raw_events.c.body.label("record")).join(raw_events, raw_events.c.id == events.c.raw_id)
    query = query.where(events.c.subscriber_id == subscriber_id).order_by(events.c.raw_id)
    return [_unpacked(row, "record") for row in _all(connection, query)]


def _unpacked(row: Record, column: str) -> Record:
    """A column that holds JSON itself, as what it holds."""
    try:
        return {**row, column: json.loads(row[column])}
    except ValueError:
        return row


def _all(connection: Connection, query: Select[Any]) -> list[Record]:
    found = connection.execute(query).mappings()
    return [{name: _plain(name, value) for name, value in row.items() if name not in _OURS} for row in found]


def _plain(name: str, value: object) -> object:
    if name == "actor":
        return value if value == "reader" else "newsroom"
    return value.isoformat() if isinstance(value, datetime) else value
