"""Consents run out by themselves; that they will is seen before, and that they have is written down after."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from test_audience_select import NOW, RULES, by_sql, invented, settle

from newsletter.app import App
from newsletter.audience import ledger
from newsletter.audience.expiry import Lapsing, lapsing, record_expired
from newsletter.store.tables import consent


def entries(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(consent)) or 0


@pytest.mark.parametrize("chosen", [RULES[0], RULES[-1]])
def test_writing_down_what_has_lapsed_changes_nobodys_verdict_and_is_done_once(
    chosen: Any, app: App, settings_for: Any
) -> None:
    chance = random.Random(5)
    rules = settings_for(*chosen)
    with app.store.write() as connection:
        ids = settle(connection, [invented(chance) for _ in range(600)])
        before = by_sql(connection, ids, rules)
    written = record_expired(app.store, {"daily": rules}, NOW)
    assert written > 0
    with app.store.read() as connection:
        assert by_sql(connection, ids, rules) == before
        count = entries(connection)
    assert record_expired(app.store, {"daily": rules}, NOW) == 0
    with app.store.read() as connection:
        assert entries(connection) == count


def test_the_entry_says_what_happened_and_goes_with_the_import_it_ends(newsroom: Any) -> None:
    app = newsroom.app
    report = newsroom.imports("email,expires\nalice@example.com,2024-10-11\nbob@example.com,2024-12-01\n")
    later = newsroom.now + timedelta(days=3)
    assert record_expired(app.store, app.settings.newsletters, newsroom.now) == 0
    assert record_expired(app.store, app.settings.newsletters, later) == 1
    with app.store.read() as connection:
        person = ledger.find_subscribers(connection, [newsroom.hash("alice@example.com")]).popitem()[1]
        last = ledger.everything_of(connection, person.id)[-1].entry
    assert (last.event, last.actor, last.batch_id, last.occurred_at) == ("expired", "the rules", report.batch, later)
    assert newsroom.reason("alice@example.com", at=later) == "expired"
    assert newsroom.reason("bob@example.com", at=later) == "mailable"


def test_readers_who_lapse_are_seen_coming_by_month_in_the_newsletters_zone(newsroom: Any) -> None:
    ends = ["2024-10-20", "2024-10-31", "2024-11-01", "2024-11-02", "2025-09-30", "2025-10-02", ""]
    rows = "".join(f"reader{n}@example.com,{end}\n" for n, end in enumerate(ends))
    newsroom.imports(f"email,expires\n{rows}")
    newsroom.leaves("reader0@example.com")
    with newsroom.app.store.read() as connection:
        found = lapsing(connection, "daily", newsroom.settings, at=newsroom.now)
        after = lapsing(connection, "daily", newsroom.settings, at=newsroom.now, days=1)
    assert found == Lapsing(30, 3, {"2024-10": 1, "2024-11": 2, "2025-09": 1})
    assert after.soon == 0
    assert [found.in_month(newsroom.now + timedelta(days=days)) for days in (0, 30, 60)] == [1, 2, 0]


def test_terms_by_law_are_seen_coming_too(newsroom: Any, settings_for: Any) -> None:
    casl = settings_for("casl")
    newsroom.imports("email,basis,date\nalice@example.com,implied,2024-05-01\n", settings=casl)
    with newsroom.app.store.read() as connection:
        found = lapsing(connection, "daily", casl, at=newsroom.now)
    assert found == Lapsing(30, 1, {"2024-11": 1})
    assert record_expired(newsroom.app.store, {"daily": casl}, datetime(2024, 11, 2, tzinfo=UTC)) == 1
