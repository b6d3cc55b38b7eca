"""A send's report says what is true of it, section by section, and of nobody by name."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update
from tracked_rig import (
    ISSUE,
    NOW,
    PACT,
    RAIL,
    SEND,
    WALLS,
    add_send,
    address_of,
    hear,
    looked,
    say,
    set_delivery,
)

from newsletter.app import App
from newsletter.audience.links import ReaderLink
from newsletter.audience.unsubscribe import leave_everything, unsubscribe
from newsletter.cli.report_view import show_report, write_csv
from newsletter.errors import NotFound
from newsletter.feedback.providers import ERASED, PROVIDERS, provider_of
from newsletter.feedback.report import report
from newsletter.feedback.returned import MOST_PROVIDERS
from newsletter.store.tables import (
    deliveries,
    poll_results,
    resolutions,
    sends,
    subscribers,
    subscriptions,
    test_mails,
    votes,
)

GMAIL = next(domain for domain, name in PROVIDERS.items() if name == "Gmail")


def shown(app: App, send: str = SEND) -> dict[str, Any]:
    with app.store.read() as connection:
        return report(connection, send, app.settings)


def move_to(app: App, reader: int, address: str | None) -> None:
    with app.store.write() as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == reader).values(address=address))


def test_the_account_and_the_reasons_are_those_of_the_ledger(app: App) -> None:
    add_send(app, readers=range(1, 6))
    set_delivery(app, 1, state="excluded", reason="unsubscribed", handed_over_at=None)
    set_delivery(app, 2, state="refused", reason="554 <reader2@example.com> is no mailbox")
    set_delivery(app, 3, state="refused", reason="554 <reader3@example.com> is no mailbox")
    set_delivery(app, 4, state="uncertain", reason="no answer came")
    found = shown(app)
    assert found["account"]["audience"] == 5
    assert found["excluded_by"] == {"unsubscribed": 1}
    assert found["refused_because"] == [{"reason": "554 <(address)> is no mailbox", "readers": 2}]
    assert found["uncertain_because"] == [{"reason": "no answer came", "readers": 1}]
    assert "example.com" not in json.dumps(found["refused_because"])


def test_there_is_no_report_of_a_send_there_is_not(app: App) -> None:
    with pytest.raises(NotFound):
        shown(app, "zzzzzzzz")


@pytest.mark.parametrize(
    ("waiting", "reached"),
    [(0, (9.0, 18.0, 60.0)), (1, (10.0, 60.0, None)), (4, (11.0, None, None)), (21, (None, None, None))],
)
def test_half_and_nearly_all_and_all_are_reckoned_of_everybody_it_is_meant_for(
    app: App, waiting: int, reached: tuple[float | None, ...]
) -> None:
    """Nineteen readers a second apart, one who joined late, and some who wait; and one left out."""
    add_send(app, readers=range(1, 22 + waiting))
    for reader in range(1, 21):
        set_delivery(app, reader, handed_over_at=NOW + timedelta(seconds=60 if reader == 20 else reader - 1))
    for reader in range(21, 21 + waiting):
        set_delivery(app, reader, handed_over_at=None, state="pending")
    set_delivery(app, 21 + waiting, handed_over_at=None, state="excluded", reason="paused")
    went = shown(app)["hand_over"]
    assert went["handed_over"] == 20
    assert tuple(went[f"seconds_to_{part}"] for part in (50, 95, 100)) == reached
    assert went["per_second"] == (1.1 if waiting == 0 else 0.3 if waiting == 1 else None)


def test_before_the_first_hand_over_there_is_nothing_to_time(app: App) -> None:
    add_send(app, first_handover_at=None, state="sending")
    went = shown(app)["hand_over"]
    assert (went["started"], went["seconds_to_50"], went["per_second"]) == (None, None, None)


def test_of_each_provider_everybody_handed_over_is_in_one_column(app: App) -> None:
    add_send(app, readers=range(1, 11))
    outcomes = ("delivered", "delayed", "bounced", "bounced", "complained", "rejected", "none")
    for reader, outcome in enumerate(outcomes, 1):
        detail = "Transient/MailboxFull 4.2.2" if reader == 4 else None
        set_delivery(app, reader, outcome=outcome, outcome_detail=detail)
    for reader, state in ((8, "uncertain"), (9, "refused"), (10, "in_flight")):
        set_delivery(app, reader, state=state)
    [row] = shown(app)["providers"]
    became = {name: number for name, number in row.items() if name not in {"provider", "readers", "accepted"}}
    assert row["readers"] == sum(became.values()) == 10
    assert (row["doubtful"], row["refused"]) == (2, 1)


def test_providers_are_told_by_name_and_small_domains_together(app: App) -> None:
    number = MOST_PROVIDERS + 6
    add_send(app, readers=range(1, number + 1))
    for reader in range(1, number + 1):
        move_to(app, reader, f"reader@d{reader:02}.example")
    move_to(app, 1, f"Ann.Bee+x@{GMAIL.upper()}")
    move_to(app, 2, f'"odd@place"@{GMAIL}')
    move_to(app, 3, None)
    set_delivery(app, 1, outcome="delivered")
    set_delivery(app, 2, outcome="bounced", outcome_detail="Transient/MailboxFull 4.2.2")
    set_delivery(app, 4, outcome="bounced", outcome_detail="Permanent/General 5.1.1")
    set_delivery(app, 5, state="excluded", reason="paused")
    found = {row["provider"]: row for row in shown(app)["providers"]}
    assert next(iter(found)) == "Gmail"
    gmail = found["Gmail"]
    assert (gmail["readers"], gmail["delivered"], gmail["bounced_soft"], gmail["bounced_hard"]) == (2, 1, 1, 0)
    assert found["d04.example"]["bounced_hard"] == 1
    assert found[ERASED]["readers"] == 1
    [other] = [name for name in found if name.startswith("other")]
    assert other == "other (3 domains)"
    assert found[other]["readers"] == 3
    assert sum(row["readers"] for row in found.values()) == number - 1


def test_the_table_of_providers_knows_each_domain_once_in_lower_case() -> None:
    assert all(domain == domain.lower() and provider_of(domain) == name for domain, name in PROVIDERS.items())
    assert provider_of("news.example") == "news.example"
    assert provider_of(None) == provider_of("") == ERASED


def test_bounces_say_what_it_was_and_whether_it_is_our_doing(app: App) -> None:
    add_send(app, readers=range(1, 6))
    for reader, detail in enumerate(
        (
            "Permanent/General 5.1.1",
            "Permanent/General 5.7.515 (our configuration)",
            "Transient/MessageTooLarge",
            "Undetermined/Undetermined",
            None,
        ),
        1,
    ):
        set_delivery(app, reader, outcome="bounced", outcome_detail=detail)
    assert {(b["kind"], b["detail"], b["ours"]) for b in shown(app)["bounces"]} == {
        ("hard", "Permanent/General 5.1.1", None),
        ("hard", "Permanent/General 5.7.515", "configuration"),
        ("soft", "Transient/MessageTooLarge", "content"),
        ("soft", "Undetermined/Undetermined", None),
        ("hard", "no reason on record", None),
    }


def test_who_left_by_this_sends_links_is_counted_and_others_are_not(app: App) -> None:
    add_send(app, readers=range(1, 7))
    later = NOW + timedelta(minutes=5)
    unsubscribe(app.store, ReaderLink(1, "daily", SEND), source="one-click", now=later)
    unsubscribe(app.store, ReaderLink(1, "daily", SEND), source="page", now=later)  # out already
    unsubscribe(app.store, ReaderLink(2, "daily", SEND), source="page", now=later)
    leave_everything(app.store, 3, now=later, send=SEND)
    unsubscribe(app.store, ReaderLink(4, "daily", "othersen"), source="one-click", now=later)
    unsubscribe(app.store, ReaderLink(5, "daily", ""), source="page", now=later)
    assert shown(app)["unsubscribed"] == {"readers": 3, "by": {"one-click": 1, "page": 1, "page, everything": 1}}


def test_clicks_stand_by_link_and_block_and_beside_how_many_agreed(app: App) -> None:
    add_send(app, readers=range(1, 6))
    set_delivery(app, 5, tracking="none")
    say(app, "confirmed", 1, 2, 3, 4)
    hear(
        app,
        looked("Click", 1),
        looked("Click", 1, at=90),
        looked("Click", 2),
        looked("Click", 2, at=90, link=RAIL),
        *(looked("Click", 3, at=60 + n / 10, link=link) for n, link in enumerate((WALLS, RAIL, PACT))),
        looked("Open", 4, agent="Mozilla/5.0"),
        looked("Open", 1),
    )
    found = shown(app)
    clicks, opens = found["clicks"], found["opens"]
    assert (clicks["measured"], clicks["people"], clicks["scanners"]) == (4, 2, 1)
    assert {row["link"]: (row["block"], row["people"], row["scanners"]) for row in clicks["links"]} == {
        WALLS: ("lead, related", 2, 1),
        RAIL: ("related", 1, 1),
        PACT: ("related", 0, 1),
        "https://news.example.org/archive/daily/2024-10-10": ("masthead", 0, 0),
        "https://example.org/privacy": ("footer", 0, 0),
    }
    assert clicks["blocks"] == [{"block": "lead, related", "people": 2}, {"block": "related", "people": 1}]
    assert (opens["measured"], opens["people"], opens["prefetched"]) == (4, 1, 1)
    assert "no proof of reading" in opens["caveat"]


def test_polls_are_told_as_they_stand_without_the_votes_of_machines(app: App) -> None:
    add_send(app, readers=range(1, 5))
    with app.store.write() as connection:
        for reader, choice, suspect in ((1, 1, None), (2, 1, None), (3, 2, None), (4, 2, "burst")):
            row = {"issue": ISSUE, "poll": "next", "subscriber_id": reader, "choice": choice, "at": NOW}
            connection.execute(insert(votes).values(suspect=suspect, **row))
    [poll] = shown(app)["polls"]
    assert (poll["votes"], poll["suspect"]) == (3, 1)
    assert [(o["option"], o["votes"], o["percent"]) for o in poll["options"]] == [("Trains", 2, 67), ("Walls", 1, 33)]
    with app.store.write() as connection:
        frozen = {"issue": ISSUE, "poll": "next", "closed_at": NOW, "counts": "[5, 15]", "suspect": 2}
        connection.execute(insert(poll_results).values(frozen))
    [poll] = shown(app)["polls"]
    assert [o["votes"] for o in poll["options"]] == [5, 15]


def test_colleagues_and_decisions_stand_apart_from_the_account(app: App) -> None:
    build = add_send(app, readers=[1])
    with app.store.write() as connection:
        mail = {"build": build.hash, "variant": "default", "address_hash": "h1:x", "person": "ann", "at": NOW}
        for number, state in enumerate(("accepted", "accepted", "refused")):
            row = {"request": f"r{number}", "kind": "seed", "send_id": SEND, "state": state}
            connection.execute(insert(test_mails).values(**mail, **row))
        row = {"send_id": SEND, "choice": "leave", "readers": 7, "person": "bob", "at": NOW}
        connection.execute(insert(resolutions).values(row))
    found = shown(app)
    assert found["test_mails"] == {"seed": {"accepted": 2, "refused": 1}}
    assert [(d["choice"], d["readers"], d["person"]) for d in found["decisions"]] == [("leave", 7, "bob")]
    assert found["account"]["audience"] == 1


KEYS = {
    "send", "issue", "newsletter", "build", "state", "state_reason", "segment", "transport", "person", "created_at",
    "account", "excluded_by", "hand_over", "outcomes", "providers", "bounces", "complaints", "refused_because",
    "uncertain_because", "unsubscribed", "opens", "clicks", "polls", "test_mails", "decisions", "stops", "warnings",
}  # fmt: skip


def test_other_programs_find_the_promised_keys_and_the_page_names_them_all(app: App) -> None:
    add_send(app, readers=[1])
    found = shown(app)
    assert found.keys() >= KEYS
    assert json.loads(json.dumps(found)) == found
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    assert [key for key in found if f"`{key}`" not in page] == []


def full(app: App) -> dict[str, Any]:
    """A report with something in every section."""
    add_send(app, readers=range(1, 9), state="held", state_reason="=HYPERLINK(too many bounces)")
    set_delivery(app, 1, state="excluded", reason="unsubscribed")
    set_delivery(app, 2, state="refused", reason="=cmd|' /C calc'!A0")
    set_delivery(app, 3, state="uncertain", reason="+1\nno answer \x1b[31mcame")
    set_delivery(app, 4, outcome="bounced", outcome_detail="Transient/MessageTooLarge")
    move_to(app, 5, "ann@" + "very-long-name-of-a-domain." * 3 + "example")
    say(app, "confirmed", 6, 7)
    hear(app, looked("Click", 6), looked("Open", 7))
    unsubscribe(app.store, ReaderLink(8, "daily", SEND), source="page", now=NOW)
    return shown(app)


def test_the_report_fits_a_terminal_and_nothing_in_it_acts_on_one(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    show_report(full(app), zone=app.settings.newsletters["daily"].zone)
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert "\x1b[31m" not in said
    for word in ("Hand-over", "By mailbox provider", "our content", "In doubt", "newsletter sends uncertain", "people"):
        assert word in said


def test_a_poll_nobody_voted_in_keeps_its_share_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], app: App
) -> None:
    found = full(app)
    shares = (("Yes, with a long option of many words", 1234, 100), ("No", 0, 0))
    options = [dict(zip(("option", "votes", "percent"), share, strict=True)) for share in shares]
    found["polls"] = [{"question": "Will it last?", "options": options, "suspect": 0}]
    monkeypatch.setattr("newsletter.cli.report_view.WIDTH", 16)  # all columns are squeezed
    show_report(found, zone=None)
    assert " 0 %" in capsys.readouterr().out.partition("Will it last?")[2]


def cells(found: dict[str, Any]) -> list[list[str]]:
    target = io.StringIO()
    number = write_csv(found, target)
    table = list(csv.reader(io.StringIO(target.getvalue(), newline="")))
    assert len(table) == number + 1
    return table


def test_as_a_table_it_is_tidy_and_no_cell_is_a_formula(app: App) -> None:
    table = cells(full(app))
    assert table[0] == ["section", "item", "measure", "value"]
    assert {len(row) for row in table} == {4}
    assert ["account", "", "audience", "8"] in table
    assert ["excluded_by", "", "unsubscribed", "1"] in table
    assert ["clicks links", WALLS, "people", "1"] in table
    assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


KEY = st.text(min_size=1, max_size=5)
VALUES: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from(["=1", "@a", "'=1", "\r"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(KEY, VALUES, max_size=4))
def test_whatever_a_report_holds_its_table_can_be_read_back_and_calculates_nothing(found: dict[str, Any]) -> None:
    table = cells(found)
    assert {len(row) for row in table} == {4}
    assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_another_sends_rows_are_in_none_of_it(app: App) -> None:
    build = add_send(app, readers=[1])
    before = shown(app)
    with app.store.write() as connection:
        row = {"id": "othersnd", "newsletter": "daily", "issue": "other", "build": build.hash, "state": "done"}
        row |= {"person": "ann", "transport": "ses", "date_waived": False, "created_at": NOW}
        connection.execute(insert(sends).values(row))
        person = {"id": 2, "address_hash": "h1:2", "address": address_of(2), "created_at": NOW}
        connection.execute(insert(subscribers).values(person))
        connection.execute(insert(subscriptions).values(newsletter="daily", subscriber_id=2, created_at=NOW))
        row = {"send_id": "othersnd", "subscriber_id": 2, "batch": 1, "state": "accepted", "tracking": "both"}
        connection.execute(insert(deliveries).values(handed_over_at=NOW, outcome="bounced", **row))
    assert shown(app) == before
