"""RFC 8058 one-click POSTs a second, with their p99, while a send runs in a process beside the site.

Prints one JSON line. The plain alternative in the same run: the same site's stylesheet, which touches no database,
under the same load. Needs `wrk` (Debian package); without it the line says so.

    python bench/unsubscribe.py [--seconds N] [--readers N]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from sqlalchemy import func, insert, select

from newsletter.app import App, make_workspace
from newsletter.audience.links import sign_unsubscribe
from newsletter.store.tables import consent, subscribers, subscriptions

PORT = 18_731
CONNECTIONS = 16
SINCE = datetime(2024, 1, 1, tzinfo=UTC)

SCRIPT = """
local tokens = {}
for line in io.lines("%s") do tokens[#tokens + 1] = line end
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init(args) place = number * math.floor(#tokens / %d) end
function request()
  place = place %% #tokens + 1
  return wrk.format("POST", "/u/" .. tokens[place],
    {["Content-Type"] = "application/x-www-form-urlencoded"}, "List-Unsubscribe=One-Click")
end
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--readers", type=int, default=50_000)
    chosen = options.parse_args()
    if shutil.which("wrk") is None:
        print(json.dumps({"bench": "unsubscribe", "skipped": "wrk is not installed"}))
        return
    with tempfile.TemporaryDirectory() as folder:
        app = make_workspace(Path(folder) / "newsroom", sample=True)
        _people(app, chosen.readers)
        script = _script(app, Path(folder), chosen.readers)
        with _site(app.workspace.root), _sending(app.workspace.root) as sending:
            posts = _wrk(chosen.seconds, f"http://127.0.0.1:{PORT}/", script)
            still = sending.poll() is None
            plain = _wrk(chosen.seconds, f"http://127.0.0.1:{PORT}/style.css", None)
        with app.store.read() as connection:
            left = connection.scalar(select(func.count()).select_from(consent).where(consent.c.event == "withdrawn"))
    print(
        json.dumps(
            {
                "bench": "unsubscribe",
                "posts_per_second": posts["per_second"],
                "p99_ms": posts["p99_ms"],
                "failed": posts["failed"],
                "unsubscribed": left,
                "send_still_running": still,
                "plain_per_second": plain["per_second"],
                "ratio": round(posts["per_second"] / plain["per_second"], 3),
                "connections": CONNECTIONS,
            }
        )
    )


def _people(app: App, number: int) -> None:
    rows = range(1, number + 1)
    yes = {"newsletter": "daily", "purpose": "send", "event": "confirmed", "basis": "express", "actor": "reader"}
    yes |= {"jurisdiction": "gdpr", "source": "form"}
    with app.store.write() as connection:
        connection.execute(
            insert(subscribers),
            [{"id": n, "address_hash": f"h1:{n}", "address": f"r{n}@example.org", "created_at": SINCE} for n in rows],
        )
        connection.execute(
            insert(subscriptions), [{"newsletter": "daily", "subscriber_id": n, "created_at": SINCE} for n in rows]
        )
        connection.execute(
            insert(consent), [{**yes, "subscriber_id": n, "occurred_at": SINCE, "recorded_at": SINCE} for n in rows]
        )


def _script(app: App, folder: Path, readers: int) -> Path:
    tokens = folder / "tokens"
    tokens.write_text("".join(f"{sign_unsubscribe(app.keys, n, 'daily', '')}\n" for n in range(1, readers + 1)))
    script = folder / "one-click.lua"
    script.write_text(SCRIPT % (tokens, 2))
    return script


@contextmanager
def _site(root: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "newsletter", "-w", str(root), "serve", "--port", str(PORT)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urlopen(f"http://127.0.0.1:{PORT}/style.css", timeout=1).close()
                break
            except URLError:
                time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.wait(30)


@contextmanager
def _sending(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "newsletter", "-w", str(root), "send", "2024-10-10", "--waive", "DATE=bench"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(4)  # past the imports and the preparing, so that hand-overs are under way
    try:
        yield child
    finally:
        child.terminate()
        child.wait(60)


def _wrk(seconds: int, url: str, script: Path | None) -> dict[str, float]:
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *(["-s", str(script)] if script else [])]
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    if not rate or not late:
        raise SystemExit(said)
    failed = int(bad[1]) if bad else 0
    failed += sum(map(int, lost.groups())) if lost else 0
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[late[2]]
    return {"per_second": round(float(rate[1])), "p99_ms": round(float(late[1]) * unit, 1), "failed": failed}


if __name__ == "__main__":
    main()
