"""`newsletter sends …`: what a person types after a pause, a hold or a crash."""

from __future__ import annotations

import json

import pytest
from sending_rig import ACCEPT, LOST, REFUSE, Memory, add_readers, crash, reader_of, run, start
from typer.testing import CliRunner, Result

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.sending.control import pause
from newsletter.sending.sends import Send


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
