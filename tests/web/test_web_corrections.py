"""A correction: on top of the page at once, in the next issue, and to just those who read the mistake."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result
from web_issues import INTRO, Newsroom
from web_newsroom import every_row, subscribe

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.editorial.corrections import waiting
from newsletter.editorial.starting import start_issue
from newsletter.errors import InputError, Refused
from newsletter.preflight.candidate import candidate
from newsletter.sending.corrections import Correction, add_correction, correction_issue, record
from newsletter.store.tables import archive

TENTH = "2024-10-10"
PAGE = f"/archive/daily/{TENTH}"
WAS, IS = 'The wall is "30" kilometres long.', "It is **13**\nkilometres long."


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    found = Newsroom(app)
    subscribe(app, "ada@example.org")
    found.send(TENTH)
    return found


def correct(newsroom: Newsroom, was: str = WAS) -> Correction:
    newsroom.wait(hours=2)
    return add_correction(newsroom.app.store, TENTH, was=was, is_=IS, person="ed", now=newsroom.clock.at)


def run(workspace: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["-w", str(workspace), *words])


def test_it_stands_on_top_of_the_page_and_in_the_feed_at_once(newsroom: Newsroom) -> None:
    made = correct(newsroom)
    site = newsroom.site()
    page, feed = site.get(PAGE).text, site.get("/feed/daily.atom").text
    assert "<b>Correction, October 10:</b> we wrote: “The wall is “30” kilometres long.” It is: “It is 13" in page
    assert "The issue of" not in page
    assert "Correction, October 10" in feed
    assert f"<updated>{made.at:%Y-%m-%dT%H:%M:%SZ}</updated>" in feed


def test_an_issue_that_carries_it_takes_the_notes_place_and_is_linked_both_ways(newsroom: Newsroom) -> None:
    correct(newsroom)
    block = f'[[blocks]]\ntype = "correction"\nissue = "{TENTH}"\nwas = \'{WAS}\'\nis = "It is 13 kilometres long."\n'
    newsroom.send("2024-10-11", INTRO + block)
    page = newsroom.site().get(PAGE).text
    assert page.count("<b>Correction,") == 1
    assert '<a href="/archive/daily/2024-10-11">The issue of October 11</a>' in page
    [(_, carried)] = record(newsroom.app.store)
    assert carried == "2024-10-11"


def test_the_next_issue_opens_with_a_block_for_what_waits_and_check_asks_for_it(newsroom: Newsroom) -> None:
    made, app = correct(newsroom), newsroom.app
    newsroom.write("2024-10-11")
    moment = datetime(2024, 10, 11, 12, tzinfo=UTC)
    findings = candidate(app.workspace, app.store, "2024-10-11", now=moment).findings
    [asked] = [finding for finding in findings if finding.rule == "CORRECTION"]
    assert (asked.severity, made.block_id in asked.remedy) == ("warning", True)
    with app.store.read() as connection:
        owed = waiting(connection, "daily", by=moment.date())
        assert waiting(connection, "daily", by=datetime(2024, 10, 9, tzinfo=UTC).date()) == ()
    day = moment.date()
    folder = start_issue(app.workspace.issues, "2024-10-11-new", newsletter="daily", day=day, corrections=owed)
    block = tomllib.loads((folder / "issue.toml").read_text())["blocks"][1]
    assert block == {"type": "correction", "id": made.block_id, "issue": TENTH, "was": WAS, "is": IS}
    found = candidate(app.workspace, app.store, "2024-10-11-new", now=moment).findings
    assert "CORRECTION" not in {finding.rule for finding in found}


def test_an_editor_may_word_it_otherwise_if_the_block_names_it(newsroom: Newsroom) -> None:
    made = correct(newsroom)
    correct(newsroom, "Something else.")
    block = f'[[blocks]]\ntype = "correction"\nid = "{made.block_id}"\nissue = "{TENTH}"\nwas = "30 km"\nis = "13 km"\n'
    newsroom.send("2024-10-11", INTRO + block)
    assert [carried for _, carried in record(newsroom.app.store)] == ["2024-10-11", None]


def test_an_issue_of_its_own_goes_to_just_those_who_had_the_mistake(newsroom: Newsroom) -> None:
    made, app = correct(newsroom), newsroom.app
    subscribe(app, "new@example.org")
    folder = correction_issue(app.store, app.workspace, TENTH, name=None, now=newsroom.clock.at)
    assert folder.name == f"{TENTH}-correction"
    errors = [
        f
        for f in candidate(app.workspace, app.store, folder.name, now=newsroom.clock.at).findings
        if f.severity == "error"
    ]
    assert errors == []
    blocks = (folder / "issue.toml").read_text().partition("[[blocks]]")
    sent = newsroom.send(folder.name, f"[[blocks]]{blocks[2]}", readers_of=TENTH)
    assert sent.readers_of == TENTH
    with app.store.read() as connection:
        assert connection.scalar(select(archive.c.issue).where(archive.c.issue == folder.name)) == folder.name
    [(known, carried)] = record(app.store)
    assert (known, carried) == (made, folder.name)
    again = correction_issue(app.store, app.workspace, TENTH, name=None, now=newsroom.clock.at)
    assert again.name == f"{TENTH}-correction-2"
    with pytest.raises(Refused, match="is there already"):
        correction_issue(app.store, app.workspace, TENTH, name=None, now=newsroom.clock.at)


def test_what_never_went_out_or_says_nothing_is_refused_in_words(newsroom: Newsroom) -> None:
    app, now = newsroom.app, newsroom.clock.at
    correct(newsroom)
    newsroom.write("2024-10-11")
    before = every_row(app)
    with pytest.raises(Refused, match="2024-10-11 has not gone out"):
        add_correction(app.store, "2024-10-11", was="a", is_="b", person="ed", now=now)
    with pytest.raises(Refused, match="says that already"):
        add_correction(app.store, TENTH, was=f" {WAS.upper()}", is_="b", person="ed", now=now)
    with pytest.raises(InputError, match="it says nothing"):
        add_correction(app.store, TENTH, was=" \n", is_="b", person="ed", now=now)
    with pytest.raises(Refused, match="has not gone out"):
        correction_issue(app.store, app.workspace, "2024-10-11", name=None, now=now)
    assert every_row(app) == before


def test_the_commands_tell_what_is_on_record(newsroom: Newsroom, workspace: Path) -> None:
    added = run(
        workspace, "correction", "add", TENTH, "--was", "A", "--is", "B", "--issue", "mended", "--as", "ed", "--json"
    )
    found = json.loads(added.output)
    assert (found["id"], found["person"], found["carried_in"], found["made"]) == (1, "ed", None, "mended")
    listed = json.loads(run(workspace, "correction", "list", "--json").output)["corrections"]
    assert [(each["issue"], each["was"], each["is"]) for each in listed] == [(TENTH, "A", "B")]
    made = run(workspace, "correction", "send", TENTH)
    assert f"newsletter send {TENTH}-correction" in made.output
    assert "no issue yet" in run(workspace, "correction", "list", TENTH).output
