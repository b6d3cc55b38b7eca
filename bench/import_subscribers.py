"""Importing readers, and the same file again, beside a bare loop of csv, email-validator and INSERT.

Prints one JSON line. Each part runs in a process of its own, so that its peak memory is its own. The bare loop keeps no
ledger, no hashes and no suppressions, and knows nobody twice.

python bench/import_subscribers.py [READERS] [DATABASE_URL]     (an empty database; default: SQLite in a new folder)
"""

from __future__ import annotations

import csv
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from email_validator import validate_email

from newsletter.audience.consent import Basis
from newsletter.audience.import_csv import import_csv
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


def main(readers: int, url: str | None) -> None:
    """Import `readers` rows twice, then barely."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readers.csv"
        _write_file(path, readers)
        where = url or f"sqlite:///{folder}/bench.db"
        found = {part: _apart(part, path, where) for part in ("import", "import_again", "bare_import")}
    size = {"readers": readers, "database": where.partition(":")[0]}
    rates = {f"{part}_rows_per_s": round(readers / done["seconds"]) for part, done in found.items()}
    held = {"write_lock_s": found["import"]["locked"]}
    peaks = {f"{part}_peak_mib": done["peak_mib"] for part, done in found.items()}
    ratio = round(found["bare_import"]["seconds"] / found["import"]["seconds"], 2)
    print(json.dumps({"bench": "import", **size, **rates, **held, **peaks, "ratio": ratio}))


def _apart(part: str, path: Path, url: str) -> dict[str, float]:
    """Run one part in a child process; its seconds and peak memory."""
    command = [sys.executable, __file__, "--part", part, str(path), url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _part(part: str, path: Path, url: str) -> None:
    locked = [0.0, 0.0]

    def watch(stage: str, _rows: int) -> None:
        if stage == "write":
            locked[0] = locked[0] or time.perf_counter()
            locked[1] = time.perf_counter()

    if part == "bare_import":
        seconds = _timed(lambda: _import_barely(path, path.parent / "bare.db"))
    else:
        store = Store(url)
        if part == "import":
            upgrade(store)
        seconds = _timed(lambda: _import(store, path, watch))
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "locked": round(locked[1] - locked[0], 1)}))


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _write_file(path: Path, readers: int) -> None:
    statuses = ("subscribed",) * 17 + ("unsubscribed", "bounced", "pending")
    with path.open("w", encoding="utf-8") as file:
        file.write("email,first_name,status,date\n")
        file.writelines(
            f"reader{number}@example.com,Alice,{statuses[number % 20]},2024-01-01\n" for number in range(readers)
        )


def _import(store: Store, path: Path, watch: Callable[[str, int], None]) -> None:
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
        progress=watch,
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
    if sys.argv[1:2] == ["--part"]:
        _part(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, sys.argv[2] if len(sys.argv) > 2 else None)
