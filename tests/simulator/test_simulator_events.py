"""Events travel as badly as a script wants: twice, late, lost, in the wrong order; and the same over a restart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.simulator.events import Events
from newsletter.simulator.fate import Fates
from newsletter.simulator.lists import Suppressions
from newsletter.simulator.record import Accepted, Record
from newsletter.simulator.script import EventsScript, RecipientsScript, Script
from newsletter.simulator.sns import Signer
from newsletter.simulator.tracking import NOTHING

START = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
SHARE = st.floats(0, 1)


class Topic:
    """A record and its events, on a clock that is set by hand."""

    def __init__(self, folder: Path, script: Script) -> None:
        self.folder, self.now = folder, START
        self.record = Record(folder, keep_messages=False)
        self.events = Events(self.record, folder, clock=lambda: self.now)
        self.fates = Fates(Suppressions())
        self.fates.script(script.seed, script.recipients, script.events)

    def accept(self, number: int) -> None:
        address = f"reader{number}@example.com"
        outcome = self.fates.outcome(address)
        plan = self.fates.plan([address], [outcome], failed=False, measures=NOTHING, links=0, published=None)
        at = self.now.isoformat(timespec="milliseconds")
        message = Accepted(f"m-{number}", at, "SendEmail", "a@example.org", [address], [outcome], {}, plan=plan)
        self.record.add([message])

    def read(self) -> list[tuple[str, str]]:
        envelopes, _ = self.events.read(0, 1000, "http://127.0.0.1:1")
        told = [json.loads(envelope["Message"]) for envelope in envelopes]
        return [(event["mail"]["messageId"], event["eventType"]) for event in told]


def test_every_event_comes_twice_when_all_are_duplicated(tmp_path: Path) -> None:
    topic = Topic(tmp_path, Script(events=EventsScript(duplicated=1)))
    topic.accept(1)
    assert topic.read() == [("m-1", "Send")] * 2 + [("m-1", "Delivery")] * 2
    envelopes, _ = topic.events.read(0, 9, "http://127.0.0.1:1")
    assert len({envelope["MessageId"] for envelope in envelopes}) == 2


def test_lost_events_never_come(tmp_path: Path) -> None:
    topic = Topic(tmp_path, Script(events=EventsScript(lost=1)))
    topic.accept(1)
    assert topic.read() == []


def test_a_late_event_comes_after_those_of_later_mails(tmp_path: Path) -> None:
    topic = Topic(tmp_path, Script(events=EventsScript(late=0.5, late_seconds=60)))
    for number in range(20):
        topic.accept(number)
    early = topic.read()
    assert 0 < len(early) < 40
    assert topic.events.waiting() == 40 - len(early)
    topic.now += timedelta(seconds=30)
    topic.accept(99)
    topic.events.hurry(60)
    late = topic.read()
    assert late[: len(early)] == early
    assert Counter(late) == Counter((f"m-{n}", kind) for n in (*range(20), 99) for kind in ("Send", "Delivery"))


def test_the_last_comes_first_when_events_are_reversed(tmp_path: Path) -> None:
    topic = Topic(tmp_path, Script(events=EventsScript(reversed=1), recipients=RecipientsScript(complaints=1)))
    topic.accept(1)
    assert [kind for _, kind in topic.read()] == ["Complaint", "Delivery", "Send"]


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Made once: that takes longer than all else here."""
    folder = tmp_path_factory.mktemp("key")
    Signer(folder).certificate_path()
    return (folder / "signing.pem").read_bytes()


@given(
    seed=st.integers(0, 9),
    shares=st.tuples(SHARE, SHARE, SHARE, SHARE),
    waits=st.lists(st.integers(0, 90), min_size=1, max_size=12),
)
def test_a_restart_numbers_the_same_events_alike(
    tmp_path_factory: pytest.TempPathFactory,
    signing_key: bytes,
    seed: int,
    shares: tuple[float, ...],
    waits: list[int],
) -> None:
    duplicated, lost, late, turned = shares
    script = Script(
        seed=seed,
        events=EventsScript(duplicated=duplicated, lost=lost / 2, late=late, reversed=turned, late_seconds=45),
        recipients=RecipientsScript(bounces=0.2, soft_bounces=0.2, complaints=0.2, delays=0.2),
    )
    folder = tmp_path_factory.mktemp("topic")
    (folder / "sns").mkdir()
    (folder / "sns" / "signing.pem").write_bytes(signing_key)
    first = Topic(folder, script)
    seen: list[tuple[str, str]] = []
    for number, seconds in enumerate(waits):
        first.accept(number)
        first.now += timedelta(seconds=seconds)
        if seconds % 2:
            now_seen = first.read()
            assert now_seen[: len(seen)] == seen
            seen = now_seen
    before = first.read()
    first.record.close()
    again = Topic(folder, Script())
    again.now = first.now
    assert again.read() == before
    again.record.close()


def test_shares_of_recipients_are_about_as_ordered_and_always_the_same_ones() -> None:
    def outcomes(seed: int) -> list[str]:
        fates = Fates(Suppressions(), seed=seed, recipients=RecipientsScript(bounces=0.1, complaints=0.02))
        return [fates.outcome(f"reader{number}@example.com") for number in range(5000)]

    found = Counter(outcomes(1))
    assert 400 < found["bounced"] < 600
    assert 50 < found["complained"] < 150
    assert outcomes(1) == outcomes(1) != outcomes(2)


def test_the_order_of_mails_does_not_change_who_bounces(order: Callable[..., None]) -> None:
    fates = Fates(Suppressions(), recipients=RecipientsScript(bounces=0.5))
    addresses = [f"reader{number}@example.com" for number in range(50)]
    forth = {address: fates.outcome(address) for address in addresses}
    back = {address: fates.outcome(address) for address in reversed(addresses)}
    assert forth == back
