"""Whom events put on the list: who is gone and who complained at once, a mailbox that refuses only after a while."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from feedback_rig import NOW, add_send, delivery, hash_of, hear, said, suppressed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from newsletter.app import App
from newsletter.audience.consent import EVERYWHERE, Suppressed
from newsletter.audience.proofs import FORMER_ADDRESS, keep_detail
from newsletter.audience.suppression import lift
from newsletter.store.tables import deliveries, events, feed_positions, raw_events, sends, suppressions

SENDS = [f"send{letter * 4}" for letter in "abcdefgh"]
DAY = timedelta(days=1)


@pytest.fixture
def ledger(app: App) -> App:
    """Eight sends a week apart, each to reader 1 and 2."""
    for number, send in enumerate(SENDS):
        add_send(app, send, readers=2, at=NOW + 7 * number * DAY)
    return app


def week(app: App, number: int, kind: str, reader: int = 1, **more: object) -> int:
    """What came back of that week's send; how many were suppressed by it."""
    return hear(app, said(kind, SENDS[number], reader, at=NOW + 7 * number * DAY, **more)).suppressed


def test_a_mailbox_that_refuses_five_sends_in_a_row_over_thirty_days_is_given_up(ledger: App) -> None:
    assert [week(ledger, number, "Full") for number in range(5)] == [0, 0, 0, 0, 0]  # 28 days
    assert week(ledger, 5, "Soft") == 1
    assert suppressed(ledger) == {hash_of(ledger, 1): "hard-bounce"}
    with ledger.store.read() as connection:
        source = connection.scalar(select(suppressions.c.source))
    assert source == "soft bounces of 6 sends in a row over 30 days or more"


def test_a_delivery_in_between_begins_the_row_anew(ledger: App) -> None:
    kinds = ["Full", "Full", "Full", "Delivery", "Full", "Full", "Full", "Full"]
    assert [week(ledger, number, kind) for number, kind in enumerate(kinds)] == [0] * 8
    assert suppressed(ledger) == {}


def test_the_days_count_from_the_last_delivery(ledger: App) -> None:
    kinds = ["Delivery", "Full", "Full", "Full", "Full", "Full"]  # five refusals over 28 days, 35 after the delivery
    assert [week(ledger, number, kind) for number, kind in enumerate(kinds)] == [0, 0, 0, 0, 0, 1]


def test_what_says_nothing_clear_counts_three_in_a_row_over_a_week(ledger: App) -> None:
    assert [week(ledger, number, "Unclear") for number in range(3)] == [0, 0, 1]
    assert suppressed(ledger) == {hash_of(ledger, 1): "hard-bounce"}


def test_as_many_days_as_the_rules_say_are_enough_and_an_hour_less_is_not(ledger: App) -> None:
    rules = ledger.settings.feedback.model_copy(update={"soft_bounce_days": 28})
    chosen = ledger.settings.model_copy(update={"feedback": rules})
    for reader, short in ((1, timedelta(0)), (2, timedelta(hours=1))):
        late = [said("Full", SENDS[n], reader, at=NOW + 7 * n * DAY - (short if n == 4 else 0 * DAY)) for n in range(5)]
        assert hear(ledger, *late, settings=chosen).suppressed == (0 if short else 1)
        unclear = [said("Unclear", SENDS[5 + n], reader, at=NOW + (40 + at) * DAY) for n, at in enumerate((0, 3))]
        assert hear(ledger, *unclear, said("Unclear", SENDS[7], reader, at=NOW + 47 * DAY - short)).suppressed == (
            0 if short else 1
        )


def test_what_blames_our_content_never_counts_against_a_reader(ledger: App) -> None:
    assert sum(week(ledger, number, "TooLarge") for number in range(8)) == 0
    assert suppressed(ledger) == {}


def test_what_blames_our_configuration_never_counts_against_a_reader(ledger: App) -> None:
    ours = [{"emailAddress": "x@example.com", "diagnosticCode": "smtp; 451 4.7.515 Access denied"}]
    assert sum(week(ledger, number, "Soft", bouncedRecipients=ours) for number in range(8)) == 0
    assert week(ledger, 0, "Bounce", bouncedRecipients=ours) == 0
    assert suppressed(ledger) == {}


def test_automatic_replies_to_mail_that_arrived_are_no_refusals(ledger: App) -> None:
    for number in range(8):
        week(ledger, number, "Delivery")
        week(ledger, number, "Soft")
    assert suppressed(ledger) == {}


def test_a_new_address_begins_anew_though_mail_to_the_old_one_bounces_late(ledger: App) -> None:
    with ledger.store.write() as connection:
        keep_detail(connection, 1, FORMER_ADDRESS, "old@example.org", now=NOW + 36 * DAY, days=30)
    late = [said("Full", send, at=NOW + (40 + 7 * number) * DAY) for number, send in enumerate(SENDS[:6])]
    assert hear(ledger, *late).suppressed == 0
    assert [week(ledger, number, "Full") for number in (6, 7)] == [0, 0]
    assert suppressed(ledger) == {}


def test_after_a_person_lifted_it_the_row_begins_anew(ledger: App) -> None:
    assert sum(week(ledger, number, "Full") for number in range(6)) == 1
    with ledger.store.write() as connection:
        reasons, scopes = [Suppressed.HARD_BOUNCE], [EVERYWHERE]
        given = {"actor": "ann", "why": "she wrote", "now": NOW + 36 * DAY}
        assert lift(connection, hash_of(ledger, 1), reasons=reasons, scopes=scopes, **given) == 1
    assert week(ledger, 6, "Full") == 0
    assert suppressed(ledger) == {}


