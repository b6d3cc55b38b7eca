"""Runs the preview on this machine: the pages, and the watch over the files."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import uvicorn

from newsletter.errors import NewsletterError
from newsletter.web.desk.draft import Drafts
from newsletter.web.desk.preview import create_preview
from newsletter.web.desk.screenshots import take

HOST = "127.0.0.1"


@contextmanager
def listening(port: int) -> Iterator[tuple[socket.socket, str]]:
    """A socket on this machine and its address; port 0 takes any free one. Raises NewsletterError."""
    try:
        listener = socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        raise NewsletterError(f"Cannot listen on port {port}: {error}. Name another with --port.") from None
    with listener:
        yield listener, f"http://{HOST}:{listener.getsockname()[1]}"


def show(drafts: Drafts, listener: socket.socket) -> None:
    """Serve until interrupted; the page follows the files."""
    stop = Event()
    watching = Thread(target=drafts.follow, args=(stop,), name="watch", daemon=True)
    watching.start()
    try:
        _Server(drafts).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        watching.join(timeout=5)


def photograph(drafts: Drafts, listener: socket.socket, url: str, folder: Path) -> list[Path]:
    """Screenshots of the issue as it is; the files written. Raises Refused."""
    server = _Server(drafts)
    serving = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    serving.start()
    try:
        return take(url, folder)
    finally:
        server.should_exit = True
        drafts.end()
        serving.join(timeout=10)


class _Server(uvicorn.Server):
    """Ends at once: pages that wait for a change are told that none will come."""

    def __init__(self, drafts: Drafts) -> None:
        config = uvicorn.Config(
            create_preview(drafts), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        super().__init__(config)
        self._drafts = drafts

    def handle_exit(self, sig: int, frame: object) -> None:
        self._drafts.end()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]
