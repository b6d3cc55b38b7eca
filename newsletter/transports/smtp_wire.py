"""One connection to an SMTP relay: opened with smtplib, then driven by hand, because smtplib waits after each command.

Where the relay offers it (PIPELINING, RFC 2920) the envelope goes out in one write, and behind the end of the mail
before it, so a mail costs one round trip instead of four. The final dot is never in a write with what comes before
it: until that write begins, the relay surely has no mail; from then on, silence means that nobody knows.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass
from time import monotonic
from typing import Any

from newsletter.settings import SmtpSettings
from newsletter.transports.mail import Answer, Verdict
from newsletter.transports.smtp_replies import Reply, Step, shown

MAX_REPLY = 16_384  # RFC 5321: 512 a line
_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_DOT = b".\r\n"


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait: for a connection, for a reply, and for the word that a mail is taken (which may be scanned)."""

    connect: float = 10
    reply: float = 30
    end: float = 120


@dataclass(frozen=True)
class Letter:
    """One reader's mail, ready for the wire: lines end in CR LF, dots at their beginning are doubled."""

    index: int  # whose it is in the call
    message_id: str
    sender: str
    address: str
    data: bytes


class Broken(Exception):
    """The connection is of no more use; `answer` says what that means for the mail under way."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class _Relay(smtplib.SMTP):
    """smtplib with replies that cannot be endless, neither in length nor in time."""

    unread = b""

    def __init__(self, host: str, port: int, *, patience: float, **options: Any) -> None:
        self.patience = patience
        super().__init__(host, port, **options)

    def getreply(self) -> tuple[int, bytes]:
        deadline = monotonic() + self.patience
        lines: list[bytes] = []
        left = MAX_REPLY
        while True:
            line = self._line(deadline, left)
            left -= len(line)
            found = _LINE.fullmatch(line.rstrip(b"\r\n"))
            if found is None:
                raise self._over(f"what it said is no SMTP: {shown(line)[:80]}")
            lines.append(found[3] or b"")
            if found[2] != b"-":
                return int(found[1]), b"\n".join(lines)

    def _line(self, deadline: float, most: int) -> bytes:
        while (end := self.unread.find(b"\n")) < 0:
            left = deadline - monotonic()
            if self.sock is None or left <= 0:
                raise self._over("it did not answer in time")
            if len(self.unread) >= most:
                break
            try:
                self.sock.settimeout(left)
                chunk = self.sock.recv(4096)
            except OSError as error:
                raise self._over(_why(error)) from None
            if not chunk:
                raise self._over("it closed the connection")
            self.unread += chunk
        if not 0 <= end < most:
            raise self._over("its answer has no end")
        line, self.unread = self.unread[: end + 1], self.unread[end + 1 :]
        return line

    def _over(self, why: str) -> smtplib.SMTPServerDisconnected:
        self.close()
        return smtplib.SMTPServerDisconnected(why)


class _RelayTls(_Relay, smtplib.SMTP_SSL):
    """The same, under TLS from the first byte."""


class Session:
    """A connection ready for mail: greeted, under TLS and logged in as the settings say."""

    def __init__(self, relay: _Relay, timeouts: Timeouts) -> None:
        self._relay = relay
        self._timeouts = timeouts
        self._pipelining = relay.has_extn("pipelining")
        self._size = relay.has_extn("size")
        self._announced: Letter | None = None
        self._dirty = False  # a transaction was left open
        self.used = False  # mail went through it, or it lay idle: it may have been closed since
        self.idle_since = monotonic()

    @property
    def dead(self) -> bool:
        return self._relay.sock is None

    @property
    def hello(self) -> str:
        """Who we said we are."""
        return self._relay.local_hostname

    def ask(self, letter: Letter) -> Reply | None:
        """Whether the relay takes this letter: its first no, or None when it waits for the data. Raises Broken."""
        commands = self._commands(letter)
        if self._pipelining and self._announced is not letter:
            self._write(b"".join(line for _, line in commands), self._timeouts.reply)
        self._announced, no = None, None
        for step, line in commands:
            if not self._pipelining:
                self._write(line, self._timeouts.reply)
            try:
                reply = self._reply(step, self._timeouts.reply)
            except Broken:
                if no is None:
                    raise
                return no  # it said no and closed
            if reply.taken or step is Step.RESET:
                continue
            no = no or reply
            if reply.code == 421:
                self.close()
            if not self._pipelining or self.dead:
                break
        self._dirty = no is not None
        if no is not None and reply.code == 354:
            self.close()  # it waits for a mail that is for nobody
        return no

    def write(self, letter: Letter) -> None:
        """The mail, all but its end: until `end` is called, it is surely not taken. Raises Broken."""
        self._write(letter.data, self._timeouts.end)

    def end(self, following: Letter | None) -> Reply:
        """Say that the mail is whole, and with it what comes next; what the relay says to it. Raises Broken."""
        if self._relay.unread:
            self.close()
            raise Broken(Answer(Verdict.RETRY, reason="The relay answers what was not asked."))
        last = _DOT
        if following is not None and self._pipelining:
            last += b"".join(line for _, line in self._commands(following))
            self._announced = following
        self.used = True
        try:
            self._write(last, self._timeouts.reply)
            return self._reply(Step.END, self._timeouts.end)
        except Broken as error:
            raise Broken(Answer(Verdict.UNKNOWN, reason=error.answer.reason)) from None

    def is_alive(self) -> bool:
        """Ask a connection that lay idle."""
        try:
            self._write(b"NOOP\r\n", self._timeouts.reply)
            return self._reply(Step.RESET, self._timeouts.reply).taken
        except Broken:
            return False

    def rest(self) -> bool:
        """Leave it for the next call; whether it can be."""
        if self._announced is not None:
            self.close()  # the relay waits for a mail that does not come
        self.used, self.idle_since = True, monotonic()
        return not self.dead

    def close(self) -> None:
        self._relay.close()

    def goodbye(self) -> None:
        """Close politely, without waiting for the answer."""
        if self._relay.sock is not None:
            try:
                self._write(b"QUIT\r\n", 1)
            except Broken:
                return
            self.close()

    def _commands(self, letter: Letter) -> list[tuple[Step, bytes]]:
        size = f" SIZE={len(letter.data)}" if self._size else ""
        commands = [
            (Step.SENDER, f"MAIL FROM:<{letter.sender}>{size}\r\n".encode("ascii")),
            (Step.READER, f"RCPT TO:<{letter.address}>\r\n".encode("ascii")),
            (Step.DATA, b"DATA\r\n"),
        ]
        return [(Step.RESET, b"RSET\r\n"), *commands] if self._dirty else commands

    def _write(self, data: bytes, seconds: float) -> None:
        try:
            if self._relay.sock is None:
                raise ConnectionError("it closed the connection")
            self._relay.sock.settimeout(seconds)
            self._relay.sock.sendall(data)
        except OSError as error:
            self.close()
            raise Broken(Answer(Verdict.RETRY, reason=f"The connection to the relay was lost: {_why(error)}")) from None

    def _reply(self, step: Step, seconds: float) -> Reply:
        self._relay.patience = seconds
        try:
            code, words = self._relay.getreply()
        except smtplib.SMTPServerDisconnected as error:
            raise Broken(Answer(Verdict.RETRY, reason=f"The connection to the relay was lost: {error}")) from None
        return Reply(step, code, shown(words))


def open_session(settings: SmtpSettings, tls: ssl.SSLContext | None, hello: str | None, timeouts: Timeouts) -> Session:
    """Connect, begin TLS, log in. Raises Broken; nothing has been handed over."""
    relay: _Relay | None = None
    try:
        relay = _connect(settings, tls, hello, timeouts)
        _begin(relay, settings, tls)
        return Session(relay, timeouts)
    except (OSError, ValueError) as error:  # smtplib's own are OSErrors; ValueError: what AUTH cannot encode
        if relay is not None:
            relay.close()
        raise Broken(_not_open(error, settings)) from None


def _connect(settings: SmtpSettings, tls: ssl.SSLContext | None, hello: str | None, timeouts: Timeouts) -> _Relay:
    options: dict[str, Any] = {"patience": timeouts.reply, "timeout": timeouts.connect, "local_hostname": hello}
    if settings.security == "tls":
        return _RelayTls(settings.host, settings.port, **options, context=tls)
    return _Relay(settings.host, settings.port, **options)


def _begin(relay: _Relay, settings: SmtpSettings, tls: ssl.SSLContext | None) -> None:
    assert relay.sock is not None  # noqa: S101 - for the types: it is connected
    relay.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the dot must not wait for an acknowledgement
    relay.ehlo_or_helo_if_needed()
    if settings.security == "starttls":
        if not relay.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError(_NO_STARTTLS)
        relay.starttls(context=tls)
        relay.unread = b""  # said before TLS, so perhaps by somebody else
        relay.ehlo_or_helo_if_needed()
    if settings.username:
        if not relay.has_extn("auth"):
            raise smtplib.SMTPNotSupportedError(_NO_AUTH)
        relay.login(settings.username, settings.password.get_secret_value())


_NO_STARTTLS = 'it offers no STARTTLS. Set [smtp] security = "tls" with its TLS port (often 465), or ask who runs it.'
_NO_AUTH = "it takes no user name and password here. Check [smtp] port and security, or leave username empty."
_NOT_ASCII = "its way of logging in takes only plain ASCII letters and signs. Ask for another password."


def _not_open(error: OSError | ValueError, settings: SmtpSettings) -> Answer:
    """What it means that no connection could be had."""
    stop = True
    throttled = False
    match error:
        case ssl.SSLCertVerificationError():
            why = f"its certificate is not to be trusted ({error.verify_message}). Set [smtp] host to the name that "
            why += "stands in it; for an authority of your own name its certificate in SSL_CERT_FILE."
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            stop, why = False, _why(error)
        case ssl.SSLError():
            why = f"TLS cannot be begun ({_why(error)}). Check [smtp] port and security."
        case smtplib.SMTPResponseException():
            stop, throttled = not 400 <= error.smtp_code < 500, error.smtp_code == 421
            raw = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
            why = f"{error.smtp_code} {shown(_without_secrets(raw, settings))}".rstrip()
            if isinstance(error, smtplib.SMTPAuthenticationError):
                why = f"it does not take user name and password: {why.rstrip('.')}. Check them in [smtp]."
        case smtplib.SMTPServerDisconnected():
            stop, why = False, str(error)
        case smtplib.SMTPException():
            why = str(error)
        case ValueError():
            why = _NOT_ASCII
        case _:
            stop, why = False, _why(error)
    reason = f"The relay {settings.host}:{settings.port} cannot be used: {why}"
    return Answer(Verdict.STOP if stop else Verdict.RETRY, reason=reason, throttled=throttled)


def _without_secrets(words: bytes, settings: SmtpSettings) -> bytes:
    """A relay may repeat what it was sent."""
    user, password = settings.username.encode(), settings.password.get_secret_value().encode()
    for secret in (password, b"\0%b\0%b" % (user, password)):
        if secret:
            words = words.replace(b64encode(secret), b"***").replace(secret, b"***")
    return words


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return (error.strerror or str(error)).lower().rstrip(".")
