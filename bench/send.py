"""Preparing and sending 100,000 readers to the simulator, beside a bare boto3 loop without any ledger.

Prints one JSON line. Recipients a second are those of the whole send, from asking to the settled account; both sides
speak to the same simulator, with the same headers, tags and data per reader, 50 a call, 8 connections.

    python bench/send.py [--readers N] [--raw N]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from sqlalchemy import insert

from newsletter.app import App, make_workspace, system_clock
from newsletter.config import SesSettings
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import freeze
from newsletter.sending.messages import Fields, mail_of
from newsletter.sending.send import send_issue
from newsletter.simulator.server import start
from newsletter.store.tables import consent, subscribers, subscriptions
from newsletter.transports.ses import SesTransport

THREADS = 8
CALL = 50
SINCE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Timed:
    """How long a send took, and what for."""

    readers: int
    seconds: float
    prepared_seconds: float = 0.0

    @property
    def rate(self) -> int:
        return round(self.readers / self.seconds)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--readers", type=int, default=100_000)
    options.add_argument("--raw", type=int, default=5_000, help="readers of a second send, one call a reader; 0: none")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), asked)))


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    app = make_workspace(folder / "newsroom")
    add_readers(app, asked.readers)
    with start(folder / "simulator", keep_messages=False) as simulator:
        issue = made_up("bulk")
        ours = sending(app, issue, SesSettings(endpoint_url=simulator.url, mode="bulk", connections=THREADS))
        bare = bare_loop(app, issue, simulator.url, asked.readers)
        found: dict[str, Any] = {
            "bench": "send",
            "readers": asked.readers,
            "html_bytes": len(issue.html.encode()),
            "bulk_per_second": ours.rate,
            "bulk_seconds": round(ours.seconds, 2),
            "prepare_seconds": round(ours.prepared_seconds, 2),
            "bare_boto3_per_second": bare.rate,
            "ratio": round(ours.rate / bare.rate, 2),
        }
        if asked.raw:
            raw_app = make_workspace(folder / "raw")
            add_readers(raw_app, asked.raw)
            raw = sending(raw_app, made_up("raw"), SesSettings(endpoint_url=simulator.url, connections=THREADS))
            found |= {"raw_readers": asked.raw, "raw_per_second": raw.rate}
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found["cpus"] = os.cpu_count()
    return found


def sending(app: App, build: Build, settings: SesSettings) -> Timed:
    """One send through the program: prepare, ledger, consent checks and all."""
    freeze(app.store, app.workspace, build, now=system_clock())
    transport = SesTransport(settings)
    first: list[float] = []

    def progress(_done: int, _total: int) -> None:
        if not first:
            first.append(time.perf_counter())

    begun = time.perf_counter()
    report = send_issue(
        app.store, app.workspace, app.keys, transport, build, person="bench", now=system_clock, progress=progress
    )
    seconds = time.perf_counter() - begun
    if not report.settled:
        raise SystemExit(f"The send did not settle: {report}")
    return Timed(report.account.accepted, seconds, first[0] - begun)


def bare_loop(app: App, build: Build, url: str, readers: int) -> Timed:
    """What a person would write first: boto3 as it comes, threads, no ledger, no consent, no pace."""
    session = boto3.session.Session("local", "local", region_name="us-east-1")
    client = session.client("sesv2", endpoint_url=url, config=Config(max_pool_connections=THREADS))
    _, settings = app.workspace.newsletter()
    mail = mail_of(build, settings)
    fields = Fields(app.keys, "daily", "abcdefgh", "https://news.example.org")
    html = mail.html.replace("{{first_name|reader}}", "{{first_name}}")
    text = mail.text.replace("{{first_name|reader}}", "{{first_name}}")
    content = {"Subject": mail.subject, "Html": html, "Text": text}
    client.create_email_template(TemplateName="bare", TemplateContent=content)

    def call(first: int) -> None:
        entries = [bare_entry(reader, fields) for reader in range(first, min(first + CALL, readers + 1))]
        answer = client.send_bulk_email(
            FromEmailAddress=f"{mail.from_name} <{mail.from_address}>",
            DefaultContent={"Template": {"TemplateName": "bare", "TemplateData": "{}"}},
            BulkEmailEntries=entries,
        )
        if any(result["Status"] != "SUCCESS" for result in answer["BulkEmailEntryResults"]):
            raise SystemExit(f"The bare loop failed: {answer}")

    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(call, range(1, readers + 1, CALL)))
    return Timed(readers, time.perf_counter() - begun)


def bare_entry(reader: int, fields: Fields) -> dict[str, Any]:
    own = fields.of(reader, f"Ann{reader}")
    return {
        "Destination": {"ToAddresses": [f"reader{reader}@example.com"]},
        "ReplacementTags": [{"Name": "delivery", "Value": f"abcdefgh-{reader}-1"}],
        "ReplacementHeaders": [
            {"Name": "List-ID", "Value": "Daily <daily.example.org>"},
            {"Name": "List-Unsubscribe", "Value": f"<{own['unsubscribe_url']}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ],
        "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": json.dumps(own)}},
    }


def made_up(issue: str) -> Build:
    """An issue the size of a real one: 80 KB of HTML, 30 KB of text."""
    story = "<p>The council met for nine hours and agreed on little, people who were in the room said. </p>\n"
    told = "The council met for nine hours and agreed on little, people who were in the room said.\n\n"
    link = "{{unsubscribe_url}}"
    bodies = {
        "subject.txt": b"What happened today\n",
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


def add_readers(app: App, number: int) -> None:
    entry = {"newsletter": "daily", "purpose": "send", "event": "confirmed", "basis": "express", "jurisdiction": "gdpr"}
    entry |= {"source": "bench", "actor": "bench"}
    ids = range(1, number + 1)
    with app.store.write() as connection:
        people = [{"id": i, "address_hash": f"h1:{i:064x}", "address": f"reader{i}@example.com"} for i in ids]
        connection.execute(
            insert(subscribers), [{**p, "first_name": f"Ann{p['id']}", "created_at": SINCE} for p in people]
        )
        rows = [{"newsletter": "daily", "subscriber_id": i, "created_at": SINCE} for i in ids]
        connection.execute(insert(subscriptions), rows)
        entries = [{**entry, "subscriber_id": i, "occurred_at": SINCE, "recorded_at": SINCE} for i in ids]
        connection.execute(insert(consent), entries)


if __name__ == "__main__":
    main()
