"""Who did not get it, and what became of this one: the sentence says what is known, and no more."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update
from tracked_rig import ISSUE, NOW, SEND, add_send, address_of, entry, hear, looked, say, set_delivery
from typer.testing import CliRunner

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.errors import InputError, NotFound
from newsletter.feedback.by_name import CHUNK, Chosen, how_many, named
from newsletter.feedback.one_reader import Fate, fate
from newsletter.sending.erasure import erase_reader
from newsletter.store.tables import consent, deliveries, sends, subscribers, subscriptions


@pytest.fixture
def sent(app: App) -> App:
    add_send(app, readers=range(1, 6))
    return app


def why(app: App, reader: int | str = 1, send: str = SEND) -> Fate:
    address = address_of(reader) if isinstance(reader, int) else reader
    return fate(app.store, app.workspace, app.keys, send, address, now=app.now())


def change_send(app: App, **values: object) -> None:
    with app.store.write() as connection:
        connection.execute(update(sends).where(sends.c.id == SEND).values(values))


@pytest.mark.parametrize(
    ("row", "words", "step"),
    [
        ({"outcome": "delivered", "outcome_at": NOW}, "got it: Amazon SES took it on 10 October 2024 at 08:00:00", ""),
        ({"outcome": "none"}, "nothing has come back since", "newsletter sends settle"),
        ({"outcome": "delayed", "outcome_detail": "MailboxFull"}, "may not have it yet", ""),
        (
            {"outcome": "bounced", "outcome_detail": "Permanent/General 5.1.1"},
            "refused it for good",
            "audience explain",
        ),
        ({"outcome": "bounced", "outcome_detail": "Transient/General"}, "probably did not get it", ""),
        ({"outcome": "complained"}, "reported it as spam", "consent show"),
        ({"outcome": "rejected", "outcome_detail": "Bad content"}, "did not get it", ""),
        ({"state": "excluded", "reason": "unsubscribed"}, "left out as `unsubscribed`: unsubscribed", "consent show"),
        ({"state": "excluded", "reason": "paused"}, "paused by the reader for a while", "audience explain"),
        ({"state": "excluded", "reason": "not-in-segment"}, "for the segment abroad only", f"send {ISSUE} --rest"),
        ({"state": "excluded", "reason": "cancelled"}, "ended before this reader's turn", f"send {ISSUE} --rest"),
        ({"state": "excluded", "reason": "already-had"}, "had the issue already", ""),
        ({"state": "pending", "handed_over_at": None, "attempt": 0}, "not been handed over yet", "sends resume"),
        ({"state": "pending", "attempt": 2, "reason": "too fast"}, "tried 2 times, and to be tried again", ""),
        ({"state": "in_flight", "owner": "x"}, "right now (attempt 1", "sends show"),
        ({"state": "uncertain", "reason": "no answer came"}, "Nobody knows whether", "sends resolve"),
        ({"state": "refused", "reason": "554 no such user"}, "would not take it", "sends refused"),
    ],
)
def test_each_way_it_can_end_has_its_sentence_and_what_to_do(
    sent: App, row: dict[str, object], words: str, step: str
) -> None:
    change_send(sent, state="paused", segment="abroad")
    set_delivery(sent, 1, **row)
    found = why(sent)
    assert words in found.sentence
    assert address_of(1) in found.sentence
    assert step in "\n".join(found.next_steps)
    assert found.sentence.endswith(".")
    assert not found.sentence.endswith("..")


def test_a_relay_that_says_nothing_is_no_delivery(sent: App) -> None:
    change_send(sent, transport="smtp")
    assert "nothing is heard afterwards" in why(sent).sentence
    assert "got it" not in why(sent).sentence


def test_the_record_stands_beside_the_sentence_in_order(sent: App) -> None:
    say(sent, "confirmed", 1)
    hear(sent, looked("Click", at=90), looked("Delivery", at=3), looked("Open", at=60))
    found = why(sent)
    assert [(e.kind, e.by) for e in found.events] == [("delivery", None), ("open", "person"), ("click", "person")]
    told = json.loads(json.dumps(found.as_json()))
    assert (told["state"], told["outcome"], told["attempt"], told["message_id"]) == ("accepted", "delivered", 1, "m-1")
    assert told["events"][0]["detail"] is None
    assert told["now"]["mailable"] is True


def test_what_held_then_and_what_holds_now_are_told_apart(sent: App) -> None:
    set_delivery(sent, 1, state="excluded", reason="paused")
    with sent.store.write() as connection:
        connection.execute(insert(consent).values(entry(1, "send", "withdrawn")))
    found = why(sent)
    assert "paused" in found.sentence
    assert found.now is not None
    assert found.now.reason == "unsubscribed"


def test_who_had_it_already_is_told_from_where(sent: App) -> None:
    set_delivery(sent, 1, state="excluded", reason="already-had")
    with sent.store.write() as connection:
        before = connection.execute(sends.select().where(sends.c.id == SEND)).one()._mapping
        connection.execute(insert(sends).values({**before, "id": "earliers"}))
        row = {"send_id": "earliers", "subscriber_id": 1, "batch": 1, "state": "accepted", "handed_over_at": NOW}
        connection.execute(insert(deliveries).values(row))
    found = why(sent)
    assert "from send earliers" in found.sentence
    assert found.next_steps == (f"newsletter sends why earliers {address_of(1)}",)
    assert [other["send"] for other in found.elsewhere] == ["earliers"]


def test_who_joined_after_the_audience_was_written_down_is_told_so(sent: App) -> None:
    later = NOW + timedelta(hours=1)
    with sent.store.write() as connection:
        found = why(sent, 5)
        assert found.reader == 5
        connection.execute(deliveries.delete().where(deliveries.c.subscriber_id.in_((4, 5))))
        connection.execute(update(subscriptions).where(subscriptions.c.subscriber_id == 5).values(created_at=later))
        connection.execute(subscriptions.delete().where(subscriptions.c.subscriber_id == 4))
    assert "on the list of daily since 10 October 2024 09:00:00" in why(sent, 5).sentence
    assert f"newsletter send {ISSUE} --rest" in why(sent, 5).next_steps
    assert "never been on the list" in why(sent, 4).sentence
    assert "Nobody with the address" in why(sent, "nobody@example.org").sentence


def test_an_erased_reader_is_found_by_her_address_and_nothing_else_of_her_is(sent: App) -> None:
    erase_reader(sent.store, sent.workspace, sent.keys, subscriber_id=1, actor="ann", now=sent.now())
    found = why(sent)
    assert found.row is not None
    assert found.row.message_id is None
    assert found.now is not None
    assert found.now.reason == "erased"


def test_what_is_no_address_and_no_send_is_said(sent: App) -> None:
    with pytest.raises(InputError):
        why(sent, "rubbish")
    with pytest.raises(NotFound):
        why(sent, 1, "zzzzzzzz")


# -- by name ----------------------------------------------------------------------------------------------------------


def test_readers_are_chosen_by_state_reason_and_outcome(sent: App) -> None:
    set_delivery(sent, 1, state="excluded", reason="paused")
    set_delivery(sent, 2, state="excluded", reason="unsubscribed")
    set_delivery(sent, 3, outcome="bounced")
    with sent.store.read() as connection:
        for chosen, expected in (
            (Chosen(), [1, 2, 3, 4, 5]),
            (Chosen(state="excluded"), [1, 2]),
            (Chosen(state="excluded", reason="paused"), [1]),
            (Chosen(outcome="bounced"), [3]),
            (Chosen(state="accepted", reason="paused"), []),
        ):
            assert [found.subscriber_id for found in named(connection, SEND, chosen)] == expected
            assert how_many(connection, SEND, chosen) == len(expected)
        assert [found.subscriber_id for found in named(connection, SEND, Chosen(), most=2)] == [1, 2]
    with pytest.raises(InputError, match="Known: excluded"):
        Chosen(state="delivered")


def test_all_are_listed_however_many_there_are(sent: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.feedback.by_name.CHUNK", 2)
    assert CHUNK > 2
    with sent.store.read() as connection:
        assert [found.subscriber_id for found in named(connection, SEND, Chosen())] == [1, 2, 3, 4, 5]
        assert [found.subscriber_id for found in named(connection, SEND, Chosen(), most=3)] == [1, 2, 3]
        assert [found.subscriber_id for found in named(connection, SEND, Chosen(), most=4)] == [1, 2, 3, 4]


# -- at the command line ----------------------------------------------------------------------------------------------


def call(app: App, *arguments: str) -> Any:
    return CliRunner().invoke(cli, ["--workspace", str(app.workspace.root), "sends", *arguments])


def test_the_commands_answer_in_words_json_and_tables(sent: App) -> None:
    with sent.store.write() as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == 2).values(address="=1+1@example.com"))
    set_delivery(sent, 2, state="refused", reason="=cmd()\x1b[2J")
    assert "Send abcdefgh" in call(sent, "report", SEND).stdout
    assert json.loads(call(sent, "report", SEND, "--json").stdout)["account"]["audience"] == 5
    refused = call(sent, "who", SEND, "--state", "refused").stdout
    assert "=1+1@example.com" in refused
    assert "\x1b[2J" not in refused
    table = list(csv.reader(io.StringIO(call(sent, "who", SEND, "--state", "refused", "--csv").stdout)))
    assert [row[:4] for row in table[1:]] == [["'=1+1@example.com", "2", "refused", "'=cmd()\x1b[2J"]]
    assert json.loads(call(sent, "who", SEND, "--json").stdout)["readers"] == 5
    assert json.loads(call(sent, "why", SEND, address_of(1), "--json").stdout)["state"] == "accepted"
    assert "The ledger" in call(sent, "why", SEND, address_of(1)).stdout


def test_a_report_is_written_to_a_new_file_only_its_owner_reads(sent: App) -> None:
    file = sent.workspace.root / "report.csv"
    assert call(sent, "report", SEND, "--csv", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    again = call(sent, "report", SEND, "--csv", str(file))
    assert again.exit_code != 0
    assert call(sent, "report", SEND, "--csv", str(file), "--force").exit_code == 0
