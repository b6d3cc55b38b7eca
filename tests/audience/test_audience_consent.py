"""The rule: which entry decides, what each jurisdiction accepts, and in which order reasons are given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.audience.consent import (
    IN_WORDS,
    MAILABLE,
    Basis,
    Entry,
    Event,
    Reason,
    Suppressed,
    Suppression,
    may_mail,
    months_before,
)
from newsletter.config import NewsletterSettings

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
Settings = Callable[..., NewsletterSettings]


def entry(
    event: str, basis: Basis | None = Basis.EXPRESS, *, days_ago: int = 10, until: datetime | None = None
) -> Entry:
    when = NOW - timedelta(days=days_ago)
    return Entry(Event(event), when, source="form", actor="reader", jurisdiction="gdpr", basis=basis, expires_at=until)


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


def test_under_casl_an_implied_consent_without_a_date_lapses_six_months_after_it_arose(settings_for: Settings) -> None:
    def reason(since: datetime, jurisdiction: str = "casl") -> str:
        implied = Entry(Event.IMPORTED, since, "shop", "editor", jurisdiction, Basis.IMPLIED)
        return may_mail([implied], settings=settings_for(jurisdiction), at=NOW).reason

    assert reason(datetime(2024, 4, 10, 10, 30, 1, tzinfo=UTC)) == MAILABLE
    assert reason(datetime(2024, 4, 10, 10, 30, tzinfo=UTC)) == Reason.EXPIRED
    assert reason(datetime(2014, 4, 10, tzinfo=UTC), "can-spam") == MAILABLE


def test_a_purchase_counts_for_as_long_as_its_date_says(settings_for: Settings) -> None:
    purchase = entry("imported", Basis.IMPLIED, days_ago=600, until=NOW + timedelta(days=100))
    assert may_mail([purchase], settings=settings_for("casl"), at=NOW).allowed


def test_reasons_come_in_their_order(settings_for: Settings) -> None:
    listed = {reason: Suppression(reason, "*", "ops", NOW) for reason in Suppressed}
    withdrawn = [entry("confirmed"), entry("withdrawn")]

    def reason(*suppressed: Suppressed, erased: bool = False) -> str:
        found = [listed[name] for name in suppressed]
        return may_mail(withdrawn, suppressions=found, erased=erased, settings=settings_for(), at=NOW).reason

    everything = list(Suppressed)
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
