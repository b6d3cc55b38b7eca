"""MIME as SES makes it from Simple and Template content: text first, html last."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.utils import format_datetime


@dataclass(frozen=True)
class Letter:
    """What SES is given to compose."""

    sender: str = ""
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    headers: Sequence[tuple[str, str]] = ()
    parts: Mapping[str, str] = field(default_factory=dict)  # Subject, Text, Html

    def message(self, message_id: str, at: datetime) -> bytes:
        """The whole message."""
        subject = re.sub(r"[\r\n]+", " ", self.parts.get("Subject", ""))
        lines = [("From", self.sender), ("To", ", ".join(self.to))]
        lines += [(name, ", ".join(value)) for name, value in (("Cc", self.cc), ("Reply-To", self.reply_to)) if value]
        lines += [("Subject", subject if subject.isascii() else Header(subject, "utf-8").encode(linesep="\r\n"))]
        lines += [*self.headers, *own_headers(message_id, at), ("MIME-Version", "1.0")]
        head = "".join(f"{name}: {value}\r\n" for name, value in lines).encode()
        bodies = [
            (kind, self.parts[name]) for name, kind in (("Text", "plain"), ("Html", "html")) if self.parts.get(name)
        ]
        parts = [_part(kind, text) for kind, text in bodies]
        if len(parts) == 1:
            return head + parts[0]
        opened = b'Content-Type: multipart/alternative; boundary="=_ses"\r\n\r\n'
        return head + opened + b"".join(b"--=_ses\r\n" + part + b"\r\n" for part in parts) + b"--=_ses--\r\n"


def own_headers(message_id: str, at: datetime) -> list[tuple[str, str]]:
    """The two headers SES always writes itself."""
    return [("Message-ID", f"<{message_id}@email.amazonses.com>"), ("Date", format_datetime(at))]


def restamped(data: bytes, message_id: str, at: datetime) -> bytes:
    """A raw message with SES's own Message-ID and Date in place of the sender's; every other byte stays."""
    head, blank, body = data.partition(b"\r\n\r\n")
    kept = re.sub(rb"(?im)^(?:Message-ID|Date):[^\n]*\n(?:[ \t][^\n]*\n)*", b"", head + b"\r\n")
    stamp = "".join(f"{name}: {value}\r\n" for name, value in own_headers(message_id, at)).encode()
    return kept + stamp + blank[2:] + body


def _part(kind: str, text: str) -> bytes:
    lined = text.replace("\r\n", "\n").replace("\r", "\n")
    encoded = binascii.b2a_qp(lined.encode("utf-8", "replace"), istext=True).replace(b"\n", b"\r\n")
    head = f"Content-Type: text/{kind}; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode() + encoded
