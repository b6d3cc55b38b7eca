"""Sending by bulk, raw and SMTP, each beside a bare loop without any ledger.

    python bench/send.py [--bulk N] [--raw N] [--smtp N] [--rounds N]

Prints one JSON line. Readers a second are those of the whole send, from asking to the settled account; both sides speak
to the same server, with the same headers, tags and data per reader. CPU seconds are the sender's own, since a machine
may be shared; `server_busy` is the part of one core that the server took meanwhile: near 1 it is the server that is
measured. With several rounds the two sides take turns, and each figure is the median.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from beside import bare
from beside.sink import sink
from sqlalchemy import insert

from newsletter.app import App, make_workspace, system_clock
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import freeze
from newsletter.sending.messages import Fields, mail_of
from newsletter.sending.send import send_issue
from newsletter.settings import SesSettings, SmtpSettings
from newsletter.simulator.server import start
from newsletter.store.tables import consent, subscribers, subscriptions
from newsletter.transports.mail import Transport
from newsletter.transports.ses import SesTransport
from newsletter.transports.smtp import SmtpTransport

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
CONNECTIONS = 4


@dataclass(frozen=True)
class Timed:
    """One run: how long it took, and the CPU seconds of the sender and of the server."""

    readers: int
    seconds: float
    cpu: float
    server: float
    prepared: float = 0.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bulk", type=int, default=100_000, help="readers of the bulk sends; 0: none")
    options.add_argument("--raw", type=int, default=5_000, help="readers of the sends with one call a reader; 0: none")
    options.add_argument("--smtp", type=int, default=5_000, help="readers of the sends by SMTP; 0: none")
    options.add_argument("--rounds", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), asked)))


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"bench": "send", "cpus": os.cpu_count(), "rounds": asked.rounds}
    found["html_bytes"] = len(made_up("x").html.encode())
    with start(folder / "simulator", keep_messages=False) as simulator:
        url, pid = simulator.url, simulator.process.pid
        if asked.bulk:
            side = Side(newsroom(folder / "bulk", asked.bulk), SesTransport(SesSettings(endpoint_url=url, mode="bulk")))
            found["bulk"] = side.compare(partial(bare.send_bulk_email, url=url), pid, rounds=asked.rounds)
        if asked.raw:
            side = Side(newsroom(folder / "raw", asked.raw), SesTransport(SesSettings(endpoint_url=url)))
            found["raw"] = side.compare(partial(bare.send_email, url=url), pid, rounds=asked.rounds)
    if asked.smtp:
        with sink() as relay:
            settings = SmtpSettings(host="127.0.0.1", port=relay.port, security="none", connections=CONNECTIONS)
            side = Side(newsroom(folder / "smtp", asked.smtp), SmtpTransport(settings))
            loop = partial(bare.sendmail, port=relay.port, connections=CONNECTIONS)
            found["smtp"] = side.compare(loop, relay.pid, rounds=asked.rounds)
        if relay.taken != 2 * asked.rounds * asked.smtp:
            raise SystemExit(f"The relay took {relay.taken} mails.")
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


@dataclass(frozen=True)
class Newsroom:
    """A workspace with readers."""

    app: App
    readers: int


@dataclass(frozen=True)
class Side:
    """Our side: a newsroom and its way out."""

    newsroom: Newsroom
    transport: Transport

    def compare(self, loop: Callable[[bare.Readers], None], server: int, *, rounds: int) -> dict[str, Any]:
        """Both sides in turn, the program first."""
        ours, theirs = [], []
        for number in range(rounds):
            build = made_up(f"issue-{number}")
            ours.append(self._program(build, server))
            theirs.append(self._bare(build, loop, server))
        rate, bare_rate = (median(one.readers / one.seconds for one in side) for side in (ours, theirs))
        return {
            "readers": self.newsroom.readers,
            "per_second": round(rate),
            "cpu_per_1000": _cpu(ours),
            "server_busy": _busy(ours),
            "prepare_seconds": round(median(one.prepared for one in ours), 2),
            "bare_per_second": round(bare_rate),
            "bare_cpu_per_1000": _cpu(theirs),
            "bare_server_busy": _busy(theirs),
            "ratio": round(rate / bare_rate, 2),
        }

    def _program(self, build: Build, server: int) -> Timed:
        """One send through the program: prepare, ledger, consent checks and all."""
        app = self.newsroom.app
        freeze(app.store, app.workspace, build, now=system_clock())
        first: list[float] = []

        def progress(_done: int, _total: int) -> None:
            if not first:
                first.append(time.perf_counter())

        def send() -> int:
            way, ring = self.transport, app.keys
            report = send_issue(
                app.store, app.workspace, ring, way, build, person="bench", now=system_clock, progress=progress
            )
            if not report.settled:
                raise SystemExit(f"The send did not settle: {report}")
            return report.account.accepted

        begun = time.perf_counter()
        timed = _timed(send, server)
        return Timed(timed.readers, timed.seconds, timed.cpu, timed.server, first[0] - begun)

    def _bare(self, build: Build, loop: Callable[[bare.Readers], None], server: int) -> Timed:
        app, number = self.newsroom.app, self.newsroom.readers
        _, settings = app.workspace.newsletter()
        fields = Fields(app.keys, "daily", "abcdefgh", "https://news.example.org")
        readers = bare.Readers(number, mail_of(build, settings), fields)

        def send() -> int:
            loop(readers)
            return number

        return _timed(send, server)


def _timed(send: Callable[[], int], server: int) -> Timed:
    begun, own, theirs = time.perf_counter(), time.process_time(), _cpu_of(server)
    readers = send()
    return Timed(readers, time.perf_counter() - begun, time.process_time() - own, _cpu_of(server) - theirs)


def _cpu(runs: list[Timed]) -> float:
    return round(median(1000 * one.cpu / one.readers for one in runs), 3)


def _busy(runs: list[Timed]) -> float:
    return round(median(one.server / one.seconds for one in runs), 2)


def _cpu_of(process: int) -> float:
    """CPU seconds of another process; 0 where /proc does not say."""
    try:
        numbers = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def made_up(issue: str) -> Build:
    """An issue the size of a real one: 80 KB of HTML, 30 KB of text."""
    story = "<p>The council met for nine hours and agreed on little, people who were in the room said. </p>\n"
    told = "The council met for nine hours and agreed on little, people who were in the room said.\n\n"
    link = "{{unsubscribe_url}}"
    bodies = {
        "subject.txt": f"What happened today, {issue}\n".encode(),
        "preheader.txt": b"And what comes next\n",
        "body.html": f'<p>Dear {{{{first_name|reader}}}},</p>{story * 850}<a href="{link}">Leave</a>\n'.encode(),
        "body.txt": f"Dear {{{{first_name|reader}}}},\n\n{told * 340}Leave: {link}\n".encode(),
    }

    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in bodies.items()}
    manifest = {
        "newsletter": "daily",
        "issue": issue,
        "date": "2024-10-10",
        "assets": {},
        "variants": {"default": hashes},
    }
    return Build({"manifest.json": canonical_json(manifest), **bodies})


def newsroom(folder: Path, readers: int) -> Newsroom:
    """Everybody has confirmed."""
    app = make_workspace(folder)
    entry = {"newsletter": "daily", "purpose": "send", "event": "confirmed", "basis": "express", "jurisdiction": "gdpr"}
    entry |= {"source": "bench", "actor": "bench"}
    ids = range(1, readers + 1)
    with app.store.write() as connection:
        people = [{"id": i, "address_hash": f"h1:{i:064x}", "address": f"reader{i}@example.com"} for i in ids]
        connection.execute(
            insert(subscribers), [{**p, "first_name": f"Ann{p['id']}", "created_at": SINCE} for p in people]
        )
        rows = [{"newsletter": "daily", "subscriber_id": i, "created_at": SINCE} for i in ids]
        connection.execute(insert(subscriptions), rows)
        entries = [{**entry, "subscriber_id": i, "occurred_at": SINCE, "recorded_at": SINCE} for i in ids]
        connection.execute(insert(consent), entries)
    return Newsroom(app, readers)


if __name__ == "__main__":
    main()
