"""A file is read whatever program saved it, or refused in words; no file, however made, is read into memory whole."""

from __future__ import annotations

import os
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from newsletter.audience.cells import DateOrder
from newsletter.audience.csv_table import LONGEST_LINE, open_table
from newsletter.errors import InputError
from newsletter.store.tables import consent, subscribers


def called(newsroom: Any) -> set[str | None]:
    with newsroom.app.store.read() as connection:
        return set(connection.scalars(select(subscribers.c.first_name)))


@pytest.mark.parametrize(
    "file",
    [
        "sep=;\r\nemail;first_name\r\nalice@example.com;Alice\r\n",
        '"sep=,"\nemail,first_name\nalice@example.com,Alice\n',
        "email,first_name,,\nalice@example.com,Alice,,\nbob@example.com,Bob,,,,\ncarol@example.com,Carol\n,,,\n",
        '\ufeff"email","first_name"\n="alice@example.com","Alice"\n',
        "email,first_name\nmailto:alice@example.com,“Alice”\n",
        "email\u00a0,first_name\n\u00a0alice@example.com\u00a0,Alice\u00a0\n",
        'email,"poll: what\nnow?",first_name\nalice@example.com,"a\nb",Alice\n',
        "email,first_name,id\nalice@example.com,Alice,1.23E+15\n",
        "email,first_name\ralice@example.com,Alice\r",
    ],
)
def test_what_spreadsheets_leave_in_a_file_does_no_harm(newsroom: Any, file: str) -> None:
    report = newsroom.imports(file)
    assert report.refused == 0
    assert "Alice" in called(newsroom)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_by_its_mark_and_named_without_one(newsroom: Any, encoding: str) -> None:
    file = "email,first_name\nalice@example.com,Zoë\n"
    assert newsroom.imports(f"\ufeff{file}".encode(encoding)).new == 1
    assert called(newsroom) == {"Zoë"}
    with pytest.raises(InputError, match=f"say --encoding {encoding}"):
        newsroom.imports(file.encode(encoding))
    assert newsroom.imports(file.encode(encoding), encoding=encoding).unchanged == 1


@pytest.mark.parametrize(
    ("names", "encoding", "said"),
    [
        ("Анна Борис Екатерина Наталья Сергей", "cp1251", "--encoding windows-1251 (reads “Анна”)"),
        ("Zoë Jürgen François José Anaïs", "cp1252", "--encoding windows-1252 (reads “Zoë”)"),
        ("Łukasz Żaneta Dvořák Šárka Zdeněk", "cp1250", "--encoding windows-1250 (reads “Łukasz”)"),
        ("花子 太郎さん 山田 鈴木一郎 佐藤", "shift_jis", "--encoding shift-jis (reads “花子”)"),
    ],
)
def test_an_encoding_is_never_guessed_but_offered_with_how_it_would_read(
    newsroom: Any, names: str, encoding: str, said: str
) -> None:
    lines = "".join(f"reader@example.com,{name}\n" for name in names.split())
    with pytest.raises(InputError) as caught:
        newsroom.imports(f"email,first_name\n{lines}".encode(encoding))
    assert str(caught.value).startswith("readers.csv:2: is not UTF-8 text.")
    assert said in str(caught.value)


def test_bytes_that_are_no_text_late_in_the_file_are_found_with_their_line(newsroom: Any) -> None:
    file = b"email,first_name\n" + b"alice@example.com,Alice\n" * 60_000 + "bob@example.com,Zoë\n".encode("cp1252")
    with pytest.raises(InputError, match=r"readers\.csv:60002: is not UTF-8 text.*“Zoë”"):
        newsroom.imports(file)


@pytest.mark.parametrize(
    ("start", "said"),
    [(b"PK\x03\x04", "workbook"), (b"\x1f\x8b\x08", "gzip"), (b"\xd0\xcf\x11\xe0", "Excel"), (b"%PDF-1", "PDF")],
)
def test_what_is_no_csv_file_at_all_is_called_by_its_name(newsroom: Any, start: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        newsroom.imports(start + b"email\nalice@example.com\n")


def test_a_pipe_is_read_like_a_file(newsroom: Any) -> None:
    pipe = newsroom.folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"email,date\nalice@example.com,03/04/2024\n",))
    writer.start()
    report = newsroom.imports(pipe)  # the date needs a second look at the column
    writer.join()
    assert [row.row for row in report.problems] == [2]
    assert "--date-format" in report.problems[0].reason


def test_a_device_is_refused_in_words(newsroom: Any) -> None:
    with pytest.raises(InputError, match="neither a file nor a pipe"):
        newsroom.imports(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("second", "order", "month"),
    [("24/10/2023", None, 4), ("10/24/2023", None, 3), ("", DateOrder.DAY_FIRST, 4), ("", DateOrder.MONTH_FIRST, 3)],
)
def test_day_and_month_are_told_apart_by_the_column_or_by_a_person(
    newsroom: Any, second: str, order: DateOrder | None, month: int
) -> None:
    file = f"email,date\nalice@example.com,03/04/2024\nbob@example.com,{second}\n"
    assert newsroom.imports(file, date_order=order).new == 2
    with newsroom.app.store.read() as connection:
        assert connection.scalars(select(consent.c.occurred_at).order_by(consent.c.id)).first().month == month


