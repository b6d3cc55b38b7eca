"""A broken file says what is wrong, on which line, and what to do; it never ends in a crash, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from newsletter.audience.consent import Basis
from newsletter.audience.csv_table import LONGEST_LINE, open_table
from newsletter.errors import InputError
from newsletter.store.tables import import_batches, subscribers

BROKEN = Path(__file__).parent / "broken"
UNUSABLE = {
    "no_email_column": (
        "no_email_column.csv:1: has no `email` column; columns found: Name, E-Mail Address, Since. "
        'Use --map email="E-Mail Address".'
    ),
    "empty": "empty.csv:1: has no header line. The first line must name the columns, `email` among them.",
    "blank_header": "blank_header.csv:1: has no header line. The first line must name the columns, `email` among them.",
    "latin1": (
        "latin1.csv:3: is not UTF-8 text. Save the file as UTF-8, or say what it is: --encoding windows-1252 "
        "(reads “josé@example.com”)."
    ),
    "two_email_columns": "two_email_columns.csv:1: has more than one column `email`. Rename or remove one.",
}
BAD_ROWS: dict[str, list[tuple[int, str, str]]] = {
    "cells": [
        (2, "alice@example.com", "The row has 3 cells, the header has 2."),
        (3, "bob@example.com", "The row has 1 cell, the header has 2."),
    ],
    "open_quote": [(2, "", "A quotation mark opened in this row is never closed.")],
    "after_quote": [
        (2, "", 'A quoted cell goes on after its closing quotation mark; inside a cell write "" for ".'),
    ],
    "nul": [(2, "alice@example.com", "The row holds a NUL byte.")],
    "words": [
        (2, "alice@example.com", '`status` cannot be "subscribd". Did you mean `subscribed`?'),
        (3, "bob@example.com", '`basis` cannot be "expres". Did you mean `express`?'),
        (
            4,
            "carol@example.com",
            '`status` cannot be "maybe". Known: bounced, complained, pending, subscribed, suppressed, unsubscribed.',
        ),
    ],
    "dates": [
        (
            2,
            "alice@example.com",
            (
                '`date` is "10/08/2024": which comes first, the day or the month? '
                "Say --date-format day-first or month-first."
            ),
        ),
        (3, "bob@example.com", '`date` is "2024-13-45"; write a date such as 2024-10-08.'),
        (4, "carol@example.com", "`date` lies in the future (2025-01-01)."),
        (5, "dora@example.com", "`expires` is not later than `date`."),
        (6, "erin@example.com", '`expires` is "never"; write a date such as 2024-10-08.'),
        (7, "frank@example.com", "`date` is 1066-10-14, before there were newsletters by mail."),
    ],
    "addresses": [
        (2, "alice", "An email address must have an @-sign."),
        (3, "jürgen@example.com", "Mail cannot reach an address with “ü” before the @: only a to z, digits and signs."),
        (
            4,
            "Alice <alice@example.com>",
            "A display name and angle brackets around the email address are not permitted here.",
        ),
        (
            5,
            "alice@example.com�Bcc: mallory@example.net",
            "It holds a control or invisible character (U+000A).",
        ),
        (
            7,
            "alice@example.com; bob@example.com",
            "The part after the @-sign contains invalid characters: ';', '@', SPACE.",
        ),
        (8, "a" * 59 + "…", "It is 312 characters long; an address has at most 254."),
    ],
    "profile": [
        (
            2,
            "alice@example.com",
            "`first_name` holds a line break, control or invisible character (U+000A).",
        ),
        (4, "bob@example.com", "`first_name` is 101 characters long; at most 100 are kept."),
        (5, "carol@example.com", '`lang` is "english please"; write a language such as en or pt-BR.'),
    ],
}


def nothing_stored(newsroom: Any) -> bool:
    with newsroom.app.store.read() as connection:
        return not any(
            connection.scalar(select(func.count()).select_from(table)) for table in (subscribers, import_batches)
        )


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_is_no_table_is_refused_with_its_line_and_a_remedy(newsroom: Any, name: str) -> None:
    with pytest.raises(InputError) as caught:
        newsroom.imports(BROKEN / f"{name}.csv")
    assert str(caught.value) == UNUSABLE[name]
    assert nothing_stored(newsroom)


@pytest.mark.parametrize("name", BAD_ROWS)
def test_every_bad_row_is_named_with_its_line_and_reason_and_nothing_is_stored(newsroom: Any, name: str) -> None:
    report = newsroom.imports(BROKEN / f"{name}.csv")
    assert [(row.row, row.address, row.reason) for row in report.problems] == BAD_ROWS[name]
    assert report.refused == len(BAD_ROWS[name])
    assert (report.batch, report.new) == (None, 0)
    assert nothing_stored(newsroom)


def test_the_folder_of_broken_files_is_tested_whole() -> None:
    special = {"implied_without_date", "no_source"}
    assert {path.stem for path in BROKEN.glob("*.csv")} == {*UNUSABLE, *BAD_ROWS} | special


def test_an_implied_basis_needs_the_date_it_rests_on(newsroom: Any) -> None:
    report = newsroom.imports(BROKEN / "implied_without_date.csv", basis=Basis.IMPLIED)
    assert [(row.row, row.reason) for row in report.problems] == [
        (2, "An implied basis needs the date of the purchase or inquiry it rests on."),
    ]


def test_a_row_without_a_source_or_a_basis_is_refused_when_the_options_name_none(newsroom: Any) -> None:
    report = newsroom.imports(BROKEN / "no_source.csv", source=None, basis=None)
    assert [(row.row, row.reason) for row in report.problems] == [
        (
            2,
            (
                "The row names no basis; fill its `basis` column or say --basis. "
                "The row names no source; fill its `source` column or say --source."
            ),
        ),
        (3, "The row names no basis; fill its `basis` column or say --basis."),
    ]


def test_good_rows_around_a_broken_one_are_kept_when_asked_for(newsroom: Any) -> None:
    report = newsroom.imports(BROKEN / "cells.csv", partial=True)
    assert (report.new, report.refused) == (1, 2)
    assert newsroom.reason("carol@example.com") == "mailable"
    assert newsroom.reason("alice@example.com") == "no-consent"


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"mail": "email"}, "--map: unknown field `mail`. Did you mean `email`?"),
        ({"email": "Adress"}, "readers.csv:1: has no column `Adress`. Did you mean `Address`?"),
    ],
)
def test_a_mapping_that_fits_nothing_is_refused(newsroom: Any, mapping: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        newsroom.imports("Address,email\nalice@example.com,alice@example.com\n", mapping=mapping)
    assert str(caught.value) == said


def test_a_missing_file_a_folder_and_an_unknown_encoding_are_refused(newsroom: Any) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        newsroom.imports(newsroom.folder / "nowhere.csv")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        newsroom.imports(newsroom.folder)
    with pytest.raises(InputError, match="`klingon` is not an encoding"):
        newsroom.imports("email\nalice@example.com\n", encoding="klingon")


def test_a_cell_or_a_line_beyond_all_measure_costs_only_its_row(newsroom: Any) -> None:
    huge_cell = "x" * 200_000
    huge_line = ",".join(["y" * 1000] * (LONGEST_LINE // 500))
    file = f"email,first_name\nalice@example.com,{huge_cell}\nbob@example.com,{huge_line}\ncarol@example.com,Carol\n"
    report = newsroom.imports(file, partial=True)
    assert [(row.row, row.reason) for row in report.problems] == [
        (2, "A cell is longer than 131,072 characters; perhaps a quotation mark is not closed."),
        (3, "The line is longer than 1,000,000 characters."),
    ]
    assert newsroom.reason("carol@example.com") == "mailable"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=300), st.text('email,"\n\r;\t\0@.ab\ufeff', max_size=200).map(str.encode)))
def test_any_bytes_at_all_are_read_or_refused_in_words(content: bytes, tmp_path: Path) -> None:
    for head in (b"", b"email,first_name\n"):
        path = tmp_path / "any.csv"
        path.write_bytes(head + content)
        try:
            with open_table(path, mapping={}) as rows:
                found = list(rows)
        except InputError:
            continue
        assert all(row.problem or "email" in row.cells for row in found)
        assert [row.line for row in found] == sorted(row.line for row in found)
