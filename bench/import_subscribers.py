"""Importing readers and choosing the audience at scale, beside a bare loop of csv, email-validator and INSERT.

Prints one JSON line. The bare loop keeps no ledger, no hashes and no suppressions, and knows nobody twice.

python bench/import_subscribers.py [READERS]
"""

from __future__ import annotations

import csv
import json
import resource
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from email_validator import validate_email

from newsletter.audience.consent import Basis, Suppressed
from newsletter.audience.explain import count
from newsletter.audience.import_csv import import_csv
from newsletter.audience.links import read_unsubscribe, sign_unsubscribe
from newsletter.audience.select import verdicts
from newsletter.audience.suppression import suppress
from newsletter.config import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import Key, KeyRing
from newsletter.store.schema import upgrade

NOW = datetime(2024, 10, 10, 10, tzinfo=UTC)
RING = KeyRing(Key("h1", b"h" * 48), (Key("s1", b"s" * 48),))
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


def main(readers: int) -> None:
    """Import `readers` rows twice, then choose the audience, whole and for one batch."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readers.csv"
        _write_file(path, readers)
        store = Store(f"sqlite:///{folder}/bench.db")
        upgrade(store)
        for name in ("import", "import_again"):
            started = time.perf_counter()
            _import(store, path)
            seconds[name] = time.perf_counter() - started
        started = time.perf_counter()
        _import_barely(path, Path(folder) / "bare.db")
        seconds["bare_import"] = time.perf_counter() - started
        with store.write() as connection:
            for number in range(0, readers, 50):
                suppress(connection, f"h1:{number:064x}", reason=Suppressed.MANUAL, source="bench", at=NOW)
        with store.read() as connection:
            started = time.perf_counter()
            found = count(connection, "daily", settings=SETTINGS, at=NOW)
            seconds["count"] = time.perf_counter() - started
            started = time.perf_counter()
            rows = connection.execute(verdicts("daily", SETTINGS, NOW)).all()
            seconds["verdicts_fetched"] = time.perf_counter() - started
            started = time.perf_counter()
            for first in range(1, 5_001, 50):
                batch = verdicts("daily", SETTINGS, NOW, subscriber_ids=range(first, first + 50))
                connection.execute(batch).all()
            seconds["verdicts_of_50"] = (time.perf_counter() - started) / 100
        store.close()
    started = time.perf_counter()
    tokens = [sign_unsubscribe(RING, number, "daily", "abcd2345") for number in range(1, 100_001)]
    seconds["sign_100k_links"] = time.perf_counter() - started
    started = time.perf_counter()
    assert all(read_unsubscribe(RING, token) for token in tokens)
    seconds["read_100k_links"] = time.perf_counter() - started
    shown = {name: round(value, 4) for name, value in seconds.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    ratio = round(seconds["bare_import"] / seconds["import"], 2)
    result = {"bench": "import", "readers": len(rows), "mailable": found["mailable"], "ratio": ratio}
    print(json.dumps({**result, "seconds": shown, "peak_mib": peak}))


def _write_file(path: Path, readers: int) -> None:
    statuses = ("subscribed",) * 17 + ("unsubscribed", "bounced", "pending")
    with path.open("w", encoding="utf-8") as file:
        file.write("email,first_name,status,date\n")
        file.writelines(
            f"reader{number}@example.com,Alice,{statuses[number % 20]},2024-01-01\n" for number in range(readers)
        )


def _import(store: Store, path: Path) -> None:
    import_csv(
        store,
        RING,
        path,
        newsletter="daily",
        settings=SETTINGS,
        actor="bench",
        now=NOW,
        source="bench",
        basis=Basis.EXPRESS,
    )


def _import_barely(path: Path, database: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file, sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE readers (email TEXT PRIMARY KEY, first_name TEXT, status TEXT)")
        rows = (
            (validate_email(row["email"], check_deliverability=False).normalized, row["first_name"], row["status"])
            for row in csv.DictReader(file)
        )
        connection.executemany("INSERT INTO readers VALUES (?, ?, ?)", rows)
    connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