def test_a_date_that_could_be_two_days_refuses_its_row(newsroom: Any) -> None:
    report = newsroom.imports("email,date\nalice@example.com,03/04/2024\n")
    assert [(row.row, row.reason) for row in report.problems] == [
        (
            2,
            (
                '`date` is "03/04/2024": which comes first, the day or the month? '
                "Say --date-format day-first or month-first."
            ),
        )
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"email," + b"a," * 50_000 + b"b", "a header line of 50,002 columns"),
        (b"email," + b"a" * LONGEST_LINE, "a header line of more than 1,000,000 characters"),
    ],
)
def test_a_header_beyond_all_measure_is_refused(newsroom: Any, header: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        newsroom.imports(header + b"\nalice@example.com\n")


@pytest.mark.parametrize("bomb", [b'"', b"x", b",", b'""'])
def test_a_bomb_of_a_line_is_read_in_flat_memory(tmp_path: Path, bomb: bytes) -> None:
    path = tmp_path / "bomb.csv"
    with path.open("wb") as file:
        file.write(b"email,first_name\n")
        for _ in range(60):
            file.write(bomb * (1_000_000 // len(bomb)))
        file.write(b"\nalice@example.com,Alice\n")
    tracemalloc.start()
    try:
        with open_table(path, mapping={}) as rows:
            problems = [row.problem for row in rows]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(problems)
    assert peak < 40 * 2**20  # the file has 60 MB


@pytest.mark.parametrize(
    "address",
    [
        "аlice@example.com",  # a Cyrillic а
        "alice＠example.com",  # a full-width @
        "alice@exa\u200bmple.com",
        "alice@example.com\u202e",
        "a" * 10_000 + "@example.com",
        "alice@" + "example." * 1_250 + "com",
    ],
)
def test_a_look_alike_or_endless_address_is_refused_and_does_not_stand_for_another(newsroom: Any, address: str) -> None:
    newsroom.imports("email\nalice@example.com\n")
    report = newsroom.imports(f"email,status\n{address},unsubscribed\n")
    assert (report.refused, report.changed) == (1, 0)
    assert newsroom.reason("alice@example.com") == "mailable"


def test_a_look_alike_domain_is_another_address(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    assert newsroom.imports("email,status\nalice@exаmple.com,unsubscribed\n").new == 1  # a Cyrillic а
    assert newsroom.reason("alice@example.com") == "mailable"


@pytest.mark.parametrize("options", [{"source": "list of ann@example.com"}, {}])
def test_no_address_gets_into_the_ledger_by_way_of_the_source(newsroom: Any, options: dict[str, str]) -> None:
    file = "email,source\nalice@example.com,told bob@example.com\n"
    if options:
        with pytest.raises(InputError, match="--source: holds an e-mail address"):
            newsroom.imports(file, **options)
    else:
        [problem] = newsroom.imports(file).problems
        assert problem.reason == "`source` holds an e-mail address; the ledger keeps none."


def test_ground_and_jurisdiction_of_a_row_reach_the_ledger(newsroom: Any) -> None:
    file = "email,basis,ground,jurisdiction,date\nalice@example.com,implied,purchase,casl,2024-09-01\n"
    assert newsroom.imports(file).new == 1
    with newsroom.app.store.read() as connection:
        entry = connection.execute(select(consent)).one()
    assert (entry.basis, entry.ground, entry.jurisdiction) == ("implied", "purchase", "casl")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("express,purchase,", "`ground` belongs to an implied basis only."),
        ("implied,gift,", '`ground` cannot be "gift". Known: inquiry, purchase.'),
        ("express,,france", '`jurisdiction` cannot be "france". Known: can-spam, casl, gdpr, germany, uk.'),
    ],
)
def test_a_ground_or_jurisdiction_nobody_knows_is_refused(newsroom: Any, row: str, said: str) -> None:
    report = newsroom.imports(f"email,basis,ground,jurisdiction,date\nalice@example.com,{row},2024-09-01\n")
    assert [problem.reason for problem in report.problems] == [said]


def test_a_dry_run_says_by_reason_what_the_import_then_does(newsroom: Any) -> None:
    newsroom.imports("email,first_name,basis\nalice@example.com,Alice,express\nbob@example.com,Bob,express\n")
    newsroom.leaves("bob@example.com")
    file = (
        "email,first_name,status\nalice@example.com,Alicia,\nbob@example.com,,\ncarol@example.com,,\n"
        "dora@example.com,,bounced\ncarol@example.com,,\nnobody,,\nerin@example.com,,maybe\n"
    )
    dry = newsroom.imports(file, dry_run=True, partial=True)
    real = newsroom.imports(file, partial=True)
    counts = {"new": 2, "changed": 1, "unchanged": 1, "refused": 2, "blocked": 1, "skipped": 0}
    assert dry.counts == real.counts == counts
    assert dry.by_reason == real.by_reason
    kinds = {effect: {kind: tally.count for kind, tally in found.items()} for effect, found in dry.by_reason.items()}
    assert kinds == {
        "new": {"subscribed": 1, "bounced": 1},
        "changed": {"first name": 1},
        "unchanged": {"subscribed": 1},
        "refused": {"address": 1, "status": 1},
        "blocked": {"unsubscribed": 1},
    }
    [sample] = dry.by_reason["changed"]["first name"].samples
    assert (sample.row, sample.reason) == (2, "first name: Alice → Alicia")
