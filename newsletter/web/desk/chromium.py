"""One headless Chromium, asked over its pipe (the DevTools protocol: JSON messages, each ended by a NUL).

One start serves all pictures of an issue: starting takes longer than drawing.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from newsletter.errors import Refused

_SECONDS = 60
_NO_PICTURE = "Chromium could not show the issue. Look at it in a browser with: newsletter preview"
_QUIET = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


# What it reads is to be its descriptor 3, and what it writes its 4.
_BY_PIPE = 'told=$1 said=$2; shift 2; exec "$@" 3<"/dev/fd/$told" 4>"/dev/fd/$said"'


@contextmanager
def running(program: str, profile: str) -> Iterator[Chromium]:
    """The browser, with that folder for its own files; ended afterwards. Raises Refused."""
    # As root it starts without its sandbox only; the page is our own, and has no scripts but ours.
    alone = ("--no-sandbox",) if os.geteuid() == 0 else ()
    hers_in, told = _pipe()
    said, hers_out = _pipe()
    words = [program, *_QUIET, *alone, f"--user-data-dir={profile}", "about:blank"]
    command = ["/bin/sh", "-c", _BY_PIPE, "sh", str(hers_in), str(hers_out), *words]
    with _started(command, hers_in, hers_out) as process:
        try:
            yield Chromium(told, said)
        finally:
            with suppress(OSError):
                os.write(told, b'{"id": 0, "method": "Browser.close"}\0')
            os.close(told)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            os.close(said)


def _started(command: list[str], *ends: int) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, pass_fds=ends, stdin=quiet, stdout=quiet, stderr=quiet)  # noqa: S603
    except OSError as error:
        raise Refused(f"Chromium cannot be started: {error.strerror}.") from None
    finally:
        for end in ends:
            os.close(end)


def _pipe() -> tuple[int, int]:
    """With numbers above those that the browser's ends are to have."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


class Chromium:
    """A browser with one page."""

    def __init__(self, told: int, said: int) -> None:
        self._told, self._said = told, said  # the two ends of its pipe that are ours
        self._rest, self._count, self._until = b"", 0, time.monotonic() + _SECONDS
        self._session = ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")

    def open(self, url: str, *, width: int) -> int:
        """Show a page that says its height in its title, in a window of that width; the height. Raises Refused."""
        self._until = time.monotonic() + _SECONDS
        self._window(width, 800)
        self._ask("Page.navigate", url=url)
        there = f"location.href === {json.dumps(url)} ? document.title : ''"
        while not (title := self._evaluate(there)).isdecimal():
            if time.monotonic() > self._until:
                raise Refused(_NO_PICTURE)
            time.sleep(0.02)
        return int(title)

    def picture(self, *, width: int, height: int) -> bytes:
        """A PNG of the page from its top. Raises Refused."""
        self._until = time.monotonic() + _SECONDS
        self._window(width, height)
        shot = self._ask("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])

    def _window(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)

    def _evaluate(self, expression: str) -> str:
        found = self._ask("Runtime.evaluate", expression=expression)["result"]
        return str(found.get("value", ""))

    def _ask(self, method: str, **fields: object) -> Any:
        self._count += 1
        message = {"id": self._count, "method": method, "params": fields}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._told, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise Refused(_NO_PICTURE) from None
        while True:
            answer = self._hear()
            if answer.get("id") == self._count:
                if "result" not in answer:
                    raise Refused(_NO_PICTURE)
                return answer["result"]

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._said], [], [], max(self._until - time.monotonic(), 0))
            if not ready:
                raise Refused(f"Chromium did not answer within {_SECONDS} seconds.")
            heard = os.read(self._said, 1 << 20)
            if not heard:
                raise Refused(_NO_PICTURE)
            self._rest += heard
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found
