"""A correction on record breaks no file, and its issue goes to just those who had the mistake, unasked."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result
from web_issues import INTRO, Newsroom
from web_newsroom import every_row, subscribe

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.editorial.resolve import resolve
from newsletter.editorial.starting import start_issue
from newsletter.errors import InputError
from newsletter.sending.corrections import add_correction, correction_issue, record
from newsletter.sending.order import Order, fulfil
from newsletter.sending.planning import Plan, plan
from newsletter.store.tables import corrections

TENTH = "2024-10-10"


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    found = Newsroom(app)
    subscribe(app, "ada@example.org")
    found.send(TENTH)
    found.wait(hours=2)
    return found


def run(workspace: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["-w", str(workspace), *words])


def correct(newsroom: Newsroom) -> Path:
    """Put one on record, let somebody join who never had the mistake, and make the issue."""
    app, now = newsroom.app, newsroom.clock.at
    add_correction(app.store, TENTH, was="Good morning.", is_="Good evening.", person="ed", now=now)
    subscribe(app, "new@example.org")
    return correction_issue(app.store, app.workspace, TENTH, name=None, now=now)


def test_it_goes_to_those_who_had_the_mistake_without_being_told(newsroom: Newsroom) -> None:
    folder, app = correct(newsroom), newsroom.app
    done = fulfil(app.store, app.workspace, app.keys, app.transport(), Order(folder.name, "ed"), now=newsroom.clock)
    assert done.report is not None, done.findings
    assert done.report.send.readers_of == TENTH
    assert done.report.account.accepted == 1
    assert done.report.account.excluded_by == {"not-a-reader-of": 1}


def test_a_schedule_of_it_is_for_them_too_and_the_command_wins_over_the_file(newsroom: Newsroom) -> None:
    folder, app, now = correct(newsroom), newsroom.app, newsroom.clock.at
    wanted = Plan(folder.name, "ed", at="23:00", zone="UTC")
    planned = plan(app.store, app.workspace, app.transport(), wanted, now=now)
    assert planned.schedule is not None, planned.findings
    assert planned.schedule.readers_of == TENTH
    newsroom.clock.at = newsroom.clock.at + timedelta(hours=1)
    newsroom.send("2024-10-11")
    toml = (folder / "issue.toml").read_text().replace("2024-10-10\n", "2024-10-11\n", 1)
    (folder / "issue.toml").write_text(toml)
    wanted = replace(wanted, readers_of="2024-10-11")
    planned = plan(app.store, app.workspace, app.transport(), wanted, now=newsroom.clock.at)
    assert planned.schedule is not None, planned.findings
    assert planned.schedule.readers_of == "2024-10-11"


def test_an_issue_for_the_readers_of_an_unknown_one_names_the_nearest(newsroom: Newsroom) -> None:
    newsroom.write("2024-10-11", f'readers_of = "{TENTH}0"\n{INTRO}')
    with pytest.raises(InputError, match=f'no earlier issue "{TENTH}0".*Did you mean `{TENTH}`'):
        resolve(newsroom.app.workspace, newsroom.app.store, "2024-10-11")


def test_what_slipped_onto_the_record_breaks_no_file(newsroom: Newsroom) -> None:
    app, now = newsroom.app, newsroom.clock.at
    with app.store.write() as connection:
        row = {"issue": TENTH, "was": "vt\x0bhere\x07", "is": "." * 1500, "person": "ed", "at": now}
        connection.execute(insert(corrections).values(row))
    [(known, _)] = record(app.store)
    assert known.was == "vt\nhere"
    folder = correction_issue(app.store, app.workspace, TENTH, name=None, now=now)
    new = start_issue(app.workspace.issues, "2024-10-11", newsletter="daily", day=now.date(), corrections=[known])
    for made in (folder, new):
        block = tomllib.loads((made / "issue.toml").read_text())["blocks"][1]
        assert (block["was"], block["is"]) == ("vt\nhere", "." * 1500)
        resolve(app.workspace, app.store, made.name)


def test_nothing_is_on_record_when_its_issue_cannot_be_made(newsroom: Newsroom, workspace: Path) -> None:
    before = every_row(newsroom.app)
    said = "--was", "Good morning.", "--is", "b"
    for name, words in (("../evil", "an issue's name is"), (TENTH, "is there already")):
        refused = run(workspace, "correction", "add", TENTH, *said, "--issue", name)
        assert (refused.exit_code != 0, words in str(refused.exception) + refused.output) == (True, True)
    assert every_row(newsroom.app) == before


def test_words_that_the_issue_never_said_are_pointed_out(newsroom: Newsroom, workspace: Path) -> None:
    odd = run(workspace, "correction", "add", TENTH, "--was", "Good night.", "--is", "b", "--as", "ed")
    assert (odd.exit_code, "do not stand in the issue" in odd.output) == (0, True)
    right = run(workspace, "correction", "add", TENTH, "--was", "*Good* morning", "--is", "b", "--as", "ed")
    assert (right.exit_code, "do not stand" in right.output) == (0, False)
    again = run(workspace, "correction", "add", TENTH, "--was", "Good night.", "--is", "c", "--as", "ed")
    assert f"newsletter correction send {TENTH}" in str(again.exception) + again.output
