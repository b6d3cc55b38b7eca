"""The rate law with real processes: what the simulator saw, by the arrival times in its own record.

    python bench/rate.py [--seconds 30] [--bulk 500] [--raw 60]

Over any ten seconds never more than the account's quota, and on average at least 97 % of the set rate (quota x margin),
with 1, 2 and 4 `newsletter worker` processes, with two newsletters at once, and with two `newsletter send`s that know
nothing of each other. Prints a JSON line for each case. The mean leaves out the first and the last two seconds; that
the simulator throttles by the same quota makes a burst cost the mean as well.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

from campaign import add_readers, made_up, postgresql, put_back

from newsletter.app import App, make_workspace, open_app, system_clock
from newsletter.rendering.freeze import freeze
from newsletter.sending import sends
from newsletter.sending.send import begin
from newsletter.sending.sends import FINISHED, State
from newsletter.simulator.server import Running, start

MARGIN = 0.9
WINDOW, LEAST = 10.0, 0.97
LEFT_OUT = 2.0  # seconds at each end that the mean leaves out


@dataclass(frozen=True)
class Case:
    """Who sends what."""

    mode: str
    quota: float
    workers: int  # 0: a plain `newsletter send` for each newsletter
    newsletters: int
    database: str = "postgresql"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--bulk", type=float, default=500.0, help="the quota of the bulk cases")
    options.add_argument("--raw", type=float, default=60.0, help="the quota of the raw cases")
    asked = options.parse_args()
    good = True
    for case in cases(asked.bulk, asked.raw):
        with tempfile.TemporaryDirectory() as folder:
            found = measure(case, Path(folder), asked.seconds)
        good = good and bool(found["holds"])
        print(json.dumps({"bench": "rate", **asdict(case), **found}), flush=True)
    raise SystemExit(0 if good else 1)


def cases(bulk: float, raw: float) -> Iterator[Case]:
    for workers in (1, 2, 4):
        yield Case("bulk", bulk, workers, 1)
    yield Case("bulk", bulk, 4, 2)
    yield Case("bulk", bulk, 0, 2)
    for workers in (1, 4):
        yield Case("raw", raw, workers, 2)
    yield Case("bulk", bulk, 0, 2, "sqlite")


def measure(case: Case, folder: Path, seconds: float) -> dict[str, object]:
    """One case in a newsroom of its own."""
    rate = case.quota * MARGIN
    readers = int(seconds * rate / case.newsletters)
    with ExitStack() as after:
        url = after.enter_context(postgresql()) if case.database == "postgresql" else None
        simulator = after.enter_context(start(folder / "simulator", rate=case.quota, keep_messages=False))
        after.enter_context(settings_of(case, simulator, url))
        app = newsroom(folder / "newsroom", case, readers)
        after.callback(app.store.close)
        processes = [
            subprocess.Popen([sys.executable, "-m", "newsletter", "-w", str(app.workspace.root), *words])
            for words in begun(app, case)
        ]
        try:
            until_settled(app, case, seconds)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait()
        with urlopen(f"{simulator.url}/_simulator/health") as answer:
            accepted = json.load(answer)["accepted"]
        if accepted != readers * case.newsletters:
            raise SystemExit(f"{accepted} of {readers * case.newsletters} mails came.")
        moments = arrivals(simulator)
    return judged(moments, case.quota)


@contextmanager
def settings_of(case: Case, simulator: Running, url: str | None) -> Iterator[None]:
    """The environment all processes of the case find."""
    settings = {
        "NEWSLETTER_TRANSPORT__KIND": "ses",
        "NEWSLETTER_SES__ENDPOINT_URL": simulator.url,
        "NEWSLETTER_SES__MODE": case.mode,
        "NEWSLETTER_SES__RATE_MARGIN": str(MARGIN),
        **({"NEWSLETTER_STORE__URL": url} if url else {}),
    }
    earlier = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        put_back(earlier)


def newsroom(root: Path, case: Case, readers: int) -> App:
    """Each newsletter has readers of its own."""
    app = make_workspace(root)
    config = root / "config.toml"
    text = config.read_text()
    first = text[text.index("[newsletters.daily]") :]
    others = [first.replace("newsletters.daily", f"newsletters.{name}") for name in names(case)[1:]]
    config.write_text("\n".join([text, *others]))
    app.store.close()
    app = open_app(root)
    for number, name in enumerate(names(case)):
        add_readers(app, readers, first=number * readers + 1, newsletter=name)
    return app


def names(case: Case) -> list[str]:
    return ["daily", "weekly"][: case.newsletters]


def begun(app: App, case: Case) -> Iterator[list[str]]:
    """Every newsletter's send, prepared; and the commands that hand them over."""
    for name in names(case):
        build = made_up(f"rate-{name}", newsletter=name)
        freeze(app.store, app.workspace, build, now=system_clock())
        begin(app.store, app.workspace, app.transport(), build, person="bench", now=system_clock)
        if case.workers == 0:
            yield ["send", build.issue, "--json"]
    yield from [["worker"]] * case.workers


def until_settled(app: App, case: Case, seconds: float) -> None:
    end = time.monotonic() + 3 * seconds + 60
    while True:
        with app.store.read() as connection:
            found = [send for name in names(case) for send in sends.of_issue(connection, f"rate-{name}")]
        if all(send.state in FINISHED for send in found):
            return
        if time.monotonic() > end or any(send.state is State.HELD for send in found):
            raise SystemExit(f"It does not come to an end: {found}")
        time.sleep(0.5)


def arrivals(simulator: Running) -> list[float]:
    """When each message came, in order."""
    lines = (simulator.data / "record.jsonl").read_text().splitlines()
    found = [datetime.fromisoformat(json.loads(line)["accepted_at"]) for line in lines]
    return sorted(moment.astimezone(UTC).timestamp() for moment in found)


def judged(moments: list[float], quota: float) -> dict[str, object]:
    first, last = moments[0] + LEFT_OUT, moments[-1] - LEFT_OUT
    mean = (bisect_right(moments, last) - bisect_right(moments, first)) / (last - first)
    worst = max(bisect_right(moments, at + WINDOW) - index for index, at in enumerate(moments))
    rate = quota * MARGIN
    return {
        "readers": len(moments),
        "set_rate": rate,
        "mean": round(mean, 1),
        "of_set_rate": round(mean / rate, 4),
        "worst_ten_seconds": worst,
        "of_quota": round(worst / (WINDOW * quota), 4),
        "holds": worst <= WINDOW * quota and mean >= LEAST * rate,
    }


if __name__ == "__main__":
    main()
