"""Service mail and SIGKILL: killed at random moments, nobody gets a mail twice, and whoever is in doubt is named.

What really happened is read from the simulator's own record.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from service_rig import add_reader, ask_for
from sqlalchemy import select
from test_sending_kill import ask, through

from newsletter.app import App, open_app, system_clock
from newsletter.audience.mail_owed import MailKind
from newsletter.feedback.feed import pull
from newsletter.simulator.server import Running, start
from newsletter.store.tables import service_mails

MAILS = 24
KILLS = 3
PROGRAM = """\
import sys
from pathlib import Path
from newsletter.app import open_app
from newsletter.sending.service.post import deliver
app = open_app(Path(sys.argv[1]))
deliver(app.store, app.workspace, app.keys, app.post(), now=app.now)
"""

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL"),
    pytest.mark.sqlite,
]


def test_killed_at_random_moments_no_service_mail_goes_out_twice(
    make_workspace: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chance = random.Random("service mail")
    with start(tmp_path / "simulator", keep_messages=False) as simulator:
        through(simulator, "bulk", monkeypatch)  # service mail goes one by one all the same
        app = open_app(make_workspace(), now=system_clock)
        for number in range(MAILS):
            ask_for(app, MailKind.PRIVATE_LINK, add_reader(app, f"reader{number}@example.org"))
        for kill_at in sorted(chance.sample(range(1, MAILS - 1), KILLS)):
            run(app, simulator, kill_at=kill_at)
        run(app, simulator)
        got = received(simulator)
        found = states(app)
        assert max(got.values()) == 1
        assert Counter(found.values()).keys() <= {"accepted", "uncertain"}
        assert {number for number, state in found.items() if state == "accepted"} <= set(got)
        assert sum(state == "uncertain" for state in found.values()) <= KILLS
        pull(app.store, app.settings, app.keys, now=system_clock)  # who was in doubt and has it, is settled by events
        assert {number for number, state in states(app).items() if state == "accepted"} == set(got)
        app.store.close()


def run(app: App, simulator: Running, *, kill_at: int | None = None) -> None:
    """One process that delivers; killed once the simulator has taken that many mails."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(app.workspace.root)])
    while kill_at is not None and process.poll() is None:
        if ask(simulator, "health")["accepted"] >= kill_at:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.01)
    assert process.wait() in ({0} if kill_at is None else {0, -signal.SIGKILL})


def received(simulator: Running) -> Counter[int]:
    """How often each mail was taken, by the simulator's own record."""
    rows = ask(simulator, "messages?after=0&limit=10000")["messages"]
    return Counter(int(row["tags"]["delivery"].split("-")[1]) for row in rows)


def states(app: App) -> dict[int, str]:
    with app.store.read() as connection:
        return {row.id: row.state for row in connection.execute(select(service_mails.c.id, service_mails.c.state))}
