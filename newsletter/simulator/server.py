"""A local Amazon SES v2: it takes mail as SES does, mails nobody, keeps what it got, and publishes signed events.

`run` serves until it is told to stop. `start` runs it as a child process, which is what the demo, tests and benchmarks
do. It listens on loopback only. Unlike SES it publishes events without a configuration set too.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from newsletter.errors import InputError, NewsletterError, Place, Problem
from newsletter.simulator.loopback import is_loopback

if TYPE_CHECKING:
    from newsletter.simulator.script import Script
    from newsletter.simulator.wire import Request, Response

DEFAULT_RATE = 100_000.0
DEFAULT_DAILY = 50_000_000
_TURNS_TO_MAKE_A_CONNECTION = 5  # of asyncio's loop: accepted, transport, protocol, and some to spare


def run(
    *,
    host: str = "127.0.0.1",
    port: int,
    data: Path,
    rate: float = DEFAULT_RATE,
    daily: float = DEFAULT_DAILY,
    keep_messages: bool = True,
    script: Script | None = None,
    subscribers: Subscribers | None = None,
    with_parent: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT (or, `with_parent`, until standard input closes). Port 0 takes a free one.

    Raises InputError for a host that is not this machine, NewsletterError when the port or the folder cannot be had.
    """
    if not is_loopback(host):
        problem = Problem(Place("--host"), f"the simulator binds to loopback only, not to {host}.", "Use 127.0.0.1.")
        raise InputError([problem])
    subscribers = subscribers or Subscribers()
    subscribers.check()
    try:
        data.mkdir(parents=True, exist_ok=True)
        simulator = Simulator(data, rate=rate, daily=daily, keep_messages=keep_messages)
        if script is not None:
            simulator.act(script)
        asyncio.run(_serve(host, port, simulator, subscribers=subscribers, with_parent=with_parent))
    except OSError as error:
        raise NewsletterError(f"The simulator cannot use port {port} and folder {data}: {error.strerror}.") from None


@dataclass(frozen=True)
class Subscribers:
    """Who gets events pushed from the start."""

    endpoints: tuple[str, ...] = ()
    queue: str | None = None  # an SQS queue's address
    queue_endpoint: str = ""  # the server it is at, if its address does not say

    def check(self) -> None:
        """Raises InputError for whoever is not on this machine."""
        from newsletter.simulator.errors import SesError
        from newsletter.simulator.push import checked

        named = [("--sns", endpoint) for endpoint in self.endpoints]
        named += [("--sqs", self.queue_endpoint or self.queue)] if self.queue else []
        for option, endpoint in named:
            try:
                checked(endpoint)
            except SesError as error:
                raise InputError([Problem(Place(option), error.message)]) from None


class Simulator:
    """Where requests go: SES's own paths, the inbox, the signing certificate, and our control paths."""

    def __init__(self, data: Path, *, rate: float, daily: float, keep_messages: bool) -> None:
        # Imported here: `start` must not cost the parent botocore's and cryptography's loading.
        from newsletter.simulator.account import Account
        from newsletter.simulator.events import Events
        from newsletter.simulator.faults import Faults
        from newsletter.simulator.operations import Ses
        from newsletter.simulator.pages import Inbox
        from newsletter.simulator.push import Push
        from newsletter.simulator.record import Record, is_mailbox

        self.data = data
        self.url = ""
        self.go_away: Callable[[float], None] = lambda seconds: None
        self.record = Record(data, keep_messages=keep_messages)
        sent = [
            (datetime.fromisoformat(message.accepted_at).timestamp(), len(message.destination))
            for message in self.record.accepted
            if not is_mailbox(message.destination[0])
        ]
        self._rate, self._daily = rate, daily
        self.ses = Ses(self.record, Account(rate=rate, daily=daily, sent=sent))
        self.events = Events(self.record, data)
        self.push = Push(self.events)
        self.inbox = Inbox(self.record, self.events, data)
        self.faults = Faults()

    def act(self, script: Script) -> None:
        """From now on everything is as this script says; what was ordered before is forgotten."""
        from newsletter.simulator.faults import Faults

        self.faults = Faults(seed=script.seed)
        for fault in script.faults:
            self.faults.order(fault)
        account, said = self.ses.account, script.account
        account.rate, account.daily = said.rate or self._rate, said.daily or self._daily
        account.sandbox = said.sandbox
        self.ses.identities.add(said.verified)
        self.ses.suppressions.add(said.suppressed)
        self.ses.fates.script(script.seed, script.recipients, script.events)
        self.push.script = script.sns
        self.events.signer.version = script.sns.signature

    def handle(self, request: Request) -> Response:
        """Answer one request; never raises."""
        from newsletter.simulator.control import answer_control, answer_sns
        from newsletter.simulator.errors import SesError
        from newsletter.simulator.front import answer_ses
        from newsletter.simulator.wire import as_json

        if not _is_here(request):
            return as_json({"message": "This simulator answers only to its loopback address."}, status=403)
        path = request.path
        try:
            if path.startswith("/v2/"):
                return answer_ses(self, request)
            if path.startswith(("/_simulator/", "/SimpleNotificationService-")):
                return answer_control(self, request)
            confirmed = answer_sns(self, request) if path == "/" else None
            return confirmed or self.inbox.answer(request)
        except SesError as error:
            return error.response()


