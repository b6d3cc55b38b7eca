"""The clock as people run it: `newsletter run` and `newsletter clock`, real processes that end when they are told."""

from __future__ import annotations

import email.policy
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.parser import BytesParser
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import insert, select

from newsletter.app import App, open_app
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.errors import Refused
from newsletter.store.tables import service_mails, signups, subscribers
from newsletter.transports.mail import Quota
from newsletter.transports.outbox import OutboxTransport
from newsletter.work.clock import Clock
from newsletter.work.rings import RINGS, Desk, Ring

PATIENCE = 120  # seconds until a test gives up on another process


@contextmanager
def running(root: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A `newsletter` command in that workspace; killed if the test leaves it running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "newsletter", "-w", str(root), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def mail(app: App, number: int) -> str:
    """The text of the nth mail, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        files = sorted((app.workspace.outbox / "service").glob("*.eml"))
        if len(files) >= number:
            found = BytesParser(policy=email.policy.default).parsebytes(files[number - 1].read_bytes())
            part = found.get_body(("plain",))
            assert part is not None
            return str(part.get_content())
        time.sleep(0.05)
    raise AssertionError(f"there is no mail {number}")


def owe_a_link(app: App, number: int = 1) -> None:
    row = {"id": number, "address_hash": f"h1:{number:064x}", "address": f"reader{number}@example.org"}
    with app.store.write() as connection:
        connection.execute(insert(subscribers).values(created_at=app.now(), **row))
        about = {"request": f"r{number}", "detail": f"{number:016x}"}
        owe(connection, MailKind.PRIVATE_LINK, number, "daily", now=app.now(), **about)


def states(app: App) -> list[str]:
    with app.store.read() as connection:
        return list(connection.scalars(select(service_mails.c.state).order_by(service_mails.c.id)))


def test_who_signs_up_gets_her_confirmation_confirms_it_and_is_welcomed(make_workspace: Callable[..., Path]) -> None:
    """All of it through HTTP and the outbox, with one process running; SIGTERM ends it in good order."""
    root = make_workspace()
    app = open_app(root)
    with running(root, "run", "--port", "0") as process:
        address = next(word for word in said(process).split() if word.startswith("http://"))
        fields = {"email": "ada@example.org", "newsletter.daily": "1"}
        assert httpx2.post(f"{address}/signup", data=fields).status_code == 200
        link = re.search(r"https://news\.example\.org(/c/\S+)", mail(app, 1))
        assert link is not None
        assert httpx2.get(address + link[1]).status_code == 200
        assert httpx2.post(address + link[1], data={}).status_code == 200
        assert "Welcome to The Meridian" in mail(app, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "Stopped.\n"
    assert states(app) == ["accepted", "accepted"]
    app.store.close()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_clock_alone_sends_what_is_owed_and_ends_when_told(
    make_workspace: Callable[..., Path], end: signal.Signals
) -> None:
    root = make_workspace()
    app = open_app(root)
    owe_a_link(app)
    with running(root, "clock") as process:
        assert "The clock runs" in said(process)
        assert "Your private link" in mail(app, 1)
        process.send_signal(end)
        assert process.wait(PATIENCE) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "Stopped.\n"
    app.store.close()


def test_serve_alone_says_who_sends_the_mails(make_workspace: Callable[..., Path]) -> None:
    with running(make_workspace(), "serve", "--port", "0") as process:
        assert "`newsletter run`" in said(process)
        assert "Serving the readers' pages" in said(process)


@dataclass
class Moody(OutboxTransport):
    """An outbox that says no for a while."""

    path: Path
    refusals: int = 0
    asked: int = 0
    taken: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(self.path)

    def quota(self) -> Quota:
        self.asked += 1
        if self.asked <= self.refusals:
            raise Refused("Amazon SES does not say what it allows:\ntry again.")
        self.taken.set()
        return super().quota()


def ring(name: str) -> Ring:
    return next(ring for ring in RINGS if ring.name == name)


def clock_of(app: App, transport: OutboxTransport) -> Clock:
    return Clock(Desk(app.store, app.workspace, app.keys, transport, transport, app.now))


def test_what_fails_is_said_in_one_line_and_once_and_the_clock_goes_on(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    transport = Moody(app.workspace.outbox, refusals=3)
    owe_a_link(app)
    clock = clock_of(app, transport)
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            clock.strike(ring("post"))
    assert [record.getMessage() for record in caplog.records] == [
        "service mail: Amazon SES does not say what it allows: try again."
    ]
    assert states(app) == ["accepted"]


def test_a_defect_in_one_kind_of_work_is_one_line_without_anybodys_data(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    def burst(_desk: Desk) -> None:
        raise KeyError("ada@example.org")

    with caplog.at_level(logging.ERROR):
        clock_of(app, Moody(app.workspace.outbox)).strike(Ring("tidy", "tidying up", 1, burst))
    [record] = caplog.records
    assert record.getMessage().startswith("tidying up: a defect: KeyError in burst, line")
    assert "ada@" not in record.getMessage()


def test_woken_it_looks_at_once_and_leaving_it_finishes_what_is_under_way(app: App) -> None:
    transport = Moody(app.workspace.outbox)
    with clock_of(app, transport) as clock:
        owe_a_link(app)
        clock.wake()
        assert transport.taken.wait(PATIENCE)
    assert states(app) == ["accepted"]
    clock.wake()  # a late POST, when all is over, is no error


def test_an_hourly_ring_takes_away_what_is_over(app: App) -> None:
    owe_a_link(app)
    row = {"subscriber_id": 1, "newsletters": '["daily"]', "lang": "en", "source": "form"}
    with app.store.write() as connection:
        connection.execute(insert(signups).values(requested_at=app.now() - timedelta(days=8), **row))
    clock = clock_of(app, Moody(app.workspace.outbox))
    clock.strike(ring("tidy"))
    with app.store.read() as connection:
        assert connection.execute(select(signups)).all() == []


def test_it_takes_away_what_a_killed_rehearsal_left(app: App) -> None:
    left = app.workspace.root / "var" / "rehearsals" / "999999999-old"
    left.mkdir(parents=True)
    (left / "newsletter.db").write_text("addresses")
    clock_of(app, Moody(app.workspace.outbox)).strike(ring("tidy"))
    assert not left.exists()
