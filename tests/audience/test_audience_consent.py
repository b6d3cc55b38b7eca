"""The rule: which entry decides, what each jurisdiction accepts, and in which order reasons are given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.audience.consent import (
    IN_WORDS,
    MAILABLE,
    SUPPRESSION_REASONS,
    Basis,
    Entry,
    Event,
    Reason,
    Suppressed,
    Suppression,
    may_mail,
    may_track,
    months_before,
)
from newsletter.settings import NewsletterSettings, PolicySettings

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
Settings = Callable[..., NewsletterSettings]


def entry(
    event: str,
    basis: Basis | None = Basis.EXPRESS,
    *,
    days_ago: int = 10,
    until: datetime | None = None,
    jurisdiction: str = "none",
    policy: str | None = None,
) -> Entry:
    when = NOW - timedelta(days=days_ago)
    return Entry(Event(event), when, "form", "reader", jurisdiction, basis, expires_at=until, policy_version=policy)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ("", Reason.NO_CONSENT),
        ("requested", Reason.UNCONFIRMED),
        ("requested confirmed", MAILABLE),
        ("imported", MAILABLE),
        ("confirmed requested", MAILABLE),  # asking again takes nothing away
        ("imported requested", MAILABLE),
        ("confirmed withdrawn", Reason.UNSUBSCRIBED),
        ("withdrawn", Reason.UNSUBSCRIBED),
        ("imported withdrawn imported", Reason.UNSUBSCRIBED),  # an import never turns anyone back on
        ("imported withdrawn requested", Reason.UNSUBSCRIBED),
        ("imported withdrawn requested confirmed", MAILABLE),
        ("confirmed withdrawn reaffirmed", MAILABLE),
        ("confirmed withdrawn confirmed withdrawn", Reason.UNSUBSCRIBED),
        ("confirmed expired", Reason.EXPIRED),
        ("confirmed expired requested", Reason.EXPIRED),
        ("confirmed expired reaffirmed", MAILABLE),
        ("imported expired imported", MAILABLE),
        ("confirmed withdrawn expired", Reason.UNSUBSCRIBED),
    ],
)
def test_which_entry_decides(events: str, reason: str, settings_for: Settings) -> None:
    decision = may_mail([entry(event) for event in events.split()], settings=settings_for(), at=NOW)
    assert (decision.reason, decision.allowed) == (reason, reason == MAILABLE)


def test_an_import_on_weaker_grounds_does_not_replace_the_readers_own_yes(settings_for: Settings) -> None:
    history = [entry("confirmed"), entry("imported", Basis.IMPLIED)]
    assert may_mail(history, settings=settings_for(imports="confirm"), at=NOW).allowed


@pytest.mark.parametrize(
    ("jurisdiction", "accepted"),
    [
        ("gdpr", {"express", "soft-opt-in"}),
        ("uk", {"express", "soft-opt-in"}),
        ("germany", {"express"}),
        ("can-spam", {"express", "soft-opt-in", "implied"}),
        ("casl", {"express", "implied"}),
    ],
)
def test_what_each_jurisdiction_accepts_of_an_import(
    jurisdiction: str, accepted: set[str], settings_for: Settings
) -> None:
    settings = settings_for(jurisdiction)
    found = {basis: may_mail([entry("imported", basis)], settings=settings, at=NOW) for basis in Basis}
    assert {basis.value for basis, decision in found.items() if decision.allowed} == accepted
    refused = {decision.reason for decision in found.values() if not decision.allowed}
    assert refused <= {Reason.BASIS_NOT_ACCEPTED}


@pytest.mark.parametrize("jurisdiction", ["gdpr", "uk", "germany", "can-spam", "casl"])
def test_an_express_import_is_mailable_everywhere_unless_imports_must_be_confirmed(
    jurisdiction: str, settings_for: Settings
) -> None:
    history = [entry("imported")]
    assert may_mail(history, settings=settings_for(jurisdiction), at=NOW).allowed
    confirm = may_mail(history, settings=settings_for(jurisdiction, "confirm"), at=NOW)
    assert confirm.reason == Reason.IMPORT_NEEDS_CONFIRMATION
    assert may_mail([*history, entry("confirmed")], settings=settings_for(jurisdiction, "confirm"), at=NOW).allowed


def test_a_consent_lapses_at_its_own_date(settings_for: Settings) -> None:
    def reason(until: datetime) -> str:
        return may_mail([entry("imported", until=until)], settings=settings_for(), at=NOW).reason

    assert reason(NOW + timedelta(microseconds=1)) == MAILABLE
    assert reason(NOW) == Reason.EXPIRED


@pytest.mark.parametrize(("ground", "months"), [("purchase", 24), ("inquiry", 6), (None, 6), ("a fair", 6)])
def test_under_casl_an_implied_consent_lapses_by_what_it_came_from(
    ground: str | None, months: int, settings_for: Settings
) -> None:
    def reason(since: datetime, jurisdiction: str = "casl") -> str:
        implied = Entry(Event.IMPORTED, since, "shop", "editor", jurisdiction, Basis.IMPLIED, ground=ground)
        return may_mail([implied], settings=settings_for(jurisdiction), at=NOW).reason

    assert reason(months_before(NOW, months) + timedelta(seconds=1)) == MAILABLE
    assert reason(months_before(NOW, months)) == Reason.EXPIRED
    assert reason(datetime(2014, 4, 10, tzinfo=UTC), "can-spam") == MAILABLE


def test_a_dealing_counts_as_long_as_its_date_says_and_never_longer_than_the_longest_term(
    settings_for: Settings,
) -> None:
    def reason(days_ago: int) -> str:
        dealing = entry("imported", Basis.IMPLIED, days_ago=days_ago, until=NOW + timedelta(days=100))
        return may_mail([dealing], settings=settings_for("casl"), at=NOW).reason

    assert reason(600) == MAILABLE
    assert reason(740) == Reason.EXPIRED


@pytest.mark.parametrize(
    ("newsletter", "given_under", "basis", "reason"),
    [
        ("can-spam", "can-spam", Basis.IMPLIED, MAILABLE),
        ("can-spam", "gdpr", Basis.IMPLIED, Reason.BASIS_NOT_ACCEPTED),
        ("gdpr", "germany", Basis.SOFT_OPT_IN, Reason.BASIS_NOT_ACCEPTED),
        ("germany", "gdpr", Basis.SOFT_OPT_IN, Reason.BASIS_NOT_ACCEPTED),
        ("can-spam", "casl", Basis.IMPLIED, Reason.EXPIRED),  # 10 months old
        ("can-spam", "atlantis", Basis.IMPLIED, MAILABLE),
        ("gdpr", "casl", Basis.EXPRESS, MAILABLE),
    ],
)
def test_an_entry_given_under_other_rules_must_satisfy_both(
    newsletter: str, given_under: str, basis: Basis, reason: str, settings_for: Settings
) -> None:
    history = [entry("imported", basis, days_ago=300, jurisdiction=given_under)]
    assert may_mail(history, settings=settings_for(newsletter), at=NOW).reason == reason


POLICIES = (
    PolicySettings(version="1", effective=date(2023, 1, 1), change="notice", summary="First."),
    PolicySettings(version="2", effective=date(2024, 6, 1), change="reconsent", summary="Measures opens."),
    PolicySettings(version="3", effective=date(2024, 10, 11), change="editorial", summary="Commas."),
)


@pytest.mark.parametrize(
    ("agreed_to", "reason"),
    [("2", MAILABLE), ("3", MAILABLE), ("1", Reason.RECONSENT_OWED), (None, Reason.RECONSENT_OWED)],
)
def test_who_has_not_agreed_to_a_policy_that_asks_for_it_gets_nothing(
    agreed_to: str | None, reason: str, settings_for: Settings
) -> None:
    history = [entry("confirmed", policy=agreed_to)]
    settings = settings_for(policies=POLICIES)
    assert may_mail(history, settings=settings, at=NOW).reason == reason
    assert may_mail(history, settings=settings, at=datetime(2024, 5, 31, 12, tzinfo=UTC)).allowed
    assert may_mail(history, settings=settings_for(policies=POLICIES[:1]), at=NOW).allowed


def test_a_policy_begins_with_its_day_in_the_newsletters_zone(settings_for: Settings) -> None:
    midnight = datetime(2024, 6, 1, tzinfo=ZoneInfo("America/New_York"))
    settings = settings_for(policies=POLICIES)
    assert may_mail([entry("confirmed")], settings=settings, at=midnight - timedelta(seconds=1)).allowed
    assert not may_mail([entry("confirmed")], settings=settings, at=midnight).allowed


def test_a_pause_counts_until_its_moment_and_only_when_nothing_else_objects(settings_for: Settings) -> None:
    def reason(history: list[Entry], until: datetime) -> str:
        return may_mail(history, paused_until=until, settings=settings_for(), at=NOW).reason

    later = NOW + timedelta(seconds=1)
    assert reason([entry("confirmed")], later) == Reason.PAUSED
    assert reason([entry("confirmed")], NOW) == MAILABLE
    assert reason([entry("confirmed"), entry("withdrawn")], later) == Reason.UNSUBSCRIBED
    owing = may_mail([entry("confirmed")], paused_until=later, settings=settings_for(policies=POLICIES), at=NOW)
    assert owing.reason == Reason.RECONSENT_OWED


@pytest.mark.parametrize(
    ("events", "allowed"),
    [
        ("", False),
        ("requested", False),
        ("imported", False),
        ("confirmed", True),
        ("reaffirmed", True),
        ("confirmed withdrawn", False),
        ("confirmed withdrawn imported", False),
        ("confirmed withdrawn reaffirmed", True),
        ("confirmed expired", False),
    ],
)
def test_only_a_readers_own_yes_allows_measuring(events: str, allowed: bool) -> None:
    assert may_track([entry(event) for event in events.split()]) is allowed


def test_reasons_come_in_their_order(settings_for: Settings) -> None:
    listed = {reason: Suppression(reason, "*", "ops", NOW) for reason in Suppressed}
    withdrawn = [entry("confirmed"), entry("withdrawn")]

    def reason(*suppressed: Suppressed, erased: bool = False) -> str:
        found = [listed[name] for name in suppressed]
        return may_mail(withdrawn, suppressions=found, erased=erased, settings=settings_for(), at=NOW).reason

    everything = list(SUPPRESSION_REASONS)
    assert reason(*everything, erased=True) == Reason.ERASED
    seen = []
    while everything:
        seen.append(reason(*reversed(everything)))
        everything.pop(0)
    assert seen == [
        Reason.SUPPRESSED_COMPLAINT,
        Reason.SUPPRESSED_HARD_BOUNCE,
        Reason.SUPPRESSED_MANUAL,
        Reason.SUPPRESSED_ERASURE,
        Reason.SUPPRESSED_MOVED,
        Reason.UNSUBSCRIBED,
    ]


def test_the_evidence_names_the_record_that_decided(settings_for: Settings) -> None:
    decision = may_mail([entry("requested", None), entry("confirmed")], settings=settings_for(), at=NOW)
    assert decision.evidence == "confirmed on 2024-09-30, basis express, source: form"


def test_every_reason_has_its_plain_words() -> None:
    assert set(IN_WORDS) == {MAILABLE, *Reason}


@settings(deadline=None)
@given(st.integers(0, 3_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)), st.integers(1, 36))
def test_going_back_months_keeps_the_day_or_takes_the_last_of_a_shorter_month(at: datetime, months: int) -> None:
    earlier = months_before(at, months)
    assert (at.year * 12 + at.month) - (earlier.year * 12 + earlier.month) == months
    assert earlier.day == at.day or (earlier + timedelta(days=1)).month != earlier.month
    assert earlier.time() == at.time()
