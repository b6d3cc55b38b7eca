"""The SQL that chooses an audience and the pure rule give the same answer for every history there can be."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, update

from newsletter.app import App
from newsletter.audience import ledger
from newsletter.audience.consent import (
    EVERYWHERE,
    Basis,
    Entry,
    Event,
    Ground,
    Purpose,
    Reason,
    Suppressed,
    Suppression,
    may_mail,
    may_track,
    months_before,
)
from newsletter.audience.ledger import Profile
from newsletter.audience.select import tracking, verdicts
from newsletter.audience.suppression import suppress_many
from newsletter.settings import NewsletterSettings, PolicySettings
from newsletter.store.engine import Store
from newsletter.store.tables import import_batches, subscribers, subscriptions

NOW = datetime(2024, 8, 31, 10, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
INQUIRY, PURCHASE = months_before(NOW, 6), months_before(NOW, 24)
JURISDICTIONS = ("gdpr", "uk", "germany", "can-spam", "casl")
KEPT, UNDONE, UNDER_WAY = 1, 2, 3  # the batches an entry may belong to
POLICIES = (
    PolicySettings(version="1", effective=date(2023, 1, 1), change="notice", summary="First."),
    PolicySettings(version="2", effective=date(2024, 8, 31), change="reconsent", summary="From midnight in New York."),
    PolicySettings(version="3", effective=date(2024, 8, 31), change="editorial", summary="Commas."),
    PolicySettings(version="4", effective=date(2024, 9, 1), change="reconsent", summary="Tomorrow."),
)


@dataclass(frozen=True)
class Reader:
    """One invented reader: her ledger, what suppresses her, until when she pauses, and whether she was erased."""

    history: tuple[Entry, ...]
    suppressions: tuple[Suppression, ...] = ()
    paused_until: datetime | None = None
    erased: bool = False

    @property
    def counted(self) -> list[Entry]:
        return [entry for entry in self.history if entry.batch_id not in (UNDONE, UNDER_WAY)]


AROUND = [NOW, NOW - timedelta(days=900)] + [term + n * TICK for term in (INQUIRY, PURCHASE) for n in (-1, 0, 1)]
CHOICES = {
    "basis": [None, *Basis, Basis.IMPLIED],
    "occurred_at": AROUND,
    "expires_at": [None, None, NOW, NOW + TICK, NOW - TICK],
    "ground": [None, *(ground.value for ground in Ground), "a fair"],
    "jurisdiction": [*JURISDICTIONS, "gdpr", "atlantis", "none"],
    "policy_version": [None, "1", "2", "3", "4", "lost"],
    "batch_id": [None, None, KEPT, UNDONE, UNDER_WAY],
}
PAUSES = [None, None, NOW - TICK, NOW, NOW + TICK]
SCOPES = ["*", "daily", "weekly"]

ENTRIES = st.builds(
    Entry,
    st.sampled_from(Event),
    source=st.just("form"),
    actor=st.just("reader"),
    **{name: st.sampled_from(values) for name, values in CHOICES.items()},
)
SUPPRESSIONS = st.builds(
    Suppression, st.sampled_from(Suppressed), st.sampled_from(SCOPES), st.just("ops"), st.just(NOW)
)
READERS = st.builds(
    Reader,
    st.lists(ENTRIES, max_size=6).map(tuple),
    st.one_of(st.just(()), st.lists(SUPPRESSIONS, max_size=2).map(tuple)),
    st.sampled_from(PAUSES),
    st.sampled_from([False, False, False, True]),
)


def invented(chance: random.Random) -> Reader:
    """A reader by chance: quicker than by Hypothesis, which finds the small cases."""
    history = tuple(
        Entry(
            chance.choice(list(Event)),
            source="form",
            actor="reader",
            **{name: chance.choice(values) for name, values in CHOICES.items()},
        )
        for _ in range(chance.randrange(7))
    )
    listed = [
        Suppression(chance.choice(list(Suppressed)), chance.choice(SCOPES), "ops", NOW)
        for _ in range(chance.choice([0, 0, 0, 0, 1, 2]))
    ]
    return Reader(history, tuple(listed), chance.choice(PAUSES), erased=chance.random() < 0.05)


@pytest.fixture
def store(app: App) -> Store:
    return app.store


def settle(connection: Connection, readers: Sequence[Reader], purpose: Purpose = Purpose.SEND) -> list[int]:
    """Write the readers into a store that is theirs alone, their entries mixed in time. Gives their ids in order."""
    batch = {"newsletter": "daily", "file_name": "a.csv", "file_sha256": "", "source": "", "actor": "", "at": NOW}
    batches = [{**batch, "id": number, "counts": "{}"} for number in (KEPT, UNDONE, UNDER_WAY)]
    connection.execute(insert(import_batches), batches)
    connection.execute(update(import_batches).where(import_batches.c.id != KEPT).values(undone_at=NOW))
    connection.execute(update(import_batches).where(import_batches.c.id == UNDONE).values(undone_by="ann"))
    hashes = [f"h1:{number}" for number in range(len(readers))]
    people = [(hashed, f"reader{number}@example.com", Profile()) for number, hashed in enumerate(hashes)]
    by_hash = ledger.add_subscribers(connection, people, now=NOW)
    ids = [by_hash[hashed] for hashed in hashes]
    for newsletter in ("daily", "weekly"):
        ledger.list_for(connection, newsletter, ids, now=NOW)
    rounds = itertools.zip_longest(*(reader.history for reader in readers))
    mixed = [(found, entry) for turn in rounds for found, entry in zip(ids, turn, strict=True) if entry]
    ledger.record(connection, "daily", mixed, now=NOW, purpose=purpose)
    gone = Entry(Event.WITHDRAWN, NOW, "x", "x", "uk")
    ledger.record(connection, "weekly", [(found, gone) for found in ids], now=NOW, purpose=purpose)
    early = Suppression(Suppressed.COMPLAINT, EVERYWHERE, "a file", NOW)  # of an import that may yet fail
    suppress_many(connection, [(hashed, early) for hashed in hashes[::3]], batch_id=UNDER_WAY)
    suppress_many(connection, [(h, s) for h, reader in zip(hashes, readers, strict=True) for s in reader.suppressions])
    for until in {reader.paused_until for reader in readers}:
        paused = [found for found, reader in zip(ids, readers, strict=True) if reader.paused_until == until]
        row = (subscriptions.c.newsletter == "daily", subscriptions.c.subscriber_id.in_(paused))
        connection.execute(update(subscriptions).where(*row).values(paused_until=until))
    erased = [found for found, reader in zip(ids, readers, strict=True) if reader.erased]
    connection.execute(update(subscribers).where(subscribers.c.id.in_(erased)).values(erased_at=NOW, address=None))
    return ids


def by_rule(readers: Sequence[Reader], rules: NewsletterSettings) -> list[str | None]:
    decisions = []
    for reader in readers:
        decision = may_mail(
            reader.counted,
            suppressions=[found for found in reader.suppressions if found.scope != "weekly"],
            erased=reader.erased,
            paused_until=reader.paused_until,
            settings=rules,
            at=NOW,
        )
        decisions.append(None if decision.allowed else str(decision.reason))
    return decisions


def by_sql(
    connection: Connection, ids: Sequence[int], rules: NewsletterSettings, only: Sequence[int] | None = None
) -> list[str | None]:
    rows = connection.execute(verdicts("daily", rules, NOW, subscriber_ids=only)).all()
    assert len(rows) == len(ids if only is None else only)
    found = {row.subscriber_id: row.reason for row in rows}
    return [found[number] for number in ids if number in found]


RULES = [(j, i, p) for j in JURISDICTIONS for i in ("accept", "confirm") for p in ((), POLICIES[:1], POLICIES)]


@pytest.mark.parametrize("seed", [1, 2])
def test_sql_and_rule_agree_on_thousands_of_histories_under_all_rules(
    seed: int, store: Store, settings_for: Callable[..., NewsletterSettings]
) -> None:
    chance = random.Random(seed)
    readers = [invented(chance) for _ in range(2_500)]
    seen = set()
    with store.read() as connection:
        ids = settle(connection, readers)
        for chosen in RULES:
            rules = settings_for(*chosen)
            expected, found = by_rule(readers, rules), by_sql(connection, ids, rules)
            assert [(r, e, f) for r, e, f in zip(readers, expected, found, strict=True) if e != f][:1] == [], chosen
            seen.update(expected)
    assert len(seen) == len(Reason) + 1  # nobody is left out of the comparison, no reason unseen


def test_measuring_is_chosen_by_sql_as_by_the_rule(store: Store) -> None:
    chance = random.Random(3)
    readers = [replace(invented(chance), suppressions=(), erased=False) for _ in range(1_000)]
    with store.read() as connection:
        ids = settle(connection, readers, Purpose.CLICK_TRACKING)
        expected = {found for found, reader in zip(ids, readers, strict=True) if may_track(reader.counted)}
        assert 0 < len(expected) < len(ids)
        assert set(connection.scalars(tracking("daily", Purpose.CLICK_TRACKING))) == expected
        some = ids[::3]
        chosen = connection.scalars(tracking("daily", Purpose.CLICK_TRACKING, subscriber_ids=some))
        assert set(chosen) == expected & set(some)
        assert connection.scalars(tracking("daily", Purpose.OPEN_TRACKING)).all() == []


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(readers=st.lists(READERS, min_size=5, max_size=30), chosen=st.sampled_from(RULES))
def test_sql_and_rule_agree_on_any_history(
    readers: list[Reader],
    chosen: tuple[str, str, tuple[PolicySettings, ...]],
    store: Store,
    settings_for: Callable[..., NewsletterSettings],
) -> None:
    rules = settings_for(*chosen)
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
        Reader(tuple(Entry(e, INQUIRY, "form", "reader", "gdpr", bases[(n + i) % 3]) for i, e in enumerate(order)))
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
        coming = ledger.add_subscribers(connection, [("h1:coming", "coming@example.com", Profile())], now=NOW)
        ledger.list_for(connection, "daily", list(coming.values()), now=NOW, batch_id=UNDER_WAY)
        rows = connection.execute(verdicts("daily", settings_for(), NOW)).all()
        assert sorted(row.subscriber_id for row in rows) == sorted(ids)
        only = [*ids[:2], extra["h1:stranger"], coming["h1:coming"]]
        asked = connection.execute(verdicts("daily", settings_for(), NOW, subscriber_ids=only)).all()
        assert sorted(row.subscriber_id for row in asked) == sorted(ids[:2])
        query = select(subscriptions.c.subscriber_id).where(subscriptions.c.subscriber_id > ids[4])
        by_query = verdicts("daily", settings_for(), NOW, subscriber_ids=query)
        assert connection.scalar(select(func.count()).select_from(by_query.subquery())) == 2
