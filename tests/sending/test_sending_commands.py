"""`newsletter sends …`: what a person types after a pause, a hold or a crash."""

from __future__ import annotations

import json

import pytest
from sending_rig import ACCEPT, LOST, REFUSE, Memory, add_readers, crash, reader_of, run, start
from sqlalchemy import update
from typer.testing import CliRunner, Result

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.feedback.report import decisions
from newsletter.sending.control import pause
from newsletter.sending.late import continue_late
from newsletter.sending.sends import Send
from newsletter.sending.stops import stop
from newsletter.store.tables import sends


def typed(app: App, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(app.workspace.root), *words])


@pytest.fixture
def send(app: App) -> Send:
    """Done, through a provider: reader 1 was refused, reader 2 is in doubt, reader 3 has it."""
    add_readers(app, 3)
    transport = Memory(lambda r: {1: REFUSE, 2: LOST}.get(reader_of(r), ACCEPT), name="ses")
    return run(app, start(app, transport), transport)


def test_nobody_is_sent_to_again_unless_a_person_says_so(app: App, send: Send) -> None:
    done = typed(app, "sends", "resolve", send.id)
    assert (done.exit_code, "--leave" in done.output, LOST.reason in done.output) == (1, True, True)
    assert json.loads(typed(app, "sends", "resolve", send.id, "--json").stdout)["uncertain"] == 1
    found = json.loads(typed(app, "sends", "uncertain", send.id, "--json").stdout)
    assert [reader["address"] for reader in found["uncertain"]] == ["reader2@example.com"]


def test_who_is_left_in_doubt_is_decided_once_and_not_asked_about_again(app: App, send: Send) -> None:
    for person in ("ann", "ben"):
        assert typed(app, "sends", "resolve", send.id, "--leave", "--as", person).exit_code == 0
    asked = typed(app, "sends", "resolve", send.id)
    assert (asked.exit_code, "Nothing to decide" in asked.output) == (0, True)
    found = json.loads(typed(app, "sends", "resolve", send.id, "--json").stdout)
    assert (found["undecided"], [doubt["reason"] for doubt in found["by_reason"]]) == (
        0,
        [f"{LOST.reason}; left so by ann"],
    )
    with app.store.read() as connection:
        assert [row["readers"] for row in decisions(connection, send.id)] == [1]


def test_who_is_pending_again_is_told_about_truly(app: App, send: Send) -> None:
    """A clock does not begin with a send that a person was to look after; with a detached one it does."""
    said = typed(app, "sends", "resolve", send.id, "--resend").output
    assert f"newsletter sends resume {send.id}" in said
    assert "by itself" in said.partition("out to them")[2]
    transport = Memory(name="ses", scope="ses")
    assert continue_late(app.store, app.workspace, app.keys, transport, app.now) == []
    assert transport.calls == []


def test_of_a_detached_send_it_is_said_that_it_goes_on_by_itself(app: App, send: Send) -> None:
    with app.store.write() as connection:
        connection.execute(update(sends).where(sends.c.id == send.id).values(detached=True))
    assert "goes on by itself" in typed(app, "sends", "resolve", send.id, "--resend").output


def test_of_a_stopped_newsletters_send_the_stop_is_named_first(app: App) -> None:
    add_readers(app, 3)
    held = start(app, Memory(name="outbox"))
    with app.store.write() as connection:
        stop(connection, "daily", send_id=held.id, reason="too many complaints", at=app.now())
    said = " ".join(typed(app, "sends", "show", held.id).output.split())
    assert 0 < said.find("newsletter stops lift daily") < said.find(f"newsletter sends resume {held.id}")
    assert json.loads(typed(app, "sends", "show", held.id, "--json").stdout)["stopped"] == "daily"


def test_the_refused_are_named_with_the_providers_reason(app: App, send: Send) -> None:
    assert f"newsletter sends refused {send.id}" in typed(app, "sends", "show", send.id).output
    found = json.loads(typed(app, "sends", "refused", send.id, "--json").stdout)
    assert [(reader["address"], reader["reason"]) for reader in found["refused"]] == [
        ("reader1@example.com", REFUSE.reason)
    ]


def test_after_a_kill_the_account_names_who_is_in_doubt(app: App) -> None:
    add_readers(app, 5)
    killed = start(app, Memory(name="ses"))
    crash(app, killed, [1, 2])
    shown = typed(app, "sends", "show", killed.id)
    assert f"newsletter sends uncertain {killed.id}" in shown.output
    found = json.loads(typed(app, "sends", "show", killed.id, "--json").stdout)["account"]
    assert (found["in_flight"], found["uncertain"], found["pending"]) == (0, 2, 3)


def test_a_paused_send_is_resumed_by_its_own_name(app: App) -> None:
    add_readers(app, 5)
    paused = start(app, Memory(name="outbox"))
    pause(app.store, paused.id, person="ben")
    assert f"newsletter sends resume {paused.id}" in typed(app, "sends", "show", paused.id).output
    done = typed(app, "sends", "resume", paused.id, "--json")
    assert (done.exit_code, json.loads(done.stdout)["account"]["accepted"]) == (0, 5)
