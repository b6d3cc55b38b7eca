"""The limits of the form: however it is used, no mailbox is flooded through it, and nobody's counter names him."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from newsletter.app import App, open_app
from newsletter.audience.limits import Limit, Over, network_of
from newsletter.audience.proofs import Visit
from newsletter.audience.signup import confirm, request
from newsletter.store.tables import consent, form_uses, service_mails, signups, subscribers

NOW = datetime.fromisoformat("2024-10-10T10:30:00+00:00")
ELEVEN = datetime.fromisoformat("2024-10-10T11:00:00+00:00")
MIDNIGHT = datetime.fromisoformat("2024-10-11T00:00:00+00:00")
LIMITS = """
[signup]
per_address_a_day = 3
per_network_an_hour = 5
per_domain_an_hour = 8
"""
NAMES = count()


@dataclass
class Form:
    app: App

    def request(self, address: str, *, network: str | None = None, now: datetime = NOW) -> Over | None:
        taken = request(
            self.app.store,
            self.app.workspace,
            self.app.keys,
            address=address,
            newsletters={"daily": "1"},
            lang=None,
            source="form",
            visit=Visit(network or f"10.{next(NAMES) % 200}.{next(NAMES) % 200}.1"),
            now=now,
        )
        return taken.over

    def mails(self, address: str) -> list[datetime]:
        query = select(service_mails.c.queued_at).join(subscribers, subscribers.c.id == service_mails.c.subscriber_id)
        query = query.where(subscribers.c.address == address, service_mails.c.kind == "confirm")
        with self.app.store.read() as connection:
            return list(connection.scalars(query))

    def confirm_all(self, now: datetime) -> None:
        with self.app.store.read() as connection:
            numbers = list(connection.scalars(select(signups.c.id).where(signups.c.confirmed_at.is_(None))))
        for number in numbers:
            confirm(self.app.store, self.app.workspace, number, visit=Visit(), now=now)


@pytest.fixture
def form(make_workspace: Callable[..., Path]) -> Iterator[Form]:
    app = open_app(make_workspace(LIMITS), now=lambda: NOW)
    yield Form(app)
    app.store.close()


def test_the_fourth_request_of_a_day_for_one_address_is_dropped_in_silence(form: Form) -> None:
    answers = [form.request("ada@example.org"), form.request("ADA@example.org"), form.request("ada@EXAMPLE.org")]
    assert answers == [None, None, None]
    with form.app.store.read() as connection:
        before = connection.execute(select(consent)).all()
    assert form.request("ada@example.org") == Over(Limit.ADDRESS, MIDNIGHT)
    with form.app.store.read() as connection:
        assert connection.execute(select(consent)).all() == before
    assert form.request("ada@example.org", now=MIDNIGHT) is None


def test_a_network_is_a_24_or_a_64_and_its_limit_is_by_the_hour(form: Form) -> None:
    for host in range(5):
        assert form.request(f"reader{host}@site{host}.example.org", network=f"192.0.2.{host}") is None
    over = Over(Limit.NETWORK, ELEVEN)
    assert form.request("ada@example.org", network="192.0.2.99") == over
    assert form.request("ada@example.org", network="192.0.3.99") is None
    assert form.request("ada@example.org", network="192.0.2.99", now=ELEVEN) is None


def test_who_is_over_the_limit_of_a_network_cannot_use_up_the_limit_of_an_address(form: Form) -> None:
    for number in range(9):
        form.request(f"reader{number}@site{number}.example.org", network="192.0.2.1")
    for _ in range(9):
        assert form.request("ada@example.org", network="192.0.2.1") == Over(Limit.NETWORK, ELEVEN)
    assert form.request("ada@example.org") is None


def test_a_domain_gets_only_so_many_requests_an_hour_from_everywhere(form: Form) -> None:
    found = [form.request(f"reader{number}@Example.org") for number in range(9)]
    assert found == [None] * 8 + [Over(Limit.DOMAIN, ELEVEN)]
    assert form.request("ada@example.com") is None


def test_the_networks_of_addresses() -> None:
    assert network_of("192.0.2.77") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert network_of(None) == network_of("not an address") == "unknown"


def test_a_counter_names_neither_address_nor_network_and_the_log_neither(
    form: Form, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(9):
            form.request("ada@example.org", network=None)
    with form.app.store.read() as connection:
        buckets = [row.bucket for row in connection.execute(select(form_uses))]
    assert {name.partition(":")[0] for name in buckets} == {"network", "address", "domain"}
    assert not [name for name in buckets if "example" in name or "ada" in name or "10." in name]
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "Sign-up: 4 uses of the form by one address; more than 3 are refused.",
        "Sign-up: 7 uses of the form by one address; more than 3 are refused.",
    ]


def test_requests_that_come_at_once_are_all_counted(form: Form) -> None:
    with ThreadPoolExecutor(4) as together:
        found = list(together.map(lambda _: form.request("ada@example.org"), range(10)))
    assert Counter(over is None for over in found) == {True: 3, False: 7}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "ask", "ask", "confirm"]), st.integers(0, 40)), min_size=1, max_size=20
    )
)
@pytest.mark.sqlite
def test_never_are_more_mails_owed_to_an_address_and_day_than_the_limit_whatever_happens(
    form: Form, steps: list[tuple[str, int]]
) -> None:
    address, now = f"ada{next(NAMES)}@host{next(NAMES)}.example.org", NOW
    waiting: list[datetime] = []
    for what, hours in steps:
        now += timedelta(hours=hours)
        if what == "confirm":
            form.confirm_all(now)
            waiting = []
        else:
            before = len(form.mails(address))
            form.request(address, now=now)
            waiting += [now] * (len(form.mails(address)) - before)
        waiting = [at for at in waiting if now - at < timedelta(days=7)]
        assert len(waiting) <= 2, "the mail of a request that waits, and one more"
    a_day = Counter(at.date() for at in form.mails(address))
    assert all(mails <= 3 for mails in a_day.values())


def test_a_tag_makes_no_new_mailbox_to_flood(form: Form) -> None:
    """Whose `ann+news` is, her provider decides; for counting it is Ann."""
    asked = ["ann@example.org", "ann+1@example.org", "Ann+2@example.org", "ann+3@example.org"]
    assert [form.request(address) is None for address in asked] == [True, True, True, False]
    assert form.request("anna@example.org") is None
