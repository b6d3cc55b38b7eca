"""Fetching from the simulator: everything once, from where we stopped, verified, and from this machine only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import pytest
from sqlalchemy import func, select

from newsletter.app import App, system_clock
from newsletter.errors import Refused
from newsletter.feedback import feed
from newsletter.feedback.feed import pull
from newsletter.settings import FeedbackSettings, Settings
from newsletter.simulator.server import start
from newsletter.store.tables import raw_events


def mail(url: str, address: str, tag: str) -> None:
    session = boto3.session.Session("local", "local", region_name="us-east-1")
    session.client("sesv2", endpoint_url=url).send_email(
        FromEmailAddress="daily@news.example.org",
        Destination={"ToAddresses": [address]},
        Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
        EmailTags=[{"Name": "delivery", "Value": tag}],
    )


def from_simulator(app: App, url: str) -> Settings:
    return app.settings.model_copy(update={"feedback": FeedbackSettings(simulator_url=url)})


def stored(app: App) -> int:
    with app.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(raw_events)) or 0


def test_every_event_is_applied_once_over_pages_and_pulls(app: App, tmp_path: Path) -> None:
    with start(tmp_path / "one", keep_messages=False) as simulator:
        settings = from_simulator(app, simulator.url)
        for number in range(5):
            mail(simulator.url, f"reader{number}@example.com", f"abcdefgh-{number + 1}-1")
        first = pull(app.store, settings, app.keys, now=system_clock, page=3)
        assert (first.new, first.duplicates, first.forged) == (10, 0, 0)
        assert pull(app.store, settings, app.keys, now=system_clock).received == 0
        mail(simulator.url, "bounce@simulator.amazonses.com", "abcdefgh-9-1")
        assert pull(app.store, settings, app.keys, now=system_clock).new == 2
        assert stored(app) == 12


def test_another_simulator_at_the_same_address_is_read_from_its_start(app: App, tmp_path: Path) -> None:
    with start(tmp_path / "one", keep_messages=False) as simulator:
        settings, port = from_simulator(app, simulator.url), int(simulator.url.rpartition(":")[2])
        mail(simulator.url, "ann@example.com", "abcdefgh-1-1")
        assert pull(app.store, settings, app.keys, now=system_clock).new == 2
    with start(tmp_path / "two", port=port, keep_messages=False) as simulator:
        mail(simulator.url, "ben@example.com", "abcdefgh-2-1")
        assert pull(app.store, settings, app.keys, now=system_clock).new == 2


def test_a_message_altered_on_the_way_is_counted_and_not_applied(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(tmp_path / "one", keep_messages=False) as simulator:
        mail(simulator.url, "ann@example.com", "abcdefgh-1-1")
        fetch: Callable[[str], bytes] = feed._fetch
        monkeypatch.setattr(feed, "_fetch", lambda url: fetch(url).replace(b"abcdefgh-1-1", b"abcdefgh-2-1"))
        done = pull(app.store, from_simulator(app, simulator.url), app.keys, now=system_clock)
    assert (done.forged, done.new) == (2, 0)
    assert stored(app) == 0


def test_without_a_simulator_there_is_nothing_to_fetch(app: App) -> None:
    assert pull(app.store, app.settings, app.keys, now=system_clock).received == 0


def test_nobody_there_and_somebody_else_there_are_said_as_such(app: App, tmp_path: Path) -> None:
    with start(tmp_path / "one", keep_messages=False) as simulator:
        url = simulator.url
        order = Request(f"{url}/_simulator/health")
        with urlopen(order) as response:
            assert json.load(response)["ok"]
        with pytest.raises(Refused, match="answers 404"):
            pull(app.store, from_simulator(app, f"{url}/other"), app.keys, now=system_clock)
    with pytest.raises(Refused, match="Is the simulator running"):
        pull(app.store, from_simulator(app, url), app.keys, now=system_clock)
