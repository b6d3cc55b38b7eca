"""A send as its person sees it: a cold process, from Enter to the first hand-over and to the end, and its memory.

    python bench/cold.py [READERS ...]

Prints one JSON line, with an entry for each number of readers. It is `newsletter send`, typed, by bulk to the
simulator: start-up, checks, preparing the audience and all. Beside each, in the same run, a process that reads the same
addresses from a plain table and hands them to a bare boto3 `send_bulk_email` loop.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from audience import fill

from newsletter.app import make_workspace
from newsletter.simulator.server import Running, start

ISSUE = "2024-10-10"
DEFINITION = f"""\
newsletter = "daily"
date = {ISSUE}
subject = "What the council decided in its long night"
preheader = "And what comes next"

[[blocks]]
type = "intro"
body = "{"The council met for nine hours and agreed on little. " * 40}"
"""
BARE = """\
import json, sqlite3, sys
from concurrent.futures import ThreadPoolExecutor
import boto3
from botocore.config import Config
file, url = sys.argv[1:]
session = boto3.session.Session("local", "local", region_name="us-east-1")
client = session.client("sesv2", endpoint_url=url, config=Config(max_pool_connections=8))
content = {"Subject": "News", "Html": "<p>News</p>", "Text": "News"}
client.create_email_template(TemplateName="bare", TemplateContent=content)
def call(addresses):
    client.send_bulk_email(FromEmailAddress="daily@news.example.org",
        DefaultContent={"Template": {"TemplateName": "bare", "TemplateData": "{}"}},
        BulkEmailEntries=[{"Destination": {"ToAddresses": [address]}} for address in addresses])
found = [row[0] for row in sqlite3.connect(file).execute("SELECT address FROM plain WHERE status = 'subscribed'")]
with ThreadPoolExecutor(8) as pool:
    list(pool.map(call, (found[first:first + 50] for first in range(0, len(found), 50))))
"""


@dataclass(frozen=True)
class Timed:
    first: float  # seconds to the first hand-over
    whole: float
    peak_mb: int
    readers: int

    def figures(self, prefix: str = "") -> dict[str, Any]:
        found = {"first_seconds": round(self.first, 2), "seconds": round(self.whole, 2), "peak_mb": self.peak_mb}
        return {f"{prefix}{name}": value for name, value in {**found, "handed_over": self.readers}.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("readers", type=int, nargs="*", default=[10_000, 100_000])
    found = []
    for readers in options.parse_args().readers:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(Path(folder), readers))
    print(json.dumps({"bench": "cold", "runs": found}))


def measure(folder: Path, readers: int) -> dict[str, Any]:
    root = folder / "newsroom"
    app = make_workspace(root)
    fill(app.store, readers)
    app.store.close()
    (root / "issues" / ISSUE).mkdir()
    (root / "issues" / ISSUE / "issue.toml").write_text(DEFINITION, encoding="utf-8")
    send = [sys.executable, "-m", "newsletter", "-w", str(root), "send", ISSUE, "--as", "Ann", "--json"]
    send += ["--waive", "DATE=measured"]
    with start(folder / "simulator", keep_messages=False) as simulator:
        settings = {"TRANSPORT__KIND": "ses", "SES__ENDPOINT_URL": simulator.url, "SES__MODE": "bulk"}
        settings = {f"NEWSLETTER_{name}": value for name, value in settings.items()}
        ours = _run(send, simulator, {**settings, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"})
    with start(folder / "simulator-2", keep_messages=False) as simulator:
        bare = _run([sys.executable, "-c", BARE, str(root / "var" / "newsletter.db"), simulator.url], simulator, {})
    return {"readers": readers, **ours.figures(), **bare.figures("bare_")}


def _run(command: list[str], simulator: Running, settings: dict[str, str]) -> Timed:
    begun, first = time.perf_counter(), 0.0
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, env={**os.environ, **settings}, stdout=said, stderr=said) as child,
    ):
        while True:
            process, status, used = os.wait4(child.pid, os.WNOHANG)
            if not first and _accepted(simulator):
                first = time.perf_counter() - begun
            if process:
                break
            time.sleep(0.02)
        whole = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode())
    return Timed(first, whole, _peak_mb(used), _accepted(simulator))


def _peak_mb(used: resource.struct_rusage) -> int:
    return used.ru_maxrss // 1024


def _accepted(simulator: Running) -> int:
    with urlopen(f"{simulator.url}/_simulator/health", timeout=10) as answer:
        return int(json.load(answer)["accepted"])


if __name__ == "__main__":
    main()
