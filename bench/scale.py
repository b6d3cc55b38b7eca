"""One newsroom at size: what every stage of a send takes, and what a row takes on the disk.

    python bench/scale.py [READERS] [--postgresql]

Prints one JSON line for docs/scale.md. The database fills itself as in `bench/audience.py`; then one send is prepared
in the program's own pieces, readers are claimed and their answers recorded, everybody is called accepted, some
thousands of events are applied, and the send's account and report are made, as are unsubscribes one after the other.
Nothing goes over a network, so this is what the database allows, not what a provider does. The plain alternative beside
each is in `bench/audience.py` and `bench/events.py`.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from audience import NOW, SETTINGS, database, fill
from events import SEND, messages_about
from sqlalchemy import func, select, text, update

from newsletter.audience.explain import count
from newsletter.audience.links import ReaderLink
from newsletter.audience.unsubscribe import unsubscribe
from newsletter.feedback.apply import apply_messages
from newsletter.feedback.report import report
from newsletter.sending.accounts import account
from newsletter.sending.ledger import Change, Claims, Scope, record
from newsletter.sending.prepare import PIECE, prepare
from newsletter.sending.sends import NewSend, Send, State, create, move
from newsletter.settings import Settings
from newsletter.store.engine import Store
from newsletter.store.keys import Key, KeyRing
from newsletter.store.tables import consent, deliveries, events, raw_events, subscribers, subscriptions

SIZED = (subscribers, subscriptions, consent, deliveries, raw_events, events)
CLAIMED, GROUP = 20_000, 500  # readers claimed in all, and at once
HEARD, PAGE = 10_000, 1_000  # events
LEAVING = 300  # readers who unsubscribe
RING = KeyRing(Key("h1", b"bench"), (Key("s1", b"bench"),))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("readers", type=int, nargs="?", default=100_000)
    options.add_argument("--postgresql", action="store_true")
    asked = options.parse_args()
    logging.disable(logging.ERROR)  # the breaker speaks up: so many complaints are far too many
    with tempfile.TemporaryDirectory() as folder, database(Path(folder), asked.postgresql) as store:
        measured = Measured(store, asked.readers)
        measured.all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    about = {"bench": "scale", "database": store.engine.dialect.name, "readers": asked.readers}
    print(json.dumps({**about, **measured.found, "peak_mb": peak}))


@dataclass
class Measured:
    """One database, and what was found out about it."""

    store: Store
    readers: int
    found: dict[str, object] = field(default_factory=dict)

    def all(self) -> None:
        with self._timed("fill_seconds"):
            fill(self.store, self.readers)
        with self.store.read() as connection, self._timed("count_seconds"):
            count(connection, "daily", settings=SETTINGS, at=NOW)
        send = self._prepared()
        self._claimed(send)
        self._accepted(send)
        self._heard(send)
        with self.store.read() as connection, self._timed("account_seconds"):
            account(connection, send.id)
        with self.store.read() as connection, self._timed("report_seconds"):
            report(connection, send.id, _settings())
        self._left(send)
        self.found["bytes_per_row"] = self._sizes()

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.found[name] = round(time.perf_counter() - begun, 2)

    def _prepared(self) -> Send:
        with self.store.write() as connection:
            wanted = NewSend("daily", "bench", "b", "ses", "bench", date_waived=False)
            send = move(connection, create(connection, wanted, NOW), State.PREPARING)
        pieces: list[float] = []
        done = True
        while done:
            begun = time.perf_counter()
            with self.store.write() as connection:
                done = bool(prepare(connection, send, SETTINGS, batch_size=50, now=NOW, most=PIECE))
            pieces.append(time.perf_counter() - begun)
        self.found["prepare_seconds"] = round(sum(pieces), 2)
        self.found["longest_piece_seconds"] = round(max(pieces), 2)
        with self.store.write() as connection:
            connection.execute(text("ANALYZE"))
            return move(connection, send, State.SENDING)

    def _claimed(self, send: Send) -> None:
        """By one process, as dispatch does: claim a group, then its answers and the next claim in one transaction."""
        claims = Claims(Scope(send.id, "daily", SETTINGS), "bench")
        before: list[Change] = []
        done, begun = 0, time.perf_counter()
        while done < min(CLAIMED, self.readers // 2):
            with self.store.write() as connection:
                if before:
                    record(connection, send.id, before)
                claim = claims.claim(connection, limit=GROUP, before=None, now=NOW)
            before = [Change(r.subscriber_id, r.attempt, "accepted", f"0100-{r.subscriber_id}") for r in claim.readers]
            done += len(claim.readers)
        self.found["claims_a_second"] = round(done / (time.perf_counter() - begun))

    def _accepted(self, send: Send) -> None:
        """Everybody else too, in one statement: what it takes is no figure of ours."""
        rows = update(deliveries).where(
            deliveries.c.send_id == send.id, deliveries.c.state.in_(("pending", "in_flight"))
        )
        number = "0100-" + func.cast(deliveries.c.subscriber_id, subscribers.c.address.type)
        with self.store.write() as connection:
            values = {"state": "accepted", "handed_over_at": NOW, "attempt": 1, "message_id": number, "owner": None}
            connection.execute(rows.values(values))

    def _heard(self, send: Send) -> None:
        chance = random.Random(1)
        about = sorted(chance.sample(range(1, self.readers + 1), min(HEARD // 2, self.readers)))
        said = [message.replace(SEND, send.id) for message in messages_about(about)]
        begun = time.perf_counter()
        for start in range(0, len(said), PAGE):
            with self.store.write() as connection:
                apply_messages(connection, said[start : start + PAGE], settings=_settings(), keys=RING, now=NOW)
        self.found["events_a_second"] = round(len(said) / (time.perf_counter() - begun))

    def _left(self, send: Send) -> None:
        seconds: list[float] = []
        for reader in random.Random(2).sample(range(1, self.readers + 1), LEAVING):
            begun = time.perf_counter()
            unsubscribe(self.store, ReaderLink(reader, "daily", send.id), source="one-click", now=NOW)
            seconds.append(1000 * (time.perf_counter() - begun))
        self.found["unsubscribe_ms"] = round(median(seconds), 2)
        self.found["unsubscribe_p99_ms"] = round(quantiles(seconds, n=100)[-1], 2)

    def _sizes(self) -> dict[str, int]:
        """Of a row with its share of all indexes."""
        found = {}
        with self.store.read() as connection:
            for table in SIZED:
                rows = connection.scalar(select(func.count()).select_from(table)) or 1
                parts = text("SELECT pg_total_relation_size(:name)")
                if not self.store.is_postgresql:
                    parts = text(
                        "SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name IN "
                        "(SELECT name FROM sqlite_master WHERE tbl_name = :name)"
                    )
                found[table.name] = round((connection.scalar(parts, {"name": table.name}) or 0) / rows)
        return found


def _settings() -> Settings:
    return Settings(newsletters={"daily": SETTINGS})


if __name__ == "__main__":
    main()
