"""Servers on a real wire for every transport test of a worker, the ways to them, and mail to hand over."""

from __future__ import annotations

import json
import socket
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from relay import aiosmtpd, certificate, check
from strangers import FOLDER, Stranger, aws_ses_v2_local, moto, node_program
from ways import Line, Received, Way

from newsletter.settings import SesSettings, SmtpSettings
from newsletter.simulator.server import Running, start
from newsletter.transports.mail import Mail, Recipient
from newsletter.transports.outbox import OutboxTransport
from newsletter.transports.ses import SesTransport
from newsletter.transports.smtp import SmtpTransport

NO_NODE = f"needs Node and aws-ses-v2-local (npm package; {FOLDER} names the folder it was installed in)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that want aws-ses-v2-local are skipped, by name, where there is none."""
    if node_program() is None:
        for item in items:
            if item.get_closest_marker("node"):
                item.add_marker(pytest.mark.skip(reason=NO_NODE))


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture(scope="session")
def ses(simulator: Running) -> Callable[[str], SesTransport]:
    """The SES transport of a mode, its client made once."""
    return cache(lambda mode: SesTransport(SesSettings(endpoint_url=simulator.url, mode=mode)))


@pytest.fixture
def mail() -> Mail:
    return Mail(
        key="0123456789abcdef0123456789abcdef",
        from_name="Élan, the Daily",
        from_address="daily@news.example.org",
        reply_to="editors@news.example.org",
        subject="Walls at home — for {{first_name|reader}}",
        html=(
            '<html lang="en"><style>p{color:red}{{first_name|reader}}</style>\n'
            "<p>Dear {{first_name|reader}}, {{ \\{{\n"
            '<a href="https://x.example/?n={{first_name|reader}}">you</a> <a href="{{unsubscribe_url}}">Leave</a></p>\n'
            "</html>\n"
        ),
        text="Dear {{first_name|reader}},\n.\n {{{ }} \\\\{{unsubscribe_url}}} {{first_name|}}\nünï 🦊\n",
        headers=(
            ("List-Unsubscribe", "<{{unsubscribe_url}}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("List-ID", "Élan <daily.news.example.org>"),
        ),
    )


@pytest.fixture
def reader() -> Callable[..., Recipient]:
    """Makes readers with tags of their own."""
    send = uuid.uuid4().hex[:8]
    count = iter(range(1, 10_000))

    def make(address: str = "ann@example.org", name: str = "Ann", **fields: str) -> Recipient:
        url = "https://news.example.org/u/" + "Zm9v" * 40
        return Recipient(address, {"first_name": name, "unsubscribe_url": url, **fields}, f"{send}-{next(count)}-1")

    return make


@pytest.fixture
def accepted(simulator: Running) -> Callable[[str], list[dict[str, Any]]]:
    """The simulator's own record of one tag."""

    def find(tag: str) -> list[dict[str, Any]]:
        lines = (simulator.data / "record.jsonl").read_text().splitlines()
        return [row for row in map(json.loads, lines) if row["tags"].get("delivery") == tag]

    return find


@pytest.fixture
def fault(simulator: Running) -> Iterator[Callable[..., None]]:
    """Orders trouble for the next sending calls."""

    def send(method: str, body: dict[str, Any] | None = None) -> None:
        data = json.dumps(body or {}).encode()
        headers = {"Content-Type": "application/json"}
        url = f"{simulator.url}/_simulator/faults"
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=10):
            pass

    yield lambda **order: send("POST", order)
    send("DELETE")


@pytest.fixture(scope="session")
def node_server() -> Iterator[Stranger]:
    with aws_ses_v2_local() as found:
        yield found


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Stranger]:
    with moto() as found:
        yield found


