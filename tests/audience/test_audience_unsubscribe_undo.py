"""The undo button gives back exactly what leaving took away, and never more."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from newsletter.app import App
from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Ground, Purpose, Suppressed, Wording
from newsletter.audience.ledger import Profile
from newsletter.audience.links import ReaderLink
from newsletter.audience.proofs import Visit
from newsletter.audience.returning import SOURCE, Act, Undone, act_of_leaving, undo_leaving
from newsletter.audience.select import tracking, verdicts
from newsletter.audience.suppression import suppress
from newsletter.audience.unsubscribe import Left, Outcome, leave_everything, unsubscribe
from newsletter.settings import NewsletterSettings, PolicySettings
from newsletter.store.tables import consent, proofs, subscribers, subscriptions

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
MOMENTS = [NOW + timedelta(days=days) for days in (0, 1, 40, 200, 900)]
POLICIES = (
    PolicySettings(version="1", effective=date(2023, 1, 1), change="notice", summary="First."),
    PolicySettings(version="2", effective=date(2024, 11, 1), change="reconsent", summary="Soon."),
)
YES = Entry(
    Event.CONFIRMED,
    NOW - timedelta(days=100),
    source="form",
    actor="reader",
    jurisdiction="gdpr",
    basis=Basis.EXPRESS,
    wording=Wording("1", "f" * 64, "en"),
    policy_version="1",
)
VISIT = Visit("192.0.2.1", "Browser")
numbers = itertools.count()


def settings_of(**changed: Any) -> NewsletterSettings:
    return NewsletterSettings(
        name="Daily",
        list_id="daily.news.example.org",
        from_name="Daily",
        from_address="daily@news.example.org",
        timezone="America/New_York",
        organisation="Daily",
        postal_address="1 Example Street",
        why_receiving="You signed up.",
        **changed,
    )


BOTH = {"daily": settings_of(), "weekly": settings_of()}


class Cast:
    """Readers with invented ledgers, and what they do."""

    def __init__(self, app: App) -> None:
        self.store = app.store

    def reader(self, *history: Entry, newsletters: tuple[str, ...] = ("daily",), paused: datetime | None = None) -> int:
        hashed = f"h1:{next(numbers)}"
        with self.store.write() as connection:
            people = [(hashed, "ada@example.org", Profile("Ada"))]
            [reader] = ledger.add_subscribers(connection, people, now=NOW).values()
            for name in newsletters:
                ledger.list_for(connection, name, [reader], now=NOW)
                ledger.record(connection, name, [(reader, entry) for entry in history], now=NOW - timedelta(days=1))
            connection.execute(
                subscriptions.update().where(subscriptions.c.subscriber_id == reader).values(paused_until=paused)
            )
        return reader

    def leaves(self, reader: int, newsletter: str = "daily") -> Left:
        return unsubscribe(self.store, ReaderLink(reader, newsletter, ""), source="page", now=NOW)

    def undoes(
        self, left: Left, newsletters: Mapping[str, NewsletterSettings] = BOTH, *, after: timedelta = timedelta(hours=1)
    ) -> tuple[Undone, Act | None]:
        assert left.entry is not None
        return undo_leaving(self.store, left.entry, newsletters=newsletters, visit=VISIT, now=NOW + after, days=30)

    def verdicts(self, reader: int, about: NewsletterSettings, newsletter: str = "daily") -> list[str | None]:
        with self.store.read() as connection:
            queries = [verdicts(newsletter, about, at, subscriber_ids=[reader]) for at in MOMENTS]
            return [connection.execute(query).one().reason for query in queries]

    def newest(self, reader: int) -> Any:
        with self.store.read() as connection:
            return connection.execute(
                select(consent).where(consent.c.subscriber_id == reader).order_by(consent.c.id.desc())
            ).first()


@pytest.fixture
def cast(app: App) -> Cast:
    return Cast(app)


AGES = [timedelta(days=days) for days in (0, 1, 150, 183, 184, 700, 731, 740)]
ENTRIES = st.builds(
    Entry,
    st.sampled_from(Event),
    st.sampled_from([NOW - age for age in AGES]),
    source=st.just("form"),
    actor=st.just("reader"),
    jurisdiction=st.sampled_from(["gdpr", "casl", "germany", "none"]),
    basis=st.sampled_from([None, *Basis, Basis.IMPLIED]),
    expires_at=st.sampled_from([None, None, NOW - timedelta(1), NOW + timedelta(20), NOW + timedelta(300)]),
    ground=st.sampled_from([None, *(ground.value for ground in Ground)]),
    policy_version=st.sampled_from([None, "1", "2"]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(ENTRIES, max_size=4),
    paused=st.sampled_from([None, NOW, NOW + timedelta(days=50)]),
    jurisdiction=st.sampled_from(["gdpr", "germany", "can-spam", "casl"]),
    imports=st.sampled_from(["accept", "confirm"]),
    policies=st.sampled_from([(), POLICIES]),
)
def test_whatever_the_ledger_undoing_gives_the_very_verdict_from_before_now_and_later_or_nothing(
    cast: Cast,
    history: list[Entry],
    paused: datetime | None,
    jurisdiction: str,
    imports: str,
    policies: tuple[PolicySettings, ...],
) -> None:
    about = settings_of(jurisdiction=jurisdiction, imports=imports, policies=policies)
    reader = cast.reader(*history, paused=paused)
    before = cast.verdicts(reader, about)
    left = cast.leaves(reader)
    assume(left.outcome is Outcome.UNSUBSCRIBED)
    out = cast.verdicts(reader, about)
    assert set(out) == {"unsubscribed"}
    done, _ = cast.undoes(left, {"daily": about})
    assert cast.verdicts(reader, about) == (before if done is Undone.BACK else out)
    if before[0] is None:
        assert done is Undone.BACK, "who was mailed can come back"


def test_what_is_put_back_carries_all_that_it_rested_on_and_its_date(cast: Cast) -> None:
    implied = replace(YES, event=Event.IMPORTED, basis=Basis.IMPLIED, ground="inquiry", expires_at=MOMENTS[3])
    reader = cast.reader(implied)
    assert cast.undoes(cast.leaves(reader))[0] is Undone.BACK
    row = cast.newest(reader)
    assert (row.event, row.source, row.actor, row.basis, row.ground) == (
        "reaffirmed", SOURCE, "reader", "implied", "inquiry",
    )  # fmt: skip
    assert (row.occurred_at, row.expires_at) == (implied.occurred_at, implied.expires_at)
    assert (row.wording_hash, row.policy_version, row.batch_id) == ("f" * 64, "1", None)
    assert row.recorded_at == NOW + timedelta(hours=1)


def test_the_undo_is_proved_like_any_other_yes(cast: Cast) -> None:
    reader = cast.reader(YES)
    cast.undoes(cast.leaves(reader))
    with cast.store.read() as connection:
        row = connection.execute(select(proofs).where(proofs.c.subscriber_id == reader)).one()
    assert (row.consent_id, row.network_address) == (cast.newest(reader).id, "192.0.2.1")


def test_undoing_twice_is_undoing_once(cast: Cast) -> None:
    reader = cast.reader(YES)
    left = cast.leaves(reader)
    assert cast.undoes(left)[0] is Undone.BACK
    newest = cast.newest(reader).id
    assert cast.undoes(left)[0] is Undone.ALREADY
    assert cast.newest(reader).id == newest


def test_an_old_undo_does_not_undo_a_newer_leaving(cast: Cast) -> None:
    reader = cast.reader(YES)
    first = cast.leaves(reader)
    cast.undoes(first)
    later = unsubscribe(cast.store, ReaderLink(reader, "daily", ""), source="one-click", now=NOW + timedelta(hours=2))
    assert later.outcome is Outcome.UNSUBSCRIBED
    assert cast.undoes(first, after=timedelta(hours=3))[0] is not Undone.BACK
    assert cast.newest(reader).event == "withdrawn"


def test_the_undo_works_for_a_day(cast: Cast) -> None:
    late, reader = timedelta(hours=24), cast.reader(YES)
    left = cast.leaves(reader)
    assert cast.undoes(left, after=late)[0] is Undone.TOO_LATE
    assert cast.undoes(left, after=late - timedelta(seconds=1))[0] is Undone.BACK


@pytest.mark.parametrize("reason", list(Suppressed))
def test_no_undo_lifts_a_suppression(cast: Cast, reason: Suppressed) -> None:
    reader = cast.reader(YES)
    left = cast.leaves(reader)
    with cast.store.write() as connection:
        hashed = connection.scalar(select(subscribers.c.address_hash).where(subscribers.c.id == reader))
        suppress(connection, hashed, reason=reason, source="ops", at=NOW)
    assert cast.undoes(left)[0] is Undone.TOO_LATE
    assert cast.newest(reader).event == "withdrawn"


def test_no_undo_brings_an_erased_reader_back(cast: Cast) -> None:
    reader = cast.reader(YES)
    left = cast.leaves(reader)
    with cast.store.write() as connection:
        connection.execute(subscribers.update().where(subscribers.c.id == reader).values(address=None, erased_at=NOW))
    assert cast.undoes(left)[0] is Undone.TOO_LATE


@pytest.mark.parametrize("event", [Event.REQUESTED, Event.EXPIRED])
def test_what_was_no_yes_before_is_none_after(cast: Cast, event: Event) -> None:
    reader = cast.reader(replace(YES, event=event))
    assert cast.undoes(cast.leaves(reader))[0] is Undone.TOO_LATE


def test_an_import_that_still_needs_confirming_is_not_confirmed_by_leaving_and_undoing(cast: Cast) -> None:
    about = {"daily": settings_of(imports="confirm")}
    reader = cast.reader(replace(YES, event=Event.IMPORTED))
    assert cast.verdicts(reader, about["daily"])[0] == "import-needs-confirmation"
    assert cast.undoes(cast.leaves(reader), about)[0] is Undone.TOO_LATE
    assert cast.verdicts(reader, about["daily"])[0] == "unsubscribed"


def test_a_newsletter_given_up_since_is_not_brought_back(cast: Cast) -> None:
    reader = cast.reader(YES)
    assert cast.undoes(cast.leaves(reader), {"weekly": settings_of()})[0] is Undone.TOO_LATE


def test_one_undo_brings_back_everything_that_one_press_left(cast: Cast) -> None:
    reader = cast.reader(YES, newsletters=("daily", "weekly"))
    before = {name: cast.verdicts(reader, BOTH[name], name) for name in BOTH}
    left = leave_everything(cast.store, reader, now=NOW)
    assert {cast.verdicts(reader, BOTH[name], name)[0] for name in BOTH} == {"unsubscribed"}
    done, act = cast.undoes(left)
    assert done is Undone.BACK
    assert act is not None
    assert act.left == ("daily", "weekly")
    assert {name: cast.verdicts(reader, BOTH[name], name) for name in BOTH} == before


def test_what_was_left_before_that_press_stays_left(cast: Cast) -> None:
    reader = cast.reader(YES, newsletters=("daily", "weekly"))
    cast.leaves(reader, "weekly")
    done, act = cast.undoes(leave_everything(cast.store, reader, now=NOW))
    assert (done, act and act.newsletters) == (Undone.BACK, ("daily",))
    assert cast.verdicts(reader, BOTH["weekly"], "weekly")[0] == "unsubscribed"


def test_of_everything_left_what_she_chose_anew_since_is_not_touched(cast: Cast) -> None:
    reader = cast.reader(YES, newsletters=("daily", "weekly"))
    left = leave_everything(cast.store, reader, now=NOW)
    anew = replace(YES, source="form, again")
    with cast.store.write() as connection:
        ledger.record(connection, "weekly", [(reader, anew)], now=NOW + timedelta(minutes=5))
    assert cast.undoes(left)[1] is not None
    with cast.store.read() as connection:
        sources = [row.entry.source for row in ledger.everything_of(connection, reader, "weekly")]
    assert sources == ["form", "page, everything", "form, again"]


def test_measuring_comes_back_with_the_newsletter_and_only_where_it_was_allowed(cast: Cast) -> None:
    reader = cast.reader(YES)
    with cast.store.write() as connection:
        ledger.record(connection, "daily", [(reader, YES)], now=NOW, purpose=Purpose.OPEN_TRACKING)
    cast.undoes(cast.leaves(reader))
    with cast.store.read() as connection:
        measured = {
            purpose: reader in connection.scalars(tracking("daily", purpose)).all()
            for purpose in (Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING)
        }
    assert measured == {Purpose.OPEN_TRACKING: True, Purpose.CLICK_TRACKING: False}


def test_only_a_withdrawal_of_the_readers_own_is_an_act_of_leaving(cast: Cast) -> None:
    reader = cast.reader(YES)
    claimed = replace(YES, event=Event.WITHDRAWN, source="import", actor="editor")
    with cast.store.write() as connection:
        number = ledger.record_one(connection, "daily", reader, claimed, now=NOW)
        assert act_of_leaving(connection, number, BOTH) is None
        assert act_of_leaving(connection, number - 1, BOTH) is None
        assert act_of_leaving(connection, 999_999, BOTH) is None
