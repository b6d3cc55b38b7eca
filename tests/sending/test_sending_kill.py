"""Invariant 2, with real kills: SIGKILL at random moments loses nobody, doubles nobody, and names who is in doubt.

What really happened is read from the simulator's own record. `KILLS=40 pytest tests/sending/test_sending_kill.py` is
the long form.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from sending_rig import ISSUE, add_readers, frozen, make_build

from newsletter.app import App, open_app, system_clock
from newsletter.feedback.feed import pull
from newsletter.sending import sends
from newsletter.sending.accounts import account, in_doubt
from newsletter.sending.control import resolve_uncertain
from newsletter.sending.sends import Send, State
from newsletter.simulator.server import Running, start

CHILD = Path(__file__).with_name("sending_child.py")
KILLS = int(os.environ.get("KILLS", "3"))
READERS = {"bulk": 2_000, "raw": 2_000 if KILLS > 3 else 400}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


class Senders:
    """Sending processes, one after the other."""

    def __init__(self, process: subprocess.Popen[str], simulator: Running) -> None:
        assert process.stdin
        assert process.stdout
        self.orders, self.news, self.simulator = process.stdin, process.stdout, simulator

    def begin(self) -> int:
        """Let one send; its process number."""
        self.orders.write("send\n")
        self.orders.flush()
        return int(self.news.readline())

    def run(self, *, kill_at: int | None = None) -> int:
        """Let one send; kill it once the simulator has accepted that many messages. Its wait status."""
        number = self.begin()
        while kill_at is not None:
            if ask(self.simulator, "health")["accepted"] >= kill_at:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
                break
            if ended(number):
                break
            time.sleep(0.005)  # every look costs both sides a request
        return int(self.news.readline())


@pytest.mark.parametrize("mode", ["bulk", "raw"])
def test_killed_at_random_moments_nobody_is_doubled_or_lost(
    mode: str, make_workspace: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chance = random.Random(f"{mode} {KILLS}")
    readers = READERS[mode]
    with start(tmp_path / "simulator", keep_messages=False) as simulator:
        through(simulator, mode, monkeypatch)
        root = make_workspace()
        app = open_app(root)
        add_readers(app, readers)
        build = frozen(app, make_build())
        with senders(root, build.hash, simulator) as sending:
            for kill_at in sorted(chance.randrange(readers) for _ in range(KILLS)):
                sending.run(kill_at=kill_at)
            assert os.waitstatus_to_exitcode(sending.run()) in {0, 1}  # 1: the last kill came too late
            send = the_send(app)
            those_in_doubt_are_listed_and_the_rest_have_it_once(app, send, simulator, readers)
            events_settle_who_really_had_it(app, send, simulator)
            if resolve_uncertain(app.store, send.id, "resend", person="ann", now=system_clock()):
                assert os.waitstatus_to_exitcode(sending.run()) == 0
        assert received(simulator) == Counter(range(1, readers + 1))
        assert the_send(app).state is State.DONE
        app.store.close()


def test_two_processes_side_by_side_send_each_reader_one_mail(
    make_workspace: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    readers = 1_500
    with start(tmp_path / "simulator", keep_messages=False) as simulator:
        through(simulator, "bulk", monkeypatch)
        root = make_workspace()
        app = open_app(root)
        add_readers(app, readers)
        build = frozen(app, make_build())
        with senders(root, build.hash, simulator) as one, senders(root, build.hash, simulator) as other:
            one.begin()
            other.begin()
            ends = {os.waitstatus_to_exitcode(int(sending.news.readline())) for sending in (one, other)}
        assert ends <= {0, 1}  # 1: it came when all was done
        assert received(simulator) == Counter(range(1, readers + 1))
        send = the_send(app)
        with app.store.read() as connection:
            assert account(connection, send.id).accepted == readers
        assert send.state is State.DONE
        app.store.close()


def those_in_doubt_are_listed_and_the_rest_have_it_once(app: App, send: Send, simulator: Running, readers: int) -> None:
    got = received(simulator)
    with app.store.read() as connection:
        found = account(connection, send.id)
        doubtful = {row.subscriber_id: row.address for row in in_doubt(connection, send.id)}
    assert send.state is State.DONE
    assert max(got.values()) == 1
    assert found.audience == readers == found.accepted + found.uncertain
    assert len(doubtful) == found.uncertain
    assert set(range(1, readers + 1)) - set(got) <= set(doubtful)
    assert all(address == f"reader{reader}@example.com" for reader, address in doubtful.items())


def events_settle_who_really_had_it(app: App, send: Send, simulator: Running) -> None:
    pull(app.store, app.settings, app.keys, now=system_clock)
    got = set(received(simulator))
    with app.store.read() as connection:
        doubtful = {row.subscriber_id for row in in_doubt(connection, send.id)}
        found = account(connection, send.id)
    assert not doubtful & got
    assert found.accepted == len(got)


def through(simulator: Running, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, by the environment, that lead to this simulator."""
    monkeypatch.setenv("NEWSLETTER_TRANSPORT__KIND", "ses")
    monkeypatch.setenv("NEWSLETTER_SES__ENDPOINT_URL", simulator.url)
    monkeypatch.setenv("NEWSLETTER_SES__MODE", mode)
    monkeypatch.setenv("NEWSLETTER_FEEDBACK__SIMULATOR_URL", simulator.url)


@contextmanager
def senders(root: Path, build: str, simulator: Running) -> Iterator[Senders]:
    command = [sys.executable, str(CHILD), str(root), build]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Senders(process, simulator)


def ended(number: int) -> bool:
    """Whether that process is over, though nobody may have waited for it yet."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def received(simulator: Running) -> Counter[int]:
    """How often each reader was mailed, by the simulator's own record."""
    got: Counter[int] = Counter()
    after = 0
    while rows := ask(simulator, f"messages?after={after}&limit=10000")["messages"]:
        after += len(rows)
        got.update(int(row["tags"]["delivery"].split("-")[1]) for row in rows)
    return got


def ask(simulator: Running, path: str) -> dict[str, Any]:
    with urlopen(f"{simulator.url}/_simulator/{path}") as response:
        found: dict[str, Any] = json.load(response)
        return found


def the_send(app: App) -> Send:
    with app.store.read() as connection:
        (send,) = sends.of_issue(connection, ISSUE)
        return send