def test_a_complaint_and_a_hard_bounce_count_at_once_and_everywhere(ledger: App) -> None:
    assert week(ledger, 0, "Complaint") == 1
    assert week(ledger, 0, "Bounce", reader=2) == 1
    assert suppressed(ledger) == {hash_of(ledger, 1): "complaint", hash_of(ledger, 2): "hard-bounce"}


def test_who_is_on_the_providers_own_list_is_suppressed_and_counted_as_our_defect(ledger: App) -> None:
    done = hear(ledger, said("Listed", SENDS[0], 1), said("Bounce", SENDS[0], 2))
    assert (done.suppressed, done.out_of_step) == (2, 1)


def test_what_kind_of_bounce_it_was_is_kept_in_the_providers_words_alone(ledger: App) -> None:
    hostile = {"bounceSubType": "reader1@example.com", "bouncedRecipients": [{"status": "reader1@example.com"}]}
    hear(ledger, said("Full", SENDS[0]), said("Full", SENDS[1], **hostile))
    with ledger.store.read() as connection:
        assert set(connection.scalars(select(events.c.detail))) == {"Transient/MailboxFull", "Transient/Unknown"}
    assert "reader1" not in str(delivery(ledger, SENDS[1]).outcome_detail)


# -- the law, against a plain twin ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """One event of reader 1: of which send, and when."""

    kind: str
    send: int
    at: datetime


_RANK = {"Complaint": 6, "Bounce": 5, "Delivery": 3, "Full": 2, "Soft": 2, "TooLarge": 2, "Unclear": 2}


def given_up(heard: Sequence[Heard], *, sends_in_a_row: int, days: int) -> bool:
    """The rule, told plainly: look at each send's gravest event, and at those since the last delivery."""
    if any(each.kind in {"Bounce", "Complaint"} for each in heard):
        return True
    outcomes = []
    for send in {each.send for each in heard}:
        mine = [each for each in heard if each.send == send]
        top = max(_RANK[each.kind] for each in mine)
        outcomes.append(min((e for e in mine if _RANK[e.kind] == top), key=lambda e: (e.at, DETAILS[e.kind])))
    taken = [each.at for each in outcomes if each.kind == "Delivery"]
    since = [each for each in outcomes if each.kind != "Delivery" and (not taken or each.at > max(taken))]
    soft = [each.at for each in since if each.kind in {"Full", "Soft"}]
    unclear = [each.at for each in since if each.kind == "Unclear"]
    if len(soft) >= sends_in_a_row and max(soft) - (max(taken) if taken else min(soft)) >= timedelta(days=days):
        return True
    return len(unclear) >= 3 and max(unclear) - min(unclear) >= timedelta(days=7)


DETAILS = {
    "Full": "Transient/MailboxFull",
    "Soft": "Transient/General",
    "TooLarge": "Transient/MessageTooLarge",
    "Unclear": "Undetermined/Undetermined",
    "Delivery": "",
    "Bounce": "Permanent/General",
    "Complaint": "abuse",
}


REFUSALS = [["Full"], ["Soft"], ["Full", "Soft"], ["Unclear"]]  # what may come back of one send
OTHERS = [[], ["Delivery"], ["Delivery", "Soft"], ["TooLarge"], ["Bounce"], ["Complaint"]]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Heard]]:
    """Eight sends to one reader, a few days apart, who mostly refuses in one way; heard of in any order, in pages."""
    usual = draw(st.sampled_from(REFUSALS))
    apart = draw(st.integers(1, 4))
    heard = []
    for send in range(len(SENDS)):
        kinds = draw(st.just(usual) | st.sampled_from([usual, *REFUSALS, *OTHERS]))
        days = draw(st.lists(st.integers(0, 1), min_size=len(kinds), max_size=len(kinds)))
        heard += [Heard(kind, send, NOW + (send * apart + day) * DAY) for kind, day in zip(kinds, days, strict=True)]
    heard = draw(st.permutations(heard))
    cuts = sorted(draw(st.lists(st.integers(0, len(heard)), max_size=3)))
    edges = [0, *cuts, len(heard)]
    return [list(heard[low:high]) for low, high in itertools.pairwise(edges)]


@pytest.mark.sqlite
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.integers(2, 5), st.integers(1, 9))
def test_who_is_given_up_is_what_the_plain_rule_says_in_any_order(
    ledger: App, pages: list[list[Heard]], sends_in_a_row: int, days: int
) -> None:
    """After every page: suppressed if and only if what was heard until then, or earlier, says so."""
    forget(ledger)
    rules = ledger.settings.feedback.model_copy(update={"soft_bounces": sends_in_a_row, "soft_bounce_days": days})
    chosen = ledger.settings.model_copy(update={"feedback": rules})
    heard: list[Heard] = []
    expected = False
    for page in pages:
        hear(ledger, *(event_of(each) for each in page), settings=chosen)
        heard += page
        expected = expected or given_up(heard, sends_in_a_row=sends_in_a_row, days=days)
        assert (hash_of(ledger, 1) in suppressed(ledger)) is expected


def event_of(each: Heard) -> str:
    return said(each.kind, SENDS[each.send], at=each.at, feedbackId=f"{each}")


def forget(app: App) -> None:
    with app.store.write() as connection:
        for table in (suppressions, events, raw_events, feed_positions):
            connection.execute(delete(table))
        connection.execute(deliveries.update().values(outcome="none", outcome_at=None, outcome_detail=None))
        connection.execute(sends.update().values(state="done"))
