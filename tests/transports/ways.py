"""Every way out that must keep the transports' promises, each to a server that takes mail as the real one does.

A way's connection runs over a `Line` that can be cut, so that an answer is lost on any of them alike.
"""

from __future__ import annotations

import email
import email.policy
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage

from newsletter.transports.mail import Recipient, Transport


@dataclass(frozen=True)
class Received:
    """A mail as it arrived."""

    sender: tuple[str, str]  # the name shown, the address
    to: str
    reply_to: str
    subject: str
    text: str
    html: str
    kinds: tuple[str, ...]  # of the parts, in order
    headers: Mapping[str, str]  # by lower-case name
    data: bytes | None = None  # as it was on the wire, where the server keeps it

    @classmethod
    def parse(cls, data: bytes, *, verbatim: bool = True) -> Received:
        """What Python's email package reads in it."""
        message = email.message_from_bytes(data, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert not message.defects
        sender = message["From"].addresses[0]
        return cls(
            sender=(sender.display_name, sender.addr_spec),
            to=message["To"],
            reply_to=message["Reply-To"],
            subject=message["Subject"],
            text=content(message, "plain"),
            html=content(message, "html"),
            kinds=tuple(part.get_content_type() for part in message.iter_parts()),
            headers={name.lower(): str(value).strip() for name, value in message.items()},
            data=data if verbatim else None,
        )


def content(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    assert not body.defects
    text: str = body.get_content()
    return text.replace("\r\n", "\n")


@dataclass
class Way:
    """A transport and what it hands over to."""

    transport: Transport
    arrived: Callable[[Recipient], list[Received]]  # by tag where the server keeps it, else by address
    tagged: Callable[[str], int] = field(default=lambda tag: 0)  # mails that can be found by that tag
    line: Line | None = None
    nowhere: Transport | None = None  # the same transport, and nobody listens
    hurried: Callable[[Recipient], None] | None = None  # makes the server say "too fast"


class Line:
    """A TCP connection's way to a server, cut when told to: after so many bytes have gone, before the next answer."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._left: int | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, after: int) -> None:
        self._left = after

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                for source, target, pump in ((near, far, self._up), (far, near, self._down)):
                    threading.Thread(target=self._run, args=(pump, source, target), daemon=True).start()

    def _run(self, pump: Callable[[bytes], bool], source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while (data := source.recv(65536)) and pump(data):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _up(self, data: bytes) -> bool:
        if self._left is not None:
            self._left -= len(data)
        return True

    def _down(self, _data: bytes) -> bool:
        if self._left is None or self._left > 0:
            return True
        self._left = None
        return False

    def close(self) -> None:
        self._listening.close()