def _is_here(request: Request) -> bool:
    """Whether it was asked by its own address: a page in a browser may have been led here by its DNS."""
    named = request.headers.get("host", "")
    return is_loopback(named.rpartition(":")[0].strip("[]") or named)


async def _serve(host: str, port: int, simulator: Simulator, *, subscribers: Subscribers, with_parent: bool) -> None:
    from newsletter.simulator.shapes import routes

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:  # its pipe to us closes when it ends, however it ends
        loop.add_reader(sys.stdin.fileno(), _stop_at_the_end_of_input, stop)
    routes()  # the first request should not wait for the model
    gc.set_threshold(50_000)  # the record only grows: looking it through for garbage is lost time
    door = _Door(simulator, host)
    bound = await door.open(port)
    simulator.go_away = door.close_for
    simulator.url = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
    print(f"The simulator listens on {simulator.url} and mails nobody.", flush=True)  # noqa: T201 - its one line
    for endpoint in subscribers.endpoints:
        simulator.push.subscribe(endpoint, url=simulator.url)
    if subscribers.queue:
        simulator.push.feed(subscribers.queue, subscribers.queue_endpoint or subscribers.queue, url=simulator.url)
    await stop.wait()
    door.close()
    await simulator.push.close()
    simulator.record.close()


class _Door:
    """The listening socket, which an outage closes for a while: nobody answers at its port then."""

    def __init__(self, simulator: Simulator, host: str) -> None:
        self._simulator = simulator
        self._host, self._port = host, 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Transport] = set()
        self._outage: asyncio.Task[None] | None = None
        self._stopped = False

    async def open(self, port: int) -> int:
        from newsletter.simulator.wire import Connection

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._simulator.handle, self._connections), self._host, port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    def close(self) -> None:
        self._stopped = True
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self._connections):
            transport.close()

    def close_for(self, seconds: float) -> None:
        """Refuse every connection, and cut those there are, for so long."""
        server, self._server = self._server, None
        if server is not None:
            self._outage = asyncio.ensure_future(self._be_away(server, seconds))

    async def _be_away(self, server: asyncio.Server, seconds: float) -> None:
        # asyncio forgets, open for ever, a connection it had taken in but not yet made when the server was closed.
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(_TURNS_TO_MAKE_A_CONNECTION):
            await asyncio.sleep(0)
        server.close()
        for transport in list(self._connections):
            transport.abort()
        await asyncio.sleep(seconds)
        if not self._stopped:
            await self.open(self._port)


def _stop_at_the_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        stop.set()


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
    faults: Path | None = None,
) -> Running:
    """Run a simulator in a child process; returns once it listens. Raises NewsletterError when it cannot."""
    data.mkdir(parents=True, exist_ok=True)
    options = {"port": port, "data": str(data), "rate": rate, "daily": daily, "keep_messages": keep_messages}
    options |= {"faults": str(faults.resolve()) if faults else None}
    log = data / "simulator.log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "newsletter.simulator", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            process_group=0,  # Ctrl-C is for whoever started it, which then ends it
        )
    assert process.stdout is not None  # noqa: S101 - Popen's typing, not a check
    ready = re.search(r"http://\S+", process.stdout.readline())
    if ready is None:
        process.kill()
        process.communicate()
        raise NewsletterError(f"The simulator did not start: {log.read_text().strip() or 'no reason given'}")
    return Running(ready[0], data, process)
