"""What comes back is fetched while the clock runs, and pushed by a real sender to the real site."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import pytest
import uvicorn
from feedback_rig import add_send, delivery, hash_of, said, suppressed
from hypothesis import given
from hypothesis import strategies as st

from newsletter.app import App, open_app, system_clock
from newsletter.errors import Refused
from newsletter.feedback import account_list
from newsletter.feedback.account_list import is_due
from newsletter.feedback.collect import Collector, collect
from newsletter.feedback.fetching import NotThere, Unreachable, fetch
from newsletter.feedback.vocabulary import NotAnEvent, parse
from newsletter.settings import TransportSettings
from newsletter.simulator.server import Running, start
from newsletter.transports.outbox import OutboxTransport
from newsletter.web.public.site import create_site
from newsletter.work.clock import Clock
from newsletter.work.rings import RINGS, Desk, Ring

SEND = "abcdefgh"
PATIENCE = 60.0


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Running]:
    with start(tmp_path / "ses", keep_messages=False) as found:
        yield found


@pytest.fixture
def newsroom(make_workspace: Callable[..., Path], simulator: Running) -> Iterator[App]:
    """A workspace that listens to the simulator."""
    extra = f'\n[feedback]\nsimulator_url = "{simulator.url}"\n\n[ses]\nendpoint_url = "{simulator.url}"\n'
    app = open_app(make_workspace(extra), now=system_clock)
    yield app
    app.store.close()


def mail(url: str, reader: int, address: str) -> None:
    session = boto3.session.Session("local", "local", region_name="us-east-1")
    session.client("sesv2", endpoint_url=url).send_email(
        FromEmailAddress="daily@news.example.org",
        Destination={"ToAddresses": [address]},
        Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
        EmailTags=[{"Name": "delivery", "Value": f"{SEND}-{reader}-1"}],
    )


def desk_of(app: App) -> Desk:
    out = OutboxTransport(app.workspace.outbox)
    return Desk(app.store, app.workspace, app.keys, out, out, app.now)


def ring(name: str) -> Ring:
    [found] = [each for each in RINGS if each.name == name]
    return found


def test_while_the_clock_runs_what_came_back_is_applied(newsroom: App, simulator: Running) -> None:
    add_send(newsroom, SEND, readers=2)
    mail(simulator.url, 1, "bounce@simulator.amazonses.com")
    clock = Clock(desk_of(newsroom))
    clock.strike(ring("events"))
    assert delivery(newsroom, SEND, 1).outcome == "bounced"
    assert suppressed(newsroom) == {hash_of(newsroom, 1): "hard-bounce"}


def test_nobody_there_is_said_once_and_keeps_no_other_ring_from_its_work(
    make_workspace: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    app = open_app(make_workspace('\n[feedback]\nsimulator_url = "http://127.0.0.1:9"\n'), now=system_clock)
    clock = Clock(desk_of(app))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            for each in RINGS:
                clock.strike(each)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("what comes back: http://127.0.0.1:9 does not answer")
    with pytest.raises(Refused, match="Is the simulator running"):
        collect(app.store, app.settings, app.keys, now=app.now)
    app.store.close()


def test_with_nothing_configured_nothing_is_asked(app: App) -> None:
    assert not Collector(app.store, app.settings, app.keys, app.now).configured
    assert collect(app.store, app.settings, app.keys, now=app.now).received == 0


def test_the_list_of_the_account_is_taken_over_once_a_day(newsroom: App, simulator: Running) -> None:
    add_send(newsroom, SEND, readers=2)
    session = boto3.session.Session("local", "local", region_name="us-east-1")
    ses = session.client("sesv2", endpoint_url=simulator.url)
    ses.put_suppressed_destination(EmailAddress="reader2@example.com", Reason="COMPLAINT")
    settings = newsroom.settings.model_copy(update={"transport": TransportSettings(kind="ses")})
    at = newsroom.now()
    assert is_due(newsroom.store, settings, at)
    assert account_list.sync(newsroom.store, settings, newsroom.keys, now=at).new == 1
    assert suppressed(newsroom) == {hash_of(newsroom, 2): "complaint"}
    assert not is_due(newsroom.store, settings, at + timedelta(hours=23))


@contextmanager
def served(app: App) -> Iterator[str]:
    """The readers' site at an address of this machine."""
    server = uvicorn.Server(uvicorn.Config(create_site(app), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_subscription_is_asked_for_confirmed_and_brings_the_events(newsroom: App, simulator: Running) -> None:
    """The whole way, over two servers: SubscriptionConfirmation, our confirming, signed notifications."""
    with served(newsroom) as site:
        add_send(newsroom, SEND, readers=2)
        wanted = json.dumps({"endpoint": f"{site}/notifications/sns"}).encode()
        address = f"{simulator.url}/_simulator/subscriptions"
        with urlopen(Request(address, data=wanted, headers={"Content-Type": "application/json"})) as answer:
            assert answer.status == 200

        def subscription() -> dict[str, object]:
            [found] = json.loads(fetch(address, most_bytes=10_000, seconds=5))["subscriptions"]
            return dict(found)

        wait_until(lambda: subscription()["confirmed"] is True)
        mail(simulator.url, 1, "complaint@simulator.amazonses.com")
        wait_until(lambda: subscription()["delivered"] == 3)
    assert subscription()["given_up"] == 0
    assert delivery(newsroom, SEND, 1).outcome == "complained"


def test_a_fetch_follows_nobody_elsewhere_and_ends(simulator: Running) -> None:
    with pytest.raises(NotThere, match="answers 404"):
        fetch(f"{simulator.url}/nothing", most_bytes=100, seconds=5)
    with pytest.raises(NotThere, match="more than 10 bytes"):
        fetch(f"{simulator.url}/_simulator/health", most_bytes=10, seconds=5)
    with pytest.raises(Unreachable, match="does not answer"):
        fetch("http://127.0.0.1:9/", most_bytes=10, seconds=5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["mail", "tags", "eventType"]), inner),
    max_leaves=12,
)


@given(st.text() | JSON.map(json.dumps))
def test_whatever_comes_is_an_event_or_none_and_never_a_defect(text: str) -> None:
    with pytest.raises(NotAnEvent):
        parse(text)


@given(
    st.sampled_from(["Bounce", "Complaint", "Reject", "DeliveryDelay", "Click"]),
    st.dictionaries(
        st.sampled_from(
            ["bounceType", "bounceSubType", "reason", "errorMessage", "delayType", "feedbackId", "complaintSubType"]
        ),
        st.text(max_size=300),
    ),
    st.text(max_size=20),
    st.text(max_size=40),
)
def test_whatever_a_receiver_says_what_is_kept_is_short_and_plain(
    kind: str, words: dict[str, str], tag: str, address: str
) -> None:
    """A status and a diagnostic often repeat the address; a database takes no half characters."""
    record = json.loads(said("Bounce", SEND, 1))
    record["mail"]["tags"]["delivery"] = [tag]
    part = {**words, "bouncedRecipients": [{"emailAddress": address, "status": address, "diagnosticCode": address}]}
    for name in ("bounce", "complaint", "reject", "deliveryDelay", "click"):
        record[name] = part
    try:
        event = parse(json.dumps({**record, "eventType": kind}, ensure_ascii=False))
    except NotAnEvent:
        return
    assert len(event.words) <= 80
    assert event.words.isascii()
    assert event.detail == "" or event.detail.isprintable()
    event.detail.encode()
