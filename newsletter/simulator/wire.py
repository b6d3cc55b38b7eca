"""Just enough HTTP/1.1 for SDK clients on loopback: whole requests in, whole responses out, connections kept alive.

Written on asyncio's protocols because the simulator must do what web frameworks prevent: drop a connection after the
work was done, and answer tens of thousands of recipients a second beside the sender it serves on the same two cores.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One whole request; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: str = "127.0.0.1"


@dataclass(frozen=True)
class Response:
    """One whole response. `drop` closes the connection instead of answering; `delay` waits first."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    delay: float = 0.0

    def wire(self, *, close: bool) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}", f"Content-Type: {self.content_type}"]
        lines += [f"Content-Length: {len(self.body)}", *(f"{name}: {value}" for name, value in self.headers.items())]
        if close:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + self.body


def as_json(value: object, *, status: int = 200) -> Response:
    """A JSON response."""
    return Response(status, json.dumps(value).encode())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class BadHttp(Exception):
    """Bytes that are no request we serve; the status says why."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(str(status))


@dataclass(frozen=True)
class _Head:
    method: str
    target: str
    headers: dict[str, str]
    length: int


class Connection(asyncio.Protocol):
    """One client's connection: requests are answered one after another."""

    def __init__(self, handler: Callable[[Request], Response], open_ones: set[asyncio.Transport]) -> None:
        self._handler = handler
        self._open = open_ones
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._busy = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's typing, not a check
        self._transport = transport
        self._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        try:
            while not self._busy and (request := self._next()):
                self._answer(self._handler(request), close=request.headers.get("connection", "").lower() == "close")
        except BadHttp as error:
            self._answer(Response(error.status), close=True)

    def _next(self) -> Request | None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise BadHttp(431)
                return None
            self._head = _head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        if len(self._buffer) < self._head.length:
            return None
        head, self._head = self._head, None
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        target = urlsplit(head.target)
        peer = self._transport.get_extra_info("peername")
        query = _query(target.query) if target.query else {}
        return Request(head.method, unquote(target.path), query, head.headers, body, peer[0] if peer else "")

    def _answer(self, response: Response, *, close: bool) -> None:
        self._busy = True
        if response.delay:
            asyncio.get_running_loop().call_later(response.delay, self._write, response, close)
        else:
            self._write(response, close)

    def _write(self, response: Response, close: bool) -> None:
        if response.drop:
            self._transport.abort()
            return
        self._transport.write(response.wire(close=close))
        if close:
            self._transport.close()
            return
        self._busy = False
        if response.delay:
            self._go_on()


def _query(text: str) -> dict[str, str]:
    """The values by name; those of a name given several times are joined by commas."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _head(data: bytes) -> _Head:
    first, *rest = data.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
        raise BadHttp(400)
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadHttp(400)
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise BadHttp(411)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadHttp(400)
    if int(length) > MAX_BODY:
        raise BadHttp(413)
    return _Head(parts[0], parts[1], headers, int(length))
