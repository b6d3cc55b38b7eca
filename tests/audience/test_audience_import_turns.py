"""An import goes in short turns and counts at one moment; who acts between two of them has the last word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from newsletter.audience import import_csv as import_module
from newsletter.audience import ledger
from newsletter.audience import undo as undo_module
from newsletter.audience.batches import list_imports, somebody_importing
from newsletter.audience.consent import Event, Suppressed
from newsletter.audience.explain import count
from newsletter.audience.opt_in import opt_in
from newsletter.audience.proofs import Visit
from newsletter.audience.select import verdicts
from newsletter.audience.suppression import lift, suppress
from newsletter.audience.tidy import tidy
from newsletter.audience.undo import undo_import
from newsletter.cli.root import cli
from newsletter.errors import Refused
from newsletter.store.engine import Store
from newsletter.store.tables import consent, proofs, subscribers, suppressions

NAMES = ("alice", "bob", "carol", "dora")
BEFORE = "email,first_name,basis\nalice@example.com,Alice,soft-opt-in\nbob@example.com,Bob,express\n"
FILE = """\
email,first_name,status,basis
alice@example.com,Alicia,,express
bob@example.com,Robert,bounced,
carol@example.com,Carol,,express
dora@example.com,Dora,unsubscribed,
"""


class PowerCutError(Exception):
    """The import ends here."""


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module, "CHUNK", 1)
    monkeypatch.setattr(undo_module, "CHUNK", 1)


def later(newsroom: Any, hours: int = 1) -> datetime:
    return newsroom.now + timedelta(hours=hours)  # type: ignore[no-any-return]


def between(act: Callable[[int], None]) -> Callable[[str, int], None]:
    """Does something after each turn of the writing, told which one it was."""
    turns = iter(range(1, 1_000))

    def step(stage: str, _rows: int) -> None:
        if stage == "write":
            act(next(turns))

    return step


def cut_at(turn: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        if number == turn:
            raise PowerCutError

    return act


def state(newsroom: Any) -> dict[str, Any]:
    """What the program makes of everyone, and what it knows of them; not the ledger, of which nothing is taken away."""
    with newsroom.app.store.read() as connection:
        people = select(subscribers.c.address, subscribers.c.first_name).where(subscribers.c.address.is_not(None))
        found = connection.execute(verdicts("daily", newsroom.settings, later(newsroom, 9))).all()
        blocked = select(suppressions.c.address_hash, suppressions.c.reason, suppressions.c.source)
        return {
            "people": sorted(tuple(row) for row in connection.execute(people)),
            "verdicts": sorted(str(row.reason) for row in found),
            "suppressed": sorted(tuple(row) for row in connection.execute(blocked)),
            "proofs": sorted(connection.scalars(select(proofs.c.kind)).all()),
            "reasons": [newsroom.reason(f"{name}@example.com", at=later(newsroom, 9)) for name in NAMES],
        }


def counted(newsroom: Any) -> Any:
    """The audience, and what is said of each reader."""
    with newsroom.app.store.read() as connection:
        numbers = count(connection, "daily", settings=newsroom.settings, at=newsroom.now)
    return numbers, [newsroom.reason(f"{name}@example.com") for name in NAMES]


def test_nothing_counts_before_the_last_turn_and_then_all_of_it(newsroom: Any) -> None:
    newsroom.imports(BEFORE)
    before, seen = counted(newsroom), []
    report = newsroom.imports(FILE, progress=between(lambda _turn: seen.append(counted(newsroom))))
    assert (report.new, report.changed) == (2, 2)
    assert seen == [before] * 4
    assert counted(newsroom)[1] == ["mailable", "suppressed-hard-bounce", "mailable", "unsubscribed"]


@pytest.mark.parametrize("turn", [1, 2, 3, 4])
def test_an_import_that_fails_in_any_turn_leaves_all_as_it_was_and_can_be_made_again(newsroom: Any, turn: int) -> None:
    newsroom.imports(BEFORE)
    before = state(newsroom)
    with pytest.raises(PowerCutError):
        newsroom.imports(FILE, now=later(newsroom), progress=between(cut_at(turn)))
    assert state(newsroom) == before
    assert [batch.undone for batch in list_imports(newsroom.app.store)] == [True, False]
    again = newsroom.imports(FILE, now=later(newsroom, 2))
    assert (again.new, again.changed) == (2, 2)
    assert state(newsroom)["reasons"] == ["mailable", "suppressed-hard-bounce", "mailable", "unsubscribed"]


def test_an_address_that_stands_twice_in_a_file_is_known_the_second_time_though_nothing_counts_yet(
    newsroom: Any,
) -> None:
    report = newsroom.imports(
        "email,status,basis\nalice@example.com,,express\nALICE@example.com,,express\nalice@example.com,bounced,\n"
        "alice@example.com,bounced,\nalice@example.com,,express\n"
    )
    assert (report.new, report.unchanged, report.changed, report.blocked) == (1, 2, 1, 1)
    with newsroom.app.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(consent)) == 1


# -- others, meanwhile ------------------------------------------------------------------------------------------------


def id_of(newsroom: Any, connection: Any, name: str) -> int:
    hashed = newsroom.hash(f"{name}@example.com")
    return int(ledger.find_subscribers(connection, [hashed])[hashed].id)


def _confirms(newsroom: Any, connection: Any, name: str) -> None:
    options = {"event": Event.CONFIRMED, "source": "form", "visit": Visit(), "now": later(newsroom), "days": 9}
    opt_in(connection, id_of(newsroom, connection, name), "daily", newsroom.settings, **options)


def _leaves(newsroom: Any, connection: Any, name: str) -> None:
    entry = ledger.Entry(Event.WITHDRAWN, later(newsroom), "page", "reader", "gdpr")
    ledger.record(connection, "daily", [(id_of(newsroom, connection, name), entry)], now=later(newsroom))


def _complains(newsroom: Any, connection: Any, name: str) -> None:
    hashed = newsroom.hash(f"{name}@example.com")
    suppress(connection, hashed, reason=Suppressed.COMPLAINT, source="ses", at=later(newsroom))


def _bounces(newsroom: Any, connection: Any, name: str) -> None:
    hashed = newsroom.hash(f"{name}@example.com")
    suppress(connection, hashed, reason=Suppressed.HARD_BOUNCE, source="ses", at=later(newsroom))


MEANWHILE = [
    ("alice", _leaves, "unsubscribed", "unsubscribed"),
    ("alice", _complains, "suppressed-complaint", "suppressed-complaint"),
    ("bob", _bounces, "suppressed-hard-bounce", "suppressed-hard-bounce"),
    ("carol", _confirms, "mailable", "mailable"),
    ("carol", _complains, "suppressed-complaint", "suppressed-complaint"),
    ("dora", _confirms, "mailable", "mailable"),
]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(("name", "act", "finished", "failed"), MEANWHILE)
def test_what_a_reader_does_during_an_import_stands_whatever_becomes_of_it(
    newsroom: Any, name: str, act: Any, finished: str, failed: str, *, fails: bool
) -> None:
    newsroom.imports(BEFORE)

    def meanwhile(turn: int) -> None:
        if turn == 4:  # all rows are written, and do not count yet
            with newsroom.app.store.write() as connection:
                act(newsroom, connection, name)
            assert newsroom.reason(f"{name}@example.com", at=later(newsroom, 9)) == failed
            if fails:
                raise PowerCutError

    if fails:
        with pytest.raises(PowerCutError):
            newsroom.imports(FILE, progress=between(meanwhile))
    else:
        newsroom.imports(FILE, progress=between(meanwhile))
    assert newsroom.reason(f"{name}@example.com", at=later(newsroom, 9)) == (failed if fails else finished)
    with newsroom.app.store.read() as connection:
        rows = connection.execute(verdicts("daily", newsroom.settings, later(newsroom, 9))).all()
        mailable = id_of(newsroom, connection, name) in {row.subscriber_id for row in rows if row.reason is None}
    assert mailable == ((failed if fails else finished) == "mailable")


def test_a_staff_member_who_unsubscribes_a_reader_during_her_import_is_obeyed(newsroom: Any) -> None:
    def meanwhile(turn: int) -> None:
        if turn == 3:
            assert newsroom.leaves("carol@example.com") == "unsubscribed"

    newsroom.imports(FILE, progress=between(meanwhile))
    assert newsroom.reason("carol@example.com") == "unsubscribed"


def test_who_agrees_herself_during_an_import_is_not_taken_off_by_an_older_row(newsroom: Any) -> None:
    newsroom.imports("email,basis\ndora@example.com,express\n")

    def meanwhile(turn: int) -> None:
        if turn == 1:
            with newsroom.app.store.write() as connection:
                _confirms(newsroom, connection, "dora")

    newsroom.imports(FILE, progress=between(meanwhile))
    assert newsroom.reason("dora@example.com", at=later(newsroom, 9)) == "mailable"


def test_a_suppression_of_an_import_under_way_can_neither_be_lifted_nor_counts_as_lifted(newsroom: Any) -> None:
    def meanwhile(turn: int) -> None:
        if turn == 2:
            with newsroom.app.store.write() as connection:
                options = {"reasons": [Suppressed.HARD_BOUNCE], "scopes": ["*"], "actor": "ann", "why": "it works"}
                assert lift(connection, newsroom.hash("bob@example.com"), **options, now=later(newsroom)) == 0

    newsroom.imports(FILE, progress=between(meanwhile))
    assert newsroom.reason("bob@example.com") == "suppressed-hard-bounce"


def test_a_reader_erased_during_her_import_stays_erased(newsroom: Any) -> None:
    def meanwhile(turn: int) -> None:
        if turn == 3:
            with newsroom.app.store.write() as connection:
                this = subscribers.c.id == id_of(newsroom, connection, "carol")
                blank = {"address": None, "first_name": None, "erased_at": later(newsroom)}
                connection.execute(update(subscribers).where(this).values(blank))
            raise PowerCutError

    with pytest.raises(PowerCutError):
        newsroom.imports(FILE, progress=between(meanwhile))
    assert newsroom.reason("carol@example.com") == "erased"
    assert newsroom.imports("email\ncarol@example.com\n", now=later(newsroom, 2)).blocked == 1


def test_another_import_or_undo_is_refused_meanwhile_and_a_dry_run_is_not(newsroom: Any) -> None:
    first = newsroom.imports(BEFORE).batch
    other = newsroom.file(FILE.replace("example.com", "example.net"), "others.csv")

    def meanwhile(turn: int) -> None:
        if turn == 2:
            assert somebody_importing(newsroom.app.store)
            with pytest.raises(Refused, match=r"Import 2 \(readers.csv, by editor\) is under way\. Try again"):
                newsroom.imports(other)
            with pytest.raises(Refused, match="is under way"):
                undo_import(newsroom.app.store, first, actor="editor", now=later(newsroom))
            assert newsroom.imports(other, dry_run=True).new == 4

    assert newsroom.imports(FILE, progress=between(meanwhile)).new == 2
    assert not somebody_importing(newsroom.app.store)


# -- what a killed process leaves, told and settled -------------------------------------------------------------------


def abandon(newsroom: Any, monkeypatch: pytest.MonkeyPatch, turn: int) -> None:
    """An import that ended as if by a kill: nothing is settled."""
    with monkeypatch.context() as patch:
        patch.setattr(import_module, "settle", lambda _store, now: {})
        with pytest.raises(PowerCutError):
            newsroom.imports(FILE, progress=between(cut_at(turn)))


def test_the_hourly_tidying_takes_away_what_a_dead_import_left(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    newsroom.imports(BEFORE)
    before = state(newsroom)
    abandon(newsroom, monkeypatch, 4)
    left = state(newsroom)
    assert (left["reasons"], left["verdicts"]) == (before["reasons"], before["verdicts"])
    assert left != before
    tidy(newsroom.app.store, newsroom.app.settings, later(newsroom))
    assert state(newsroom) == before
    assert "broken off" in str(list_imports(newsroom.app.store)[0].undone_by)


def test_a_dead_import_is_told_from_a_living_one(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def listed() -> str:
        return CliRunner().invoke(cli, ["-w", str(newsroom.app.workspace.root), "subscriber", "imports"]).output

    monkeypatch.setenv("COLUMNS", "200")
    seen: list[str] = []
    newsroom.imports(BEFORE, progress=between(lambda _turn: seen.append(listed())))
    assert "under way" in seen[0]
    assert "under way" not in listed()
    abandon(newsroom, monkeypatch, 2)
    assert "broken off" in listed()


def test_an_undo_that_was_broken_off_is_gone_on_with(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    newsroom.imports(BEFORE)
    before = state(newsroom)
    batch = newsroom.imports(FILE, now=later(newsroom)).batch
    with monkeypatch.context() as patch:
        patch.setattr(undo_module, "end", lambda *_a, **_o: cut_at(1)(1))
        with pytest.raises(PowerCutError):
            undo_import(newsroom.app.store, batch, actor="ann", now=later(newsroom, 2))
    assert [each.being_undone for each in list_imports(newsroom.app.store)] == [True, False]
    assert undo_import(newsroom.app.store, batch, actor="editor", now=later(newsroom, 3)).kept == 0
    assert state(newsroom) == before
    assert list_imports(newsroom.app.store)[0].undone_by == "ann"


def test_an_import_whose_lock_was_lost_writes_no_more(newsroom: Any) -> None:
    """As when a machine sleeps so long that the server gives the lock to another, which takes the import away."""

    def meanwhile(turn: int) -> None:
        if turn == 2:
            undo_module.settle(newsroom.app.store, now=later(newsroom))

    with pytest.raises(Exception, match=r"was taken away\. Import the file again"):
        newsroom.imports(FILE, progress=between(meanwhile))
    assert state(newsroom)["people"] == []


# -- laws -------------------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob", "Alice"]),
        st.sampled_from(["", "A", "B"]),
        st.sampled_from(["", "en", "de"]),
        st.sampled_from(["", "subscribed", "pending", "unsubscribed", "bounced", "complained"]),
        st.sampled_from(["express", "soft-opt-in", "implied"]),
        st.sampled_from(["2024-01-01", "2024-05-01"]),
        st.sampled_from(["", "2024-11-01", "2025-05-01"]),
    ),
    max_size=7,
)


def table(rows: list[tuple[str, ...]], domain: str) -> str:
    lines = (f"{name}@{domain},{','.join(cells)}" for name, *cells in rows)
    return "\n".join(["email,first_name,lang,status,basis,date,expires", *lines, ""])


@pytest.mark.sqlite
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(history=ROWS, file=ROWS, undo=st.booleans())
def test_a_dry_run_says_what_the_import_then_does_however_often_an_address_stands_in_the_file(
    newsroom: Any, history: list[Any], file: list[Any], *, undo: bool
) -> None:
    domain = f"test{len(list_imports(newsroom.app.store))}.example.com"  # nobody is known there yet
    first = newsroom.imports(table(history, domain)).batch
    if undo:
        undo_import(newsroom.app.store, first, actor="editor", now=newsroom.now)
    content = table(file, domain)
    dry = newsroom.imports(content, dry_run=True, now=later(newsroom))
    done = newsroom.imports(content, now=later(newsroom))
    assert replace(dry, batch=done.batch) == done


@pytest.mark.sqlite
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(history=ROWS, file=ROWS, turn=st.integers(1, 7))
def test_an_import_cut_off_anywhere_never_was(newsroom: Any, history: list[Any], file: list[Any], turn: int) -> None:
    domain = f"test{len(list_imports(newsroom.app.store))}.example.com"
    newsroom.imports(table(history, domain))

    def found() -> Any:
        with newsroom.app.store.read() as connection:
            chosen = verdicts("daily", newsroom.settings, later(newsroom, 500))
            people = select(subscribers.c.id, subscribers.c.first_name).where(subscribers.c.address.is_not(None))
            blocked = select(suppressions.c.address_hash, suppressions.c.reason)
            return [sorted(map(str, connection.execute(query))) for query in (chosen, people, blocked)]

    before = found()
    turn = min(turn, len(file))
    if turn:
        with pytest.raises(PowerCutError):
            newsroom.imports(table(file, domain), now=later(newsroom), progress=between(cut_at(turn)))
    assert found() == before


def test_two_at_once_are_told_apart_by_more_than_the_process(newsroom: Any) -> None:
    """Two threads of one process, each with a store of its own, are two importers."""
    other = Store(newsroom.app.store.engine.url.render_as_string(hide_password=False))
    seen: list[bool] = []
    newsroom.imports(BEFORE, progress=between(lambda _turn: seen.append(somebody_importing(other))))
    assert seen == [True, True]
    assert not somebody_importing(other)
    other.close()
