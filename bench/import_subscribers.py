"""Importing readers, and the same file again, beside a bare loop of csv, email-validator and INSERT.

Prints one JSON line: `write_lock_s` is the longest the import held the write lock, `others_waited_s` the longest that
a process which writes a little five times a second had to wait for it. Each part runs in a process of its own, so that
its peak memory is its own. The bare loop keeps no ledger, no hashes and no suppressions, and knows nobody twice.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from email_validator import validate_email
from sqlalchemy import Connection, delete

from newsletter.audience.consent import Basis
from newsletter.audience.import_csv import import_csv
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import Key, KeyRing
from newsletter.store.schema import upgrade
from newsletter.store.tables import form_uses

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
        found = {part: _apart(part, path, where) for part in ("import", "import_again", "dry_run", "bare_import")}
    size = {"readers": readers, "database": where.partition(":")[0]}
    rates = {f"{part}_rows_per_s": round(readers / done["seconds"]) for part, done in found.items()}
    held = {
        "write_lock_s": round(found["import"]["held"], 2),
        "others_waited_s": round(found["import"]["others_waited"], 2),
    }
    peaks = {f"{part}_peak_mib": done["peak_mib"] for part, done in found.items()}
    ratio = round(found["bare_import"]["seconds"] / found["import"]["seconds"], 2)
    print(json.dumps({"bench": "import", **size, **rates, **held, **peaks, "ratio": ratio}))


def _apart(part: str, path: Path, url: str) -> dict[str, float]:
    """Run one part in a child process; its seconds and peak memory."""
    command = [sys.executable, __file__, "--part", part, str(path), url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


class Watched(Store):
    """A store that remembers its longest write: that long nobody else could write."""

    longest = 0.0

    @contextmanager
    def write(self, **options: bool) -> Iterator[Connection]:
        with super().write(**options) as connection:
            started = time.perf_counter()
            yield connection
        self.longest = max(self.longest, time.perf_counter() - started)


def _part(part: str, path: Path, url: str) -> None:
    held, waited = 0.0, [0.0]
    if part == "bare_import":
        seconds = _timed(lambda: _import_barely(path, path.parent / "bare.db"))
    else:
        store = Watched(url)
        if part == "import":
            upgrade(store)
        with _another_writer(url) as waited:
            seconds = _timed(lambda: _import(store, path, dry_run=part == "dry_run"))
        held = store.longest
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "held": held, "others_waited": waited[0]}))


@contextmanager
def _another_writer(url: str) -> Iterator[list[float]]:
    """A process that writes now and then, as readers who unsubscribe do; at the end, how long it waited at most."""
    waited: list[float] = []
    command = [sys.executable, __file__, "--part", "another_writer", "", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        yield waited
        waited.append(float(other.communicate("")[0]))


def _write_now_and_then(url: str) -> None:
    store, longest = Store(url), 0.0
    ended = Thread(target=sys.stdin.read, daemon=True)
    ended.start()
    while ended.is_alive():
        started = time.perf_counter()
        with store.write() as connection:
            connection.execute(delete(form_uses))
        longest = max(longest, time.perf_counter() - started)
        ended.join(0.2)
    print(longest)


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


def _import(store: Store, path: Path, *, dry_run: bool) -> None:
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
        dry_run=dry_run,
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
    if sys.argv[1:3] == ["--part", "another_writer"]:
        _write_now_and_then(sys.argv[4])
    elif sys.argv[1:2] == ["--part"]:
        _part(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, sys.argv[2] if len(sys.argv) > 2 else None)
