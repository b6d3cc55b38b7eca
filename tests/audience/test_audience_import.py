"""An import adds and renews, says of every row what became of it, and never turns anyone back on."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from newsletter.audience import import_csv as import_module
from newsletter.audience.consent import Basis, Suppressed
from newsletter.audience.suppression import suppress
from newsletter.store.tables import consent, import_batches, subscribers, subscriptions, suppressions

CAST = """\
email,first_name,lang,status,basis,date,expires,source
alice@example.com,Alice,en,subscribed,express,2024-09-01,,sign-up form
bob@example.com,Bob,en,unsubscribed,express,2024-09-02,,sign-up form
carol@example.com,Carol,de,bounced,express,2024-09-03,,sign-up form
dora@example.com,Dora,en,pending,,2024-09-04,,sign-up form
erin@example.com,Erin,en,complained,express,2024-09-05,,sign-up form
frank@example.com,Frank,en,subscribed,implied,2024-09-06,2025-01-01,shop
"""


def tally(report: Any) -> tuple[int, int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.refused, report.blocked


def stored(newsroom: Any) -> list[int]:
    tables = (subscribers, subscriptions, consent, suppressions)
    with newsroom.app.store.read() as connection:
        return [connection.scalar(select(func.count()).select_from(table)) for table in tables]


def row_of(newsroom: Any, address: str) -> Any:
    with newsroom.app.store.read() as connection:
        query = select(subscribers).where(subscribers.c.address_hash == newsroom.hash(address))
        return connection.execute(query).one()


def test_every_status_becomes_what_it_means(newsroom: Any) -> None:
    assert tally(newsroom.imports(CAST, source=None, basis=None)) == (6, 0, 0, 0, 0)
    assert [newsroom.reason(f"{name}@example.com") for name in ("alice", "bob", "carol", "dora", "erin", "frank")] == [
        "mailable",
        "unsubscribed",
        "suppressed-hard-bounce",
        "unconfirmed",
        "suppressed-complaint",
        "basis-not-accepted",
    ]
    assert stored(newsroom) == [6, 6, 7, 2]


def test_the_same_file_again_changes_nothing(newsroom: Any) -> None:
    newsroom.imports(CAST)
    before = stored(newsroom)
    again = newsroom.imports(CAST)
    assert tally(again) == (0, 0, 6, 0, 0)
    assert stored(newsroom) == before


def test_an_import_names_source_basis_date_and_batch_in_every_entry(newsroom: Any) -> None:
    report = newsroom.imports(
        "email\nalice@example.com\n", source="old system", basis=Basis.SOFT_OPT_IN, date=date(2024, 5, 1), actor="ops"
    )
    with newsroom.app.store.read() as connection:
        entry = connection.execute(select(consent)).one()
        batch = connection.execute(select(import_batches)).one()
    assert (entry.source, entry.basis, entry.actor, entry.batch_id) == (
        "old system",
        "soft-opt-in",
        "ops",
        report.batch,
    )
    assert entry.occurred_at.isoformat() == "2024-05-01T04:00:00+00:00"  # midnight in New York
    assert (entry.recorded_at, entry.jurisdiction) == (newsroom.now, "gdpr")
    assert (batch.file_name, batch.actor, json.loads(batch.counts)["new"]) == ("readers.csv", "ops", 1)


@pytest.mark.parametrize("status", ["subscribed", "pending"])
def test_one_who_unsubscribed_is_not_turned_back_on(newsroom: Any, status: str) -> None:
    newsroom.imports("email\nbob@example.com\n")
    newsroom.leaves("bob@example.com")
    report = newsroom.imports(f"email,first_name,status\nBOB@example.com,Robert,{status}\n")
    assert tally(report) == (0, 0, 0, 0, 1)
    [problem] = report.problems
    assert (problem.row, problem.address) == (2, "BOB@example.com")
    assert problem.reason == "unsubscribed on 2024-10-10; an import never turns a reader back on."
    assert newsroom.reason("bob@example.com") == "unsubscribed"
    assert row_of(newsroom, "bob@example.com").first_name is None


@pytest.mark.parametrize("reason", list(Suppressed))
def test_a_suppressed_stranger_is_not_even_stored(newsroom: Any, reason: Suppressed) -> None:
    with newsroom.app.store.write() as connection:
        hashed = newsroom.hash("mallory@example.com")
        suppress(connection, hashed, reason=reason, source="ops", at=newsroom.now)
    report = newsroom.imports("email\nmallory@example.com\nalice@example.com\n")
    assert tally(report) == (1, 0, 0, 0, 1)
    assert report.problems[0].reason == (
        f"suppressed: {reason} on 2024-10-10, source: ops; an import never turns a reader back on."
    )
    assert stored(newsroom) == [1, 1, 1, 1]


@pytest.mark.parametrize("status", ["subscribed", "pending", "unsubscribed", "bounced", "complained"])
def test_no_import_brings_an_erased_reader_back(newsroom: Any, status: str) -> None:
    newsroom.imports("email\nalice@example.com\n")
    with newsroom.app.store.write() as connection:
        connection.execute(update(subscribers).values(address=None, first_name=None, erased_at=newsroom.now))
    before = stored(newsroom)
    report = newsroom.imports(f"email,first_name,status\nalice@example.com,Alice,{status}\n")
    assert tally(report) == (0, 0, 0, 0, 1)
    assert report.problems[0].reason == "erased on request; an import never brings a reader back."
    assert stored(newsroom) == before
    assert row_of(newsroom, "alice@example.com").address is None


def test_a_list_of_leavers_from_elsewhere_ends_subscriptions_here(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\nbob@example.com\n")
    report = newsroom.imports("email,status\nalice@example.com,unsubscribed\nbob@example.com,complained\n")
    assert tally(report) == (0, 2, 0, 0, 0)
    assert newsroom.reason("alice@example.com") == "unsubscribed"
    assert newsroom.reason("bob@example.com") == "suppressed-complaint"


def test_a_pending_row_takes_nothing_from_one_who_is_subscribed(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    assert tally(newsroom.imports("email,status\nalice@example.com,pending\n")) == (0, 0, 1, 0, 0)
    assert newsroom.reason("alice@example.com") == "mailable"


@pytest.mark.parametrize(
    ("first", "second", "effect"),
    [
        ("express,2024-01-01,", "express,2024-09-01,", "unchanged"),
        ("express,2024-01-01,", "implied,2024-09-01,", "unchanged"),
        ("implied,2024-01-01,2024-12-01", "express,2024-09-01,", "changed"),
        ("soft-opt-in,2024-01-01,2024-06-01", "soft-opt-in,2024-01-01,2025-06-01", "changed"),
        ("soft-opt-in,2024-01-01,2025-06-01", "soft-opt-in,2024-01-01,2024-06-01", "unchanged"),
        ("express,2024-01-01,2024-06-01", "soft-opt-in,2024-09-01,", "changed"),  # the better one has lapsed
        ("implied,2024-01-01,", "implied,2024-09-01,", "changed"),  # a new dealing
    ],
)
def test_an_entry_is_added_only_when_it_says_more(newsroom: Any, first: str, second: str, effect: str) -> None:
    header = "email,basis,date,expires\nalice@example.com,"
    newsroom.imports(f"{header}{first}\n")
    report = newsroom.imports(f"{header}{second}\n")
    assert (report.changed, report.unchanged) == ((1, 0) if effect == "changed" else (0, 1))
    for content in (first, second, first):
        assert newsroom.imports(f"{header}{content}\n").unchanged == 1


def test_a_new_name_is_taken_over_and_an_empty_one_takes_nothing_away(newsroom: Any) -> None:
    newsroom.imports("email,first_name,lang\nalice@example.com,Alice,en\n")
    assert newsroom.imports("email,first_name\nalice@example.com,\n").unchanged == 1
    assert newsroom.imports("email,first_name\nalice@example.com,Alicia\n").changed == 1
    row = row_of(newsroom, "alice@example.com")
    assert (row.first_name, row.lang) == ("Alicia", "en")


def test_a_reader_of_one_newsletter_is_new_to_another(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    assert newsroom.imports("email\nalice@example.com\n", newsletter="weekly").new == 1
    assert stored(newsroom)[:2] == [1, 2]


def test_the_second_row_for_an_address_changes_nothing(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "email\nalice@example.com\nAlice@Example.com\nbob@example.com\nalice@example.com\n"
    assert tally(newsroom.imports(file, newsletter="weekly")) == (2, 0, 2, 0, 0)
    monkeypatch.setattr(import_module, "CHUNK", 1)  # also when the two are not weighed together
    assert tally(newsroom.imports(file)) == (2, 0, 2, 0, 0)
    assert row_of(newsroom, "alice@example.com").address == "alice@example.com"


def test_one_bad_row_refuses_the_file_unless_its_good_rows_are_asked_for(newsroom: Any) -> None:
    file = "email\nalice@example.com\nnobody\nbob@example.com\n"
    refused = newsroom.imports(file)
    assert (refused.batch, tally(refused)) == (None, (0, 0, 0, 1, 0))
    assert stored(newsroom) == [0, 0, 0, 0]
    kept = newsroom.imports(file, partial=True)
    assert tally(kept) == (2, 0, 0, 1, 0)
    assert [(row.row, row.address) for row in kept.problems] == [(3, "nobody")]


def test_a_dry_run_tells_everything_and_keeps_nothing(newsroom: Any) -> None:
    newsroom.imports("email\nbob@example.com\n")
    newsroom.leaves("bob@example.com")
    before = stored(newsroom)
    file = "email\nalice@example.com\nbob@example.com\n"
    dry = newsroom.imports(file, dry_run=True)
    assert (dry.batch, tally(dry)) == (None, (1, 0, 0, 0, 1))
    assert stored(newsroom) == before
    assert tally(newsroom.imports(file)) == tally(dry)


def test_a_dry_run_tells_of_the_good_rows_even_when_others_refuse_the_file(newsroom: Any) -> None:
    file = "email\nalice@example.com\nnobody\n"
    dry = newsroom.imports(file, dry_run=True)
    assert (dry.batch, tally(dry)) == (None, (1, 0, 0, 1, 0))
    assert stored(newsroom) == [0, 0, 0, 0]
    assert tally(newsroom.imports(file)) == (0, 0, 0, 1, 0)
    assert tally(newsroom.imports(file, partial=True)) == tally(dry)


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("EMAIL;First Name\nalice@example.com;Alice\n", {}),
        ("first-name\tEmail\nAlice\talice@example.com\n", {}),
        ("\ufeffemail,first_name\r\nalice@example.com,Alice\r\n", {}),
        ("email,first_name\ralice@example.com,Alice\r", {}),
        ("email,first_name\n\n,\n alice@example.com , Alice \n\n", {}),
        ("Mail,Vorname\nalice@example.com,Alice\n", {"mapping": {"email": "mail", "first_name": "Vorname"}}),
        ("email,first_name\nalice@example.com,Alice\n".encode("utf-16"), {}),
        ('email,note,first_name\nalice@example.com,"two\nlines, one cell",Alice\n', {}),
    ],
)
def test_the_forms_that_spreadsheets_write_are_read(newsroom: Any, file: str | bytes, options: dict[str, Any]) -> None:
    assert newsroom.imports(file, **options).new == 1
    assert row_of(newsroom, "alice@example.com").first_name == "Alice"


def test_another_encoding_is_read_when_it_is_named(newsroom: Any) -> None:
    file = "email,first_name\nalice@example.com,Zoë\n".encode("windows-1252")
    assert newsroom.imports(file, encoding="windows-1252").new == 1
    assert row_of(newsroom, "alice@example.com").first_name == "Zoë"


def test_lines_are_counted_as_an_editor_shows_them(newsroom: Any) -> None:
    file = 'email,note\nalice@example.com,"a\nb\nc"\n\nnobody,x\n'
    assert [row.row for row in newsroom.imports(file).problems] == [6]


@pytest.mark.parametrize("cell", ['=HYPERLINK("http://example.net")', "+1+1", "-2", "@SUM(A1)", "<b>Al</b>", "{{x}}"])
def test_a_formula_or_markup_in_a_name_is_kept_as_the_text_it_is(newsroom: Any, cell: str) -> None:
    quoted = cell.replace('"', '""')
    assert newsroom.imports(f'email,first_name\nalice@example.com,"{quoted}"\n').new == 1
    assert row_of(newsroom, "alice@example.com").first_name == cell


def test_a_long_list_of_problems_is_counted_whole_and_listed_in_part(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module, "MOST_PROBLEMS", 3)
    report = newsroom.imports("email\n" + "nobody\n" * 10)
    assert (report.refused, len(report.problems)) == (10, 3)


def test_the_sample_readers_import_cleanly_and_a_second_time_change_nothing(newsroom: Any) -> None:
    sample = Path(__file__).parents[2] / "issues" / "_readers" / "subscribers.csv"
    first = newsroom.imports(sample)
    assert (first.refused, first.blocked) == (0, 0)
    before = stored(newsroom)
    again = newsroom.imports(sample)
    assert tally(again) == (0, 0, first.new + first.unchanged, 0, 0)
    assert stored(newsroom) == before
