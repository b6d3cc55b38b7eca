"""A simulator on a real wire for every transport test of a worker, and mail to hand over."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from newsletter.config import SesSettings
from newsletter.simulator.server import Running, start
from newsletter.transports.mail import Mail, Recipient
from newsletter.transports.ses import SesTransport


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
