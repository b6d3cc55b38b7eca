"""A MIME message encoded once and joined per reader.

Python's email package takes milliseconds to encode a newsletter; doing so per reader is what makes senders slow. Here
the parts are quoted-printable encoded once, cut at the merge fields. Each field stands on lines of its own, between
soft breaks, so that its value is encoded alone and the rest is only copied.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from newsletter.errors import BuildError, Refused
from newsletter.transports import fields, headers
from newsletter.transports.mail import Mail, Recipient

SOFT_BREAK = b"=\r\n"
MAX_LINE = 76  # of quoted-printable
_BOUNDARY = "=_newsletter"  # `=` never stands bare before `_` in quoted-printable text, so no body can hold it
_OPEN = f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"\r\n'.encode()
_PART = (
    f"\r\n--{_BOUNDARY}\r\nContent-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
)
_CLOSE = f"\r\n--{_BOUNDARY}--\r\n".encode()
_OVERFULL = re.compile(rb"^([^\n]{74,75})(=20|=09)$", re.MULTILINE)
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>")
_OURS = re.compile(
    "from|to|cc|bcc|sender|reply-to|date|message-id|mime-version|return-path"
    "|content-(type|transfer-encoding|disposition|language)"
)


@dataclass(frozen=True)
class Header:
    """One header, its value split at its merge fields."""

    name: str
    value: fields.Compiled

    def for_reader(self, recipient: Recipient, *, fold: str = headers.FOLD) -> str:
        """The value on the wire. Raises Refused."""
        return headers.field(self.name, self.value.fill(recipient.fields), fold=fold)


@dataclass(frozen=True)
class Body:
    """A part in quoted-printable, split at its merge fields."""

    literals: tuple[bytes, ...]
    slots: tuple[fields.Slot, ...]
    dotted: bool

    @classmethod
    def of(cls, template: str, place: fields.Place, *, dotted: bool) -> Body:
        text = template.replace("\r\n", "\n").replace("\r", "\n")
        split = fields.compile(text if text.endswith("\n") else text + "\n", place)
        encoded = [quoted_printable(literal) for literal in split.literals]
        # What stands before a field must end its line softly, unless the line has just ended.
        ended = [part if part.endswith(b"\n") or not part else softly_ended(part) for part in encoded[:-1]]
        whole = (*ended, encoded[-1])
        return cls(tuple(map(with_dots_doubled, whole)) if dotted else whole, split.slots, dotted)

    def add_to(self, pieces: list[bytes], recipient: Recipient) -> None:
        pieces.append(self.literals[0])
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            value = slot.value(recipient.fields)
            if value:
                encoded = softly_ended(quoted_printable(value))
                pieces.append(with_dots_doubled(encoded) if self.dotted else encoded)
            pieces.append(literal)


@dataclass(frozen=True)
class CompiledMail:
    """A mail ready to be joined for any reader: multipart/alternative, text first.

    `dotted`: as SMTP wants it, the dot at the beginning of a line doubled. Done here it costs nothing per reader.
    """

    head: bytes
    own: tuple[Header, ...]  # the headers that differ from reader to reader
    text: Body
    html: Body

    @classmethod
    def of(cls, mail: Mail, *, dotted: bool = False) -> CompiledMail:
        """Encode what all readers share. Raises Refused when a header cannot be sent."""
        fixed, own = split_headers(mail)
        lines = [("From", headers.mailbox(mail.from_name, mail.from_address))]
        if mail.reply_to:
            lines.append(("Reply-To", headers.plain_address(mail.reply_to)))
        lines += [(name, headers.field(name, value)) for name, value in fixed]
        lines += [("Content-Language", headers.field("Content-Language", mail.lang)), ("MIME-Version", "1.0")]
        head = "".join(f"{name}: {value}\r\n" for name, value in lines).encode()
        text = Body.of(mail.text, fields.Place.TEXT, dotted=dotted)
        return cls(head, own, text, Body.of(mail.html, fields.Place.HTML, dotted=dotted))

    def message(self, recipient: Recipient, *, message_id: str, date: datetime) -> bytes:
        """The whole message for one reader. Raises Refused, for this reader alone."""
        if not _MESSAGE_ID.fullmatch(message_id):
            raise Refused(f"{message_id!r} is not a Message-ID.")
        try:
            own = [f"{header.name}: {header.for_reader(recipient)}\r\n" for header in self.own]
            lines = [f"To: {headers.plain_address(recipient.address)}\r\n", *own]
            lines += [f"Message-ID: {message_id}\r\n", f"Date: {format_datetime(date)}\r\n"]
            pieces = [self.head, "".join(lines).encode(), _OPEN, _TEXT]
            self.text.add_to(pieces, recipient)
            pieces.append(_HTML)
            self.html.add_to(pieces, recipient)
        except BuildError as error:
            raise Refused(str(error)) from None
        pieces.append(_CLOSE)
        return b"".join(pieces)


@lru_cache(maxsize=32)  # the variants of the sends under way, and service mail
def compiled_mail(mail: Mail, *, dotted: bool = False) -> CompiledMail:
    """`CompiledMail.of`, remembered. Raises Refused."""
    return CompiledMail.of(mail, dotted=dotted)


def split_headers(mail: Mail) -> tuple[list[tuple[str, str]], tuple[Header, ...]]:
    """The subject and the mail's own headers: those alike for all, and those with merge fields. Raises Refused."""
    fixed, own, seen = [], [], set[str]()
    for name, value in (("Subject", mail.subject), *mail.headers):
        if name.lower() in seen or _OURS.fullmatch(name.lower()):
            raise Refused(f"The header {name} stands twice in one mail, or is not for a mail to set.")
        seen.add(name.lower())
        compiled = fields.compile(value, fields.Place.HEADER)
        if compiled.slots:
            own.append(Header(name, compiled))
        else:
            fixed.append((name, value))
        for literal in compiled.literals:  # what is wrong for every reader is said once, before the first
            headers.field(name, literal.replace("<", "").replace(">", ""))
    return fixed, tuple(own)


def quoted_printable(text: str) -> bytes:
    """Text with LF line ends as quoted-printable with CRLF, lines of at most 76."""
    encoded = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True)
    # A space at the end of a full line is encoded without a look at the room left: up to 78 characters.
    return _OVERFULL.sub(rb"\1=\n\2", encoded).replace(b"\n", b"\r\n")


def with_dots_doubled(lines: bytes) -> bytes:
    """For SMTP (RFC 5321, 4.5.2). Every piece of a body begins a line, so each can be done by itself."""
    return (b"." if lines.startswith(b".") else b"") + lines.replace(b"\r\n.", b"\r\n..")


def softly_ended(encoded: bytes) -> bytes:
    """The same with its last line ended by a soft break, which may leave that line no room."""
    last = len(encoded) - (encoded.rfind(b"\n") + 1)
    if last < MAX_LINE:
        return encoded + SOFT_BREAK
    unit = 3 if encoded[-3:-2] == b"=" else 1  # never cut through a `=XX`
    return encoded[:-unit] + SOFT_BREAK + encoded[-unit:] + SOFT_BREAK


_TEXT, _HTML = _PART.encode() % b"plain", _PART.encode() % b"html"
