"""Readers are taken out whole, harmless to a spreadsheet, into a file only its owner may read."""

from __future__ import annotations

import csv
import io
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from newsletter.app import open_app
from newsletter.audience import export as export_module
from newsletter.audience import ledger
from newsletter.audience.consent import Suppressed
from newsletter.audience.export import COLUMNS, export_readers, members_of, new_file
from newsletter.audience.pausing import pause
from newsletter.audience.suppression import suppress
from newsletter.audience.undo import undo_import
from newsletter.errors import InputError, Refused
from newsletter.store.tables import subscribers, subscriptions


def export(newsroom: Any, *names: str, **options: Any) -> list[dict[str, str]]:
    out = io.StringIO()
    newsletters = dict.fromkeys(names or ("daily",), newsroom.settings)
    export_readers(newsroom.app.store, out, **{"newsletters": newsletters, "at": newsroom.now, **options})
    out.seek(0)
    return list(csv.DictReader(out))


CAST = """\
email,first_name,lang,status,basis,date
alice@example.com,Alice,en,,express,2024-09-01
bob@example.com,,,unsubscribed,express,2024-09-02
carol@example.com,,,bounced,express,2024-09-03
dora@example.com,,,pending,express,2024-09-04
"""


def test_everyone_is_there_with_what_the_rules_make_of_her_and_why(newsroom: Any) -> None:
    newsroom.imports(CAST)
    rows = export(newsroom)
    assert tuple(rows[0]) == COLUMNS
    assert [(row["email"], row["status"]) for row in rows] == [
        ("alice@example.com", "mailable"),
        ("bob@example.com", "unsubscribed"),
        ("carol@example.com", "suppressed-hard-bounce"),
        ("dora@example.com", "unconfirmed"),
    ]
    assert list(rows[0].values())[1:] == [
        "Alice",
        "en",
        "daily",
        "mailable",
        "express",
        "2024-09-01T04:00:00+00:00",
        "site export",
        "",
    ]


def test_all_of_a_long_list_comes_out_in_order(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "CHUNK", 3)
    newsroom.imports("email\n" + "".join(f"reader{number}@example.com\n" for number in range(10)))
    assert [row["email"] for row in export(newsroom)] == [f"reader{number}@example.com" for number in range(10)]


def test_a_pause_and_other_newsletters_are_told_and_the_erased_are_not(newsroom: Any) -> None:
    newsroom.imports(CAST)
    newsroom.imports("email\nalice@example.com\n", newsletter="weekly")
    with newsroom.app.store.write() as connection:
        connection.execute(update(subscriptions).values(paused_until=newsroom.now))
        gone = update(subscribers).where(subscribers.c.address == "bob@example.com")
        connection.execute(gone.values(address=None, erased_at=newsroom.now))
    rows = export(newsroom, "daily", "weekly")
    assert [(row["newsletter"], row["email"]) for row in rows] == [
        ("daily", "alice@example.com"),
        ("daily", "carol@example.com"),
        ("daily", "dora@example.com"),
        ("weekly", "alice@example.com"),
    ]
    assert {row["paused_until"] for row in rows} == {"2024-10-10T10:30:00+00:00"}


NAMES = ["=1+1", "+49", "-", "@SUM(A1)", "'=x", "''-y", "O'Neill", "'quoted'", "a,b", 'say "hi"', '="x"', "Ω"]


def test_no_cell_is_a_formula_and_a_file_comes_back_as_it_went_out(newsroom: Any) -> None:
    quoted = ['"{}"'.format(name.replace('"', '""')) for name in NAMES]
    lines = [f"reader{number}@example.com,{cell}\n" for number, cell in enumerate(quoted)]
    newsroom.imports("email,first_name\n" + "".join(lines), format_name="generic")
    with newsroom.app.store.read() as connection:
        before = connection.execute(select(subscribers.c.address, subscribers.c.first_name)).all()
    out = io.StringIO()
    export_readers(newsroom.app.store, out, newsletters={"daily": newsroom.settings}, at=newsroom.now)
    for row in csv.reader(io.StringIO(out.getvalue())):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    report = newsroom.imports(out.getvalue(), source=None, basis=None)
    assert (report.read_as, report.unchanged) == ("an export of this program", len(NAMES))
    with newsroom.app.store.read() as connection:
        assert connection.execute(select(subscribers.c.address, subscribers.c.first_name)).all() == before


