"""SMTP relays for the tests: one that says what it is told to, and aiosmtpd, a stranger's, behind TLS and AUTH."""

from __future__ import annotations

import asyncio
import ipaddress
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLOSE = b""  # say nothing and close the connection
SILENCE = b"\x00"  # say nothing and keep it open
GOOD = {
    "GREETING": b"220 relay.example.org ESMTP",
    "EHLO": b"",  # of its features
    "DATA": b"354 go on",
    "QUIT": b"221 bye",
}


@dataclass
class Relay:
    """Says to each command what `says` has for it, in turn, and 250 when that is used up."""

    port: int = 0
    features: list[bytes] = field(default_factory=lambda: [b"PIPELINING", b"SIZE 1000000"])
    says: dict[str, list[bytes]] = field(default_factory=dict)
    commands: list[list[str]] = field(default_factory=list)  # of each connection
    mails: list[bytes] = field(default_factory=list)  # all that came before a final dot, doubled dots and all
    tls: ssl.SSLContext | None = None  # what STARTTLS leads to
    nobody: bool = False  # the last reader was refused
    holds_back: int = 0  # of so many mails it answers a group only when all of it has come

    @property
    def verbs(self) -> list[list[str]]:
        """What each connection was used for, but for leaving."""
        verbs = [[command.partition(" ")[0].upper() for command in talk] for talk in self.commands]
        return [[verb for verb in talk if verb != "QUIT"] for talk in verbs]

    def answer(self, verb: str) -> bytes:
        told = self.says.get(verb)
        if told:
            return told.pop(0)
        if verb == "DATA" and self.nobody:
            return b"554 5.5.1 no valid recipients"
        if verb == "EHLO":
            lines = [b"relay.example.org", *self.features]
            return b"\r\n".join(b"250%b%b" % (b" " if one is lines[-1] else b"-", one) for one in lines)
        return GOOD.get(verb, b"250 2.0.0 as you say")


class _Talk(socketserver.StreamRequestHandler):
    relay: Relay

    def handle(self) -> None:
        self.relay.commands.append([])
        self.late = b""
        with suppress(OSError):
            if self.say("GREETING"):
                while (line := self.rfile.readline()) and self.hear(line):
                    pass

    def hear(self, line: bytes) -> bool:
        """Whether the talk goes on."""
        words = line.decode("latin-1").strip()
        verb = words.partition(" ")[0].upper()
        self.relay.commands[-1].append(words)
        if not self.say(verb) or verb == "QUIT":
            return False
        if verb == "STARTTLS" and self.relay.tls:
            self.request = self.relay.tls.wrap_socket(self.request, server_side=True)
            self.setup()
        if verb != "DATA" or not self.taken:
            return True
        mail = b""
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            mail += line
        self.relay.mails.append(mail)
        return self.say("END")

    def say(self, verb: str) -> bool:
        words = self.relay.answer(verb)
        self.relay.nobody = not words.startswith(b"25") if verb == "RCPT" else self.relay.nobody
        self.taken = words.startswith(b"354")
        if words == SILENCE:
            return bool(self.rfile.readline()) and False
        if words == CLOSE:
            return False
        self.late += words + b"\r\n"
        more = verb in {"MAIL", "RCPT"} or (verb == "END" and len(self.relay.mails) < self.relay.holds_back)
        if not self.relay.holds_back or not more:
            self.wfile.write(self.late)
            self.late = b""
        return True


@contextmanager
def scripted() -> Iterator[Relay]:
    relay = Relay()
    handler = type("Talk", (_Talk,), {"relay": relay})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        relay.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield relay
        server.shutdown()


@dataclass
class Aiosmtpd:
    """aiosmtpd on a port of its own, and the mails it took."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    pipelining: bool = False
    refuse: dict[str, str] = field(default_factory=dict)  # what it says to RCPT, by address

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]] if self.pipelining else responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return "250 2.0.0 queued"


def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    """The one name and password that aiosmtpd lets in."""
    return AuthResult(success=data == LoginPassword(b"daily", b"open sesame"), handled=False)


@contextmanager
def aiosmtpd(**options: Any) -> Iterator[Aiosmtpd]:
    """Runs until the block ends; `ssl` makes it speak TLS from the first byte."""
    found = Aiosmtpd(pipelining=options.pop("pipelining", False))
    implicit: ssl.SSLContext | None = options.pop("ssl", None)
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(found, loop=loop, hostname="relay.example.org", **options)

    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit))
    found.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield found
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def certificate(folder: Path, *, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """What a relay shows that is called `host`, and the file by which it is believed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
    own = x509.IPAddress(ipaddress.ip_address(host))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([own]), critical=False)
        .sign(key, hashes.SHA256())
    )
    both = folder / f"{host}.pem"
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = made.public_bytes(serialization.Encoding.PEM)
    both.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, none) + pem)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(both)
    trusted = folder / f"{host}-ca.pem"
    trusted.write_bytes(pem)
    return shown, trusted


Stored = Callable[[str], list[bytes]]