@pytest.fixture(scope="session")
def nobody() -> Iterator[int]:
    """A port of this machine at which nobody listens, and nobody can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Way:
    """The way of that name, made once; the outbox anew."""
    kind, _, rest = str(request.param).partition(" ")
    if kind == "outbox":
        return _to_outbox(request.getfixturevalue("tmp_path") / "outbox")
    if kind == "smtp":
        return request.getfixturevalue("smtp_way")(rest)  # type: ignore[no-any-return]
    mode, server = rest.split(", ")
    ses: Callable[[str, int], Way] = request.getfixturevalue("ses_way")
    if server == "simulator":
        running: Running = request.getfixturevalue("simulator")
        fault, accepted = request.getfixturevalue("fault"), request.getfixturevalue("accepted")
        found = ses(mode, int(running.url.rpartition(":")[2]))
        found.arrived = lambda one: [Received.parse((running.data / r["eml"]).read_bytes()) for r in accepted(one.tag)]
        found.tagged = lambda tag: len(accepted(tag))
        found.hurried = lambda _: fault(do="throttle")
        return found
    stranger: Stranger = request.getfixturevalue(f"{server}_server")
    found = ses(mode, stranger.port)
    found.arrived = lambda one: [
        Received.parse(data, verbatim=stranger.verbatim) for data in stranger.arrived(one.address)
    ]
    found.tagged = stranger.tagged
    return found


def _to_outbox(path: Path) -> Way:
    def found(tag: str) -> list[Path]:
        return [file for file in path.rglob("*.eml") if file.stem == tag]

    def arrived(one: Recipient) -> list[Received]:
        return [Received.parse(file.read_bytes()) for file in found(one.tag)]

    return Way(OutboxTransport(path), arrived, tagged=lambda tag: len(found(tag)))


@pytest.fixture(scope="session")
def ses_way(nobody: int) -> Callable[[str, int], Way]:
    """The SES transport of a mode to a server's port, behind a line."""
    line_to = cache(Line)

    @cache
    def to(mode: str, port: int) -> SesTransport:
        return SesTransport(SesSettings(endpoint_url=f"http://127.0.0.1:{port}", mode=mode))

    def make(mode: str, port: int) -> Way:
        line = line_to(port)
        return Way(to(mode, line.port), lambda _: [], line=line, nowhere=to(mode, nobody))

    return make


@pytest.fixture(scope="session")
def smtp_way(nobody: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Way]]:
    """The SMTP transport to aiosmtpd, behind a line."""
    shown, trusted = certificate(tmp_path_factory.mktemp("certificate"))
    auth = {"auth_required": True, "authenticator": check, "require_starttls": True, "tls_context": shown}
    login = {"security": "starttls", "username": "daily", "password": SecretStr("open sesame")}
    known: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "": ({}, {"security": "none"}),
        "in groups": ({"pipelining": True}, {"security": "none"}),
        "with STARTTLS and AUTH": (auth, login),
        "under TLS": ({"ssl": shown, "pipelining": True}, {"security": "tls"}),
    }
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(trusted))

        @cache
        def make(name: str) -> Way:
            options, own = known[name]
            relay = running.enter_context(aiosmtpd(**options))
            line = Line(relay.port)

            def to(port: int) -> SmtpTransport:
                return SmtpTransport(SmtpSettings(host="127.0.0.1", port=port, hello="news.example.org", **own))

            def arrived(one: Recipient) -> list[Received]:
                taken = [envelope for envelope in relay.envelopes if envelope.rcpt_tos == [one.address]]
                assert all(envelope.mail_from == "daily@news.example.org" for envelope in taken)
                return [Received.parse(bytes(envelope.content or b"")) for envelope in taken]

            def tagged(tag: str) -> int:
                ids = [Received.parse(bytes(e.content or b"")).headers["message-id"] for e in relay.envelopes]
                return ids.count(f"<{tag}@news.example.org>")

            def hurried(one: Recipient) -> None:
                relay.refuse[one.address] = "452 4.7.0 too many mails"

            transport = to(line.port)
            running.callback(transport.close)
            return Way(transport, arrived, tagged=tagged, line=line, nowhere=to(nobody), hurried=hurried)

        yield make