def test_our_own_export_makes_the_same_audience_elsewhere(newsroom: Any) -> None:
    newsroom.imports(CAST)
    out = io.StringIO()
    export_readers(newsroom.app.store, out, newsletters={"daily": newsroom.settings}, at=newsroom.now)
    before = [(row["email"], row["status"], row["since"]) for row in export(newsroom)]
    with newsroom.app.store.write() as connection:
        for table in ("suppressions", "subscriptions"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.execute(update(subscribers).values(address_hash=subscribers.c.id))  # strangers from now on
    assert newsroom.imports(out.getvalue(), source=None, basis=None).new == 4
    after = [(row["email"], row["status"], row["since"]) for row in export(newsroom)]
    assert after == before


def test_a_row_of_another_newsletter_is_not_taken_for_this_one(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    out = io.StringIO()
    export_readers(newsroom.app.store, out, newsletters={"daily": newsroom.settings}, at=newsroom.now)
    [problem] = newsroom.imports(out.getvalue(), newsletter="weekly").problems
    assert problem.reason == "The row is of the newsletter `daily`; export with --newsletter weekly."


def test_only_a_segment_is_written_when_asked_for(newsroom: Any) -> None:
    newsroom.imports(CAST)
    folder = newsroom.app.workspace.segments
    folder.mkdir(exist_ok=True)
    (folder / "english.toml").write_text('title = "English"\n[where]\nlang = "en"\n', encoding="utf-8")
    chosen = members_of(newsroom.app.workspace, "english", {"daily": newsroom.settings}, newsroom.now)
    assert [row["email"] for row in export(newsroom, chosen=chosen)] == ["alice@example.com"]


def test_the_file_is_its_owners_alone_and_no_other_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "readers.csv"
    with new_file(path) as out:
        out.write("whole\n")
        assert not path.exists()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("whole\n", 0o600)
    with pytest.raises(Refused, match="is there already"):
        with new_file(path) as out:
            pass
    with new_file(path, force=True) as out:
        out.write("another\n")
    assert path.read_text() == "another\n"


def test_an_export_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> None:
        with new_file(tmp_path / "readers.csv") as out:
            out.write("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="cannot be written"):
        with new_file(tmp_path / "nowhere" / "readers.csv"):
            pass


HISTORIES = """\
email,first_name,status,basis,date,expires,ground
paula@example.com,Paula,,express,2024-09-01,,
eddi@example.com,,,soft-opt-in,2024-01-01,2024-06-01,
max@example.com,,,express,2024-09-01,,
rita@example.com,Rita,,express,2024-09-01,,
uma@example.com,,unsubscribed,,2024-09-02,,
clara@example.com,,complained,,2024-09-02,,
mona@example.com,,suppressed,,2024-09-02,,
iris@example.com,,,implied,2024-09-06,2025-01-01,purchase
"""


def test_an_export_can_be_imported_elsewhere_and_says_the_same_or_brings_nobody(
    newsroom: Any, make_workspace: Any, tmp_path: Path
) -> None:
    """A pause goes along; whom nothing allowed to be mailed is skipped with a reason, which is no mistake."""
    newsroom.imports(CAST)
    newsroom.imports(HISTORIES)
    app, nora = newsroom.app, ("h1:0", "nora@example.com", ledger.Profile())
    with app.store.write() as connection:
        ids = ledger.find_subscribers(connection, [newsroom.hash(f"{name}@example.com") for name in ("paula", "max")])
        paula, moved = ids[newsroom.hash("paula@example.com")], newsroom.hash("max@example.com")
        assert pause(
            connection, paula.id, "daily", until=date(2024, 11, 1), zone=newsroom.settings.zone, now=newsroom.now
        )
        suppress(connection, moved, reason=Suppressed.MOVED, source="moved", at=newsroom.now)
        unasked = ledger.add_subscribers(connection, [nora], now=newsroom.now)
        ledger.list_for(connection, "daily", list(unasked.values()), now=newsroom.now)
    file = tmp_path / "export.csv"
    with new_file(file) as out:
        export_readers(app.store, out, newsletters={"daily": newsroom.settings}, at=newsroom.now)
    other = type(newsroom)(open_app(make_workspace(name="other"), now=app.now), tmp_path)
    report = other.imports(file, source=None, basis=None)
    assert (report.refused, report.blocked, report.skipped, report.new) == (0, 0, 3, 10)
    assert {kind: tally.samples[0].reason for kind, tally in report.by_reason["skipped"].items()} == {
        "expired": "her consent had run out; only she can renew it.",
        "no-consent": "nothing she agreed to was on record.",
        "suppressed-moved": "the address was no longer the reader's.",
    }
    before = {row["email"]: row for row in export(newsroom)}
    after = {row["email"]: row for row in export(other)}
    gone = {"eddi@example.com", "max@example.com", "nora@example.com"}
    assert before.keys() - after.keys() == gone
    same = ("status", "first_name", "lang", "paused_until")
    assert [[after[email][c] for c in same] for email in after] == [[before[email][c] for c in same] for email in after]
    assert after["paula@example.com"]["status"] == "paused"
    assert other.imports(file, source=None, basis=None).counts["unchanged"] == 10
    assert undo_import(other.app.store, report.batch, actor="editor", now=newsroom.now).kept == 0
    other.app.store.close()
