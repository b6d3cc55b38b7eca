"""A reader's story is told as a person would tell it, and the proof of it can be handed over."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Purpose, Suppressed, Wording
from newsletter.audience.dossier import dossier, write_dossier
from newsletter.audience.ledger import Profile
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.opt_in import opt_in
from newsletter.audience.proofs import Visit
from newsletter.audience.suppression import lift_address, suppress_address
from newsletter.audience.timeline import last_agreed, timeline
from newsletter.audience.undo import undo_import
from newsletter.errors import InputError, NotFound, Refused
from newsletter.store.tables import service_mails, subscribers, subscriptions

ALICE = "alice@example.com"


def told(newsroom: Any, address: str = ALICE, **options: Any) -> list[str]:
    app = newsroom.app
    return [m.words for m in timeline(app.store, app.keys, address, newsletters=app.settings.newsletters, **options)]


def signs_up(newsroom: Any, *, now: datetime, agent: str = "Firefox") -> int:
    """Alice asks and confirms; her id."""
    with newsroom.app.store.write() as connection:
        [reader] = ledger.add_subscribers(
            connection, [(newsroom.hash(ALICE), ALICE, Profile("Alice"))], now=now
        ).values()
        asked = Entry(Event.REQUESTED, now, "the form at /subscribe", "reader", "gdpr", Basis.EXPRESS)
        ledger.record(connection, "daily", [(reader, asked)], now=now)
        opt_in(
            connection,
            reader,
            "daily",
            newsroom.settings,
            event=Event.CONFIRMED,
            source="the form at /subscribe",
            visit=Visit("192.0.2.7", agent),
            now=now,
            days=100,
        )
    return reader


def test_the_story_is_told_in_order_and_in_sentences(newsroom: Any) -> None:
    app, start = newsroom.app, newsroom.now - timedelta(days=160)
    reader = signs_up(newsroom, now=start)
    at = [newsroom.now - timedelta(days=days) for days in (100, 90, 80, 70, 60)]
    with app.store.write() as connection:
        yes = Entry(Event.CONFIRMED, at[0], "preferences", "reader", "gdpr", Basis.EXPRESS, policy_version="2")
        ledger.record_one(connection, "daily", reader, yes, now=at[0], purpose=Purpose.OPEN_TRACKING)
        owe(connection, MailKind.POLICY_NOTICE, reader, "daily", request="a", now=at[1], detail="2")
        owe(connection, MailKind.WELCOME, reader, "daily", request="b", now=at[1])
        table = service_mails.c
        refused = update(service_mails).where(table.request == "b")
        connection.execute(refused.values(state="refused", reason="hard-bounce"))
        connection.execute(update(subscriptions).values(paused_until=newsroom.now + timedelta(days=3)))
    options = {"reason": Suppressed.MANUAL, "scope": "*", "actor": "ops"}
    suppress_address(app.store, app.keys, ALICE, why="asked by letter", now=at[2], **options)
    lift_address(app.store, app.keys, ALICE, why="a misunderstanding", now=at[3], **options)
    newsroom.leaves(ALICE)
    form, page = "(the form at /subscribe)", "(preferences)"
    assert told(newsroom) == [
        "became known",
        "asked for The Meridian (the form at /subscribe); express consent; rules gdpr",
        f"confirmed: yes to The Meridian {form}; express consent; agreed to wording 1 (en); rules gdpr",
        f"allowed The Meridian to measure opened mails {page}; express consent; policy 2; rules gdpr",
        "the mail about policy 2 is owed",
        "the welcome mail was not sent (hard-bounce)",
        "no longer suppressed (put on the suppression list by hand, 22 July 2024): a misunderstanding; by ops",
        "left The Meridian (cli); rules gdpr; by editor",
        "no longer allows The Meridian to measure opened mails (cli); rules gdpr; by editor",
        "the pause ends",
    ]
    assert told(newsroom, newsletter="weekly") == [
        "became known",
        "no longer suppressed (put on the suppression list by hand, 22 July 2024): a misunderstanding; by ops",
    ]
    assert last_agreed(app.store, app.keys, ALICE) == newsroom.settings.wording


def test_an_import_is_named_with_its_file_and_whether_it_was_undone(newsroom: Any) -> None:
    report = newsroom.imports("email,date\nalice@example.com,2024-09-01\n")
    words = "On 1 September 2024 was imported as a reader of The Meridian (site export); express consent; rules gdpr; "
    words += f"by editor; from readers.csv, import {report.batch}"
    assert told(newsroom)[-1] == words
    undo_import(newsroom.app.store, report.batch, actor="boss", now=newsroom.now)
    assert f"{words}; undone on 10 October 2024 by boss, so it does not count" in told(newsroom)


def test_an_unknown_address_has_no_story_and_a_suppressed_one_has(newsroom: Any) -> None:
    app = newsroom.app
    assert told(newsroom, "nobody@example.com") == []
    assert last_agreed(app.store, app.keys, "nobody@example.com") is None
    options = {"reason": Suppressed.MANUAL, "scope": "*", "actor": "ops", "now": newsroom.now}
    assert suppress_address(app.store, app.keys, "nobody@example.com", why="a letter", **options)
    assert not suppress_address(app.store, app.keys, "Nobody@example.com", why="again", **options)
    assert told(newsroom, "nobody@example.com") == ["put on the suppression list by hand (a letter; by ops)"]


def test_only_a_person_with_a_reason_lifts_a_complaint(newsroom: Any) -> None:
    app = newsroom.app
    reader = signs_up(newsroom, now=newsroom.now)
    options = {"reason": Suppressed.COMPLAINT, "scope": "*", "actor": "ops", "now": newsroom.now}
    suppress_address(app.store, app.keys, ALICE, why="pressed by mistake?", **options)
    signs_up(newsroom, now=newsroom.now)
    assert newsroom.reason(ALICE) == "suppressed-complaint"
    with pytest.raises(InputError, match="must say in plain words why"):
        lift_address(app.store, app.keys, ALICE, why=" ", **options)
    assert lift_address(app.store, app.keys, ALICE, why="she asked us to, by telephone", **options)
    assert not lift_address(app.store, app.keys, ALICE, why="she asked us to, by telephone", **options)
    assert newsroom.reason(ALICE) == "mailable"
    assert reader


def test_the_story_of_an_erased_reader_still_shows_what_was_agreed(newsroom: Any) -> None:
    newsroom.imports("email\nalice@example.com\n")
    with newsroom.app.store.write() as connection:
        connection.execute(update(subscribers).values(address=None, first_name=None, erased_at=newsroom.now))
    assert told(newsroom)[-1] == "erased on request"
    assert newsroom.reason(ALICE) == "erased"


# -- the proof --------------------------------------------------------------------------------------------------------


def proof(newsroom: Any, address: str = ALICE) -> Any:
    app = newsroom.app
    return dossier(app.store, app.keys, address, newsletters=app.settings.newsletters, at=newsroom.now)


def test_the_proof_holds_each_entry_with_its_full_text_where_she_came_from_and_the_file(newsroom: Any) -> None:
    newsroom.imports("email,date\nalice@example.com,2024-09-01\n")
    signs_up(newsroom, now=newsroom.now)
    found = json.loads(proof(newsroom).to_json())
    imported, requested, confirmed = found["entries"]
    assert imported["import"]["file_name"] == "readers.csv"
    assert len(imported["import"]["file_sha256"]) == 64
    assert requested["event"] == "requested"
    assert confirmed["wording"]["text"] == newsroom.settings.wording
    assert [(p["network_address"], p["agent"]) for p in confirmed["proofs"]] == [("192.0.2.7", "Firefox")]
    assert [(v["newsletter"], v["reason"]) for v in found["now"]] == [("daily", "mailable")]
    page = proof(newsroom).to_html()
    for said in (newsroom.settings.wording, "192.0.2.7", "readers.csv", imported["import"]["file_sha256"], ALICE):
        assert said in page


def test_the_page_fetches_nothing_and_runs_nothing(newsroom: Any) -> None:
    agent = "<script>alert(1)</script>\x1b[2J<img src=//x.example>"
    signs_up(newsroom, now=newsroom.now, agent=agent)
    page = proof(newsroom).to_html()
    assert "<script" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "&lt;script&gt;" in page


def test_the_proof_is_for_its_owners_eyes_only_and_its_name_tells_nothing(newsroom: Any, tmp_path: Path) -> None:
    signs_up(newsroom, now=newsroom.now)
    folder = tmp_path / "proofs"
    (tmp_path / "file").write_text("")
    for _ in range(2):
        files = write_dossier(proof(newsroom), folder)
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in files)
    assert files[0].name == f"consent-{newsroom.hash(ALICE)[3:11]}.json"
    with pytest.raises(Refused, match="cannot be written"):
        write_dossier(proof(newsroom), tmp_path / "file" / "in-it")
    with pytest.raises(NotFound, match="Nobody"):
        proof(newsroom, "nobody@example.com")


def test_a_text_that_was_never_kept_is_said_to_be_missing(newsroom: Any) -> None:
    with newsroom.app.store.write() as connection:
        connection.execute(
            insert(subscribers).values(address_hash=newsroom.hash(ALICE), address=ALICE, created_at=newsroom.now)
        )
        reader = ledger.find_subscribers(connection, [newsroom.hash(ALICE)])[newsroom.hash(ALICE)].id
        lost = Entry(
            Event.CONFIRMED, newsroom.now, "paper", "editor", "gdpr", Basis.EXPRESS, wording=Wording("0", "ab", "en")
        )
        ledger.record(connection, "daily", [(reader, lost)], now=newsroom.now)
    assert "(the text is not on record)" in proof(newsroom).to_html()
