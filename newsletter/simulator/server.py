"""A local Amazon SES v2: it takes mail as SES does, mails nobody, keeps what it got, and publishes signed events.

`run` serves until it is told to stop. `start` runs it as a child process, which is what the demo, tests and benchmarks
do. It listens on loopback only. Unlike SES it publishes events without a configuration set too.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from newsletter.errors import InputError, NewsletterError, Place, Problem

if TYPE_CHECKING:
    from newsletter.simulator.wire import Request, Response

DEFAULT_RATE = 100_000.0
DEFAULT_DAILY = 50_000_000


def run(
    *,
    host: str = "127.0.0.1",
    port: int,
    data: Path,
    rate: float = DEFAULT_RATE,
    daily: float = DEFAULT_DAILY,
    keep_messages: bool = True,
    with_parent: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT (or, `with_parent`, until standard input closes). Port 0 takes a free one.

    Raises InputError for a host that is not this machine, NewsletterError when the port or the folder cannot be had.
    """
    if host != "localhost" and not _is_loopback(host):
        problem = Problem(Place("--host"), f"the simulator binds to loopback only, not to {host}.", "Use 127.0.0.1.")
        raise InputError([problem])
    try:
        data.mkdir(parents=True, exist_ok=True)
        asyncio.run(
            _serve(host, port, Simulator(data, rate=rate, daily=daily, keep_messages=keep_messages), with_parent)
        )
    except OSError as error:
        raise NewsletterError(f"The simulator cannot use port {port} and folder {data}: {error.strerror}.") from None


class Simulator:
    """Where requests go: SES's own paths, the signing certificate, and our control paths."""

    def __init__(self, data: Path, *, rate: float, daily: float, keep_messages: bool) -> None:
        # Imported here: `start` must not cost the parent botocore's and cryptography's loading.
        from newsletter.simulator.account import Account
        from newsletter.simulator.events import Events
        from newsletter.simulator.faults import Faults
        from newsletter.simulator.operations import Ses
        from newsletter.simulator.record import Record, is_mailbox

        self.data = data
        self.url = ""
        self.record = Record(data, keep_messages=keep_messages)
        sent = [
            (datetime.fromisoformat(message.accepted_at).timestamp(), len(message.destination))
            for message in self.record.accepted
            if not is_mailbox(message.destination[0])
        ]
        self.ses = Ses(self.record, Account(rate=rate, daily=daily, sent=sent))
        self.events = Events(self.record.accepted, data)
        self.faults = Faults()

    def handle(self, request: Request) -> Response:
        """Answer one request; never raises."""
        from newsletter.simulator.control import answer_control
        from newsletter.simulator.errors import SesError
        from newsletter.simulator.front import answer_ses
        from newsletter.simulator.wire import as_json

        host = request.headers.get("host", "").rpartition(":")[0].strip("[]") or request.headers.get("host", "")
        if host != "localhost" and not _is_loopback(host):  # a page in a browser may have been led here by its DNS
            return as_json({"message": "This simulator answers only to its loopback address."}, status=403)
        try:
            if request.path.startswith(("/_simulator/", "/SimpleNotificationService-")):
                return answer_control(self, request)
            return answer_ses(self, request)
        except SesError as error:
            return error.response()


async def _serve(host: str, port: int, simulator: Simulator, with_parent: bool) -> None:
    from newsletter.simulator.shapes import routes
    from newsletter.simulator.wire import Connection

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:  # its pipe to us closes when it ends, however it ends
        loop.add_reader(sys.stdin.fileno(), _stop_at_the_end_of_input, stop)
    routes()  # the first request should not wait for the model
    gc.set_threshold(50_000)  # the record only grows: looking it through for garbage is lost time
    connections: set[asyncio.Transport] = set()
    server = await loop.create_server(lambda: Connection(simulator.handle, connections), host, port, backlog=1024)
    bound = server.sockets[0].getsockname()[1]
    simulator.url = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
    print(f"The simulator listens on {simulator.url} and mails nobody.", flush=True)  # noqa: T201 - its one line
    await stop.wait()
    server.close()
    for transport in list(connections):
        transport.close()
    simulator.record.close()


def _stop_at_the_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        stop.set()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Running:
    """A simulator in a child process; it ends with this one, however this one ends."""

    url: str
    data: Path
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """End it cleanly and wait for it."""
        self.process.terminate()
        self.process.communicate()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start(
    data: Path,
    *,
    port: int = 0,
    rate: float = DEFAULT_RATE,
    daily: float = DEFAULT_DAILY,
    keep_messages: bool = True,
) -> Running:
    """Run a simulator in a child process; returns once it listens. Raises NewsletterError when it cannot."""
    data.mkdir(parents=True, exist_ok=True)
    options = {"port": port, "data": str(data), "rate": rate, "daily": daily, "keep_messages": keep_messages}
    log = data / "simulator.log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "newsletter.simulator", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None  # noqa: S101 - Popen's typing, not a check
    ready = re.search(r"http://\S+", process.stdout.readline())
    if ready is None:
        process.kill()
        process.communicate()
        raise NewsletterError(f"The simulator did not start: {log.read_text().strip() or 'no reason given'}")
    return Running(ready[0], data, process)
