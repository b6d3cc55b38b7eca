"""The SQL that chooses an audience and the pure rule give the same answer for every history there can be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, update

from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Suppressed, Suppression, may_mail, months_before
from newsletter.audience.ledger import Profile
from newsletter.audience.select import verdicts
from newsletter.audience.suppression import suppress_many
from newsletter.config import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.schema import upgrade
from newsletter.store.tables import subscribers, subscriptions

NOW = datetime(2024, 8, 31, 10, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
TERM = months_before(NOW, 6)
JURISDICTIONS = ("gdpr", "uk", "germany", "can-spam", "casl")


@dataclass(frozen=True)
class Reader:
    """One invented reader: her ledger, what suppresses her, and whether she was erased."""

    history: tuple[Entry, ...]
    suppressions: tuple[Suppression, ...] = ()
    erased: bool = False


ENTRIES = st.builds(
    Entry,
    st.sampled_from(Event),
    st.sampled_from([NOW, TERM, TERM + TICK, TERM - TICK, NOW - timedelta(days=900)]),
    source=st.just("form"),
    actor=st.just("reader"),
    jurisdiction=st.just("gdpr"),
    basis=st.sampled_from([None, *Basis]),
    expires_at=st.sampled_from([None, NOW, NOW + TICK, NOW - TICK]),
)
SUPPRESSIONS = st.builds(
    Suppression, st.sampled_from(Suppressed), st.sampled_from(["*", "daily", "weekly"]), st.just("ops"), st.just(NOW)
)
READERS = st.builds(
    Reader,
    st.lists(ENTRIES, max_size=6).map(tuple),
    st.one_of(st.just(()), st.lists(SUPPRESSIONS, max_size=2).map(tuple)),
    st.sampled_from([False, False, False, True]),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('audience')}/newsletter.db")
    upgrade(store)
    yield store
    store.close()


def settle(connection: Connection, readers: Sequence[Reader]) -> list[int]:
    """Write the readers into a store that is theirs alone, their entries mixed in time. Gives their ids in order."""
    hashes = [f"h1:{number}" for number in range(len(readers))]
    people = [(hashed, f"reader{number}@example.com", Profile()) for number, hashed in enumerate(hashes)]
    by_hash = ledger.add_subscribers(connection, people, now=NOW)
    ids = [by_hash[hashed] for hashed in hashes]
    for newsletter in ("daily", "weekly"):
        ledger.list_for(connection, newsletter, ids, now=NOW)
    rounds = itertools.zip_longest(*(reader.history for reader in readers))
    mixed = [(found, entry) for turn in rounds for found, entry in zip(ids, turn, strict=True) if entry]
    ledger.record(connection, "daily", mixed, now=NOW)
    ledger.record(
        connection, "weekly", [(found, Entry(Event.WITHDRAWN, NOW, "x", "x", "uk")) for found in ids], now=NOW
    )
    suppress_many(connection, [(h, s) for h, reader in zip(hashes, readers, strict=True) for s in reader.suppressions])
    erased = [found for found, reader in zip(ids, readers, strict=True) if reader.erased]
    connection.execute(update(subscribers).where(subscribers.c.id.in_(erased)).values(erased_at=NOW, address=None))
    return ids


def by_rule(readers: Sequence[Reader], rules: NewsletterSettings) -> list[str | None]:
    decisions = []
    for reader in readers:
        in_scope = [found for found in reader.suppressions if found.scope != "weekly"]
        decision = may_mail(reader.history, suppressions=in_scope, erased=reader.erased, settings=rules, at=NOW)
        decisions.append(None if decision.allowed else str(decision.reason))
    return decisions


def by_sql(
    connection: Connection, ids: Sequence[int], rules: NewsletterSettings, only: Sequence[int] | None = None
) -> list[str | None]:
    rows = connection.execute(verdicts("daily", rules, NOW, subscriber_ids=only)).all()
    assert len(rows) == len(ids if only is None else only)
    found = {row.subscriber_id: row.reason for row in rows}
    return [found[number] for number in ids if number in found]


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(readers=st.lists(READERS, min_size=5, max_size=30), jurisdiction=st.sampled_from(JURISDICTIONS), data=st.data())
def test_sql_and_rule_agree_on_any_history(
    readers: list[Reader],
    jurisdiction: str,
    data: st.DataObject,
    store: Store,
    settings_for: Callable[..., NewsletterSettings],
) -> None:
    rules = settings_for(jurisdiction, data.draw(st.sampled_from(["accept", "confirm"])))
    with store.read() as connection:  # what is written through a reading door is forgotten: each example starts afresh
        ids = settle(connection, readers)
        expected = by_rule(readers, rules)
        assert by_sql(connection, ids, rules) == expected
        some = ids[::3]
        assert by_sql(connection, ids, rules, only=some) == expected[::3]


@pytest.mark.parametrize("jurisdiction", ["gdpr", "casl"])
@pytest.mark.parametrize("imports", ["accept", "confirm"])
def test_sql_and_rule_agree_on_every_order_of_up_to_four_events(
    jurisdiction: str, imports: str, store: Store, settings_for: Callable[..., NewsletterSettings]
) -> None:
    orders = [order for length in range(5) for order in itertools.product(Event, repeat=length)]
    bases = (Basis.EXPRESS, Basis.IMPLIED, Basis.SOFT_OPT_IN)
    readers = [
        Reader(tuple(Entry(e, TERM, "form", "reader", "gdpr", bases[(n + i) % 3]) for i, e in enumerate(order)))
        for n, order in enumerate(orders)
    ]
    rules = settings_for(jurisdiction, imports)
    with store.read() as connection:
        ids = settle(connection, readers)
        assert by_sql(connection, ids, rules) == by_rule(readers, rules)


def test_everyone_with_a_subscription_has_exactly_one_row_and_nobody_else(
    store: Store, settings_for: Callable[..., NewsletterSettings]
) -> None:
    with store.read() as connection:
        ids = settle(connection, [Reader(()) for _ in range(7)])
        extra = ledger.add_subscribers(connection, [("h1:stranger", "stranger@example.com", Profile())], now=NOW)
        rows = connection.execute(verdicts("daily", settings_for(), NOW)).all()
        assert sorted(row.subscriber_id for row in rows) == sorted(ids)
        only = [*ids[:2], extra["h1:stranger"]]
        asked = connection.execute(verdicts("daily", settings_for(), NOW, subscriber_ids=only)).all()
        assert sorted(row.subscriber_id for row in asked) == sorted(ids[:2])
        query = select(subscriptions.c.subscriber_id).where(subscriptions.c.subscriber_id > ids[4])
        by_query = verdicts("daily", settings_for(), NOW, subscriber_ids=query)
        assert connection.scalar(select(func.count()).select_from(by_query.subquery())) == 2
