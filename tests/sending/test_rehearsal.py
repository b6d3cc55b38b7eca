"""A rehearsal is the whole send to the real audience, mails nobody, and leaves no trace but what it tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from segmented import ISSUE, add_mixed_readers, build_of, write_newsroom
from sending_rig import MORNING, Memory, add_readers, crash, frozen, run, start, withdraw
from sqlalchemy import select
from typer.testing import CliRunner, Result

from newsletter.app import App, open_app
from newsletter.cli.root import cli
from newsletter.errors import InputError, NotFound
from newsletter.store.tables import metadata, pace
from newsletter.work.rehearsal import Rehearsed, real_rate, rehearse

ENDLESS_TROUBLE = """
seed = 11

[recipients]
bounces = 0.05
soft_bounces = 0.05

[events]
duplicated = 0.2
late = 0.2
reversed = 0.2

[[faults]]
do = "throttle"
every = 7
times = 3

[[faults]]
do = "drop-after-accept"
chance = 0.2
times = 5
"""


@pytest.fixture
def newsroom(app: App) -> App:
    write_newsroom(app)
    return app


def rehearsed(app: App, *, faults: str = "", **more: Any) -> Rehearsed:
    script: Path | None = None
    if faults:
        script = app.workspace.root / "faults.toml"
        script.write_text(faults)
    return rehearse(app.store, app.workspace, app.keys, ISSUE, now=app.now, faults=script, **more)


def every_row(app: App) -> dict[str, list[str]]:
    with app.store.read() as connection:
        return {
            table.name: sorted(repr(row) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
            if not table.name.startswith("library_")  # an index of the editors' files: looking keeps it fresh
        }


def files(app: App) -> set[str]:
    return {str(path) for path in (app.workspace.root / "var").rglob("*") if "newsletter.db" not in path.name}


def test_the_whole_audience_gets_it_nobody_is_mailed_and_nothing_is_left(newsroom: App) -> None:
    add_mixed_readers(newsroom, 40)
    withdraw(newsroom, [1, 2])
    rows, before = every_row(newsroom), files(newsroom)
    done = rehearsed(newsroom, rate=10)
    assert done.report is not None
    assert done.succeeded
    assert (done.report.account.audience, done.report.account.accepted) == (40, 38)
    assert done.report.account.excluded_by == {"unsubscribed": 2}
    assert done.outcomes == {"delivered": 38}
    assert done.forecast_rate == 10
    assert done.forecast_seconds == 3.8
    assert every_row(newsroom) == rows
    assert files(newsroom) == before
    assert not newsroom.workspace.outbox.exists()


@pytest.mark.parametrize("mode", ["raw", "bulk"])
def test_faults_are_met_and_what_is_in_doubt_is_settled(make_app: Callable[[str], App], mode: str) -> None:
    app = make_app(f'[ses]\nmode = "{mode}"\n')
    write_newsroom(app)
    add_readers(app, 400)
    rows = every_row(app)
    done = rehearsed(app, faults=ENDLESS_TROUBLE)
    assert done.report is not None
    account = done.report.account
    assert account.accepted == account.audience == 400
    assert done.faults["throttle"] == 3 or mode == "bulk"
    assert done.faults["drop-after-accept"] > 0
    assert done.settled > 0
    assert done.outcomes["bounced"] > 0
    assert every_row(app) == rows


def test_an_outage_parks_the_rehearsal_which_then_goes_on(newsroom: App) -> None:
    add_readers(newsroom, 150)
    done = rehearsed(newsroom, faults='[[faults]]\ndo = "outage"\nafter = 20\nseconds = 2\n')
    assert done.report is not None
    account = done.report.account
    assert account.accepted + account.uncertain == 150
    assert done.report.send.state == "done"
    assert done.faults == {"outage": 1}


def test_too_many_bounces_stop_it_as_they_would_the_real_one(make_app: Callable[[str], App]) -> None:
    app = make_app("[newsletters.daily.breaker]\nafter = 20\n")
    write_newsroom(app)
    add_readers(app, 60)
    slow = "[account]\nrate = 30\n[recipients]\nbounces = 0.5\n"
    done = rehearsed(app, faults=slow)
    assert done.report is not None
    assert "bounces" in (done.report.send.reason or "")
    assert not done.succeeded


def test_who_has_the_issue_is_left_out_and_a_send_under_way_is_left_alone(newsroom: App) -> None:
    add_readers(newsroom, 30)
    build = frozen(newsroom, build_of(newsroom))
    under_way = start(newsroom, Memory(name="ses"), build=build)
    crash(newsroom, under_way, range(1, 11))
    rows = every_row(newsroom)
    done = rehearsed(newsroom)
    assert done.report is not None
    assert (done.report.account.accepted, done.report.account.excluded_by) == (20, {"already-had": 10})
    assert every_row(newsroom) == rows


def test_what_would_block_the_send_blocks_its_rehearsal(newsroom: App) -> None:
    issue = newsroom.workspace.issues / ISSUE / "issue.toml"
    issue.write_text(issue.read_text().replace("Walls at home, troops abroad", ""))
    done = rehearsed(newsroom)
    assert done.report is None
    assert not done.succeeded
    assert any(finding.severity == "error" for finding in done.findings)


def test_a_broken_script_is_said_before_anything_begins(newsroom: App) -> None:
    with pytest.raises(InputError, match=r"faults\.toml:2: unknown key `bounce`"):
        rehearsed(newsroom, faults="[recipients]\nbounce = 0.5\n")


def test_the_forecast_takes_the_rate_said_or_configured_or_last_known(make_app: Callable[..., App]) -> None:
    app = make_app("[ses]\nrate_margin = 0.5\n", kind="ses")
    assert real_rate(app.store, app.settings, None) is None
    with app.store.write() as connection:
        connection.execute(pace.insert().values(scope="ses:us-east-1", next_slot=0.0, rate=12.6))
    assert real_rate(app.store, app.settings, None) == 12.6
    assert real_rate(app.store, app.settings, 14) == 7
    relay = make_app("[smtp]\nrate = 3\n", kind="smtp", name="relay")
    assert real_rate(relay.store, relay.settings, None) == 3
    assert real_rate(relay.store, relay.settings, 5) == 5


def test_a_folder_that_a_killed_rehearsal_left_goes_with_the_next(newsroom: App) -> None:
    add_readers(newsroom, 3)
    left = newsroom.workspace.root / "var" / "rehearsals" / "999999999-old"
    left.mkdir(parents=True)
    (left / "newsletter.db").write_text("addresses")
    rehearsed(newsroom)
    assert not left.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_half_way_it_cleans_up(make_app: Callable[[str], App], number: signal.Signals) -> None:
    app = make_app("")
    write_newsroom(app)
    add_readers(app, 500)
    script = app.workspace.root / "faults.toml"
    script.write_text("[account]\nrate = 5\n")
    app.store.close()
    words = ["-m", "newsletter", "-w", str(app.workspace.root), "rehearse", ISSUE, "--faults", str(script)]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    for line in process.stdout:
        if "Sending to the simulator" in line:
            break
    assert list((app.workspace.root / "var" / "rehearsals").iterdir())
    process.send_signal(number)
    output = process.stdout.read()
    assert process.wait(timeout=120) != 0
    assert "Traceback" not in output
    assert not (app.workspace.root / "var" / "rehearsals").exists()


@pytest.fixture
def make_app(make_workspace: Callable[..., Path]) -> Any:
    """An app whose configuration holds more than the usual."""
    opened: list[App] = []

    def make(extra: str, kind: str = "outbox", name: str = "workspace") -> App:
        root = make_workspace(extra, name=name, transport=kind)
        opened.append(open_app(root, now=lambda: MORNING))
        return opened[-1]

    yield make
    for app in opened:
        app.store.close()


def typed(app: App, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(app.workspace.root), *words])


def test_typed_it_tells_the_account_the_trouble_and_the_time(newsroom: App) -> None:
    add_readers(newsroom, 20)
    script = newsroom.workspace.root / "faults.toml"
    script.write_text('[[faults]]\ndo = "throttle"\n')
    shown = typed(newsroom, "rehearse", ISSUE, "--faults", str(script), "--rate", "4")
    assert shown.exit_code == 0, shown.output
    assert "A rehearsal waives DATE" in shown.output
    assert "Rehearsed: done" in shown.output
    assert "1 × throttle" in shown.output
    assert "at least 0:00:05 at 4.0 readers a second" in shown.output
    found = json.loads(typed(newsroom, "rehearse", ISSUE, "--json").stdout)
    assert (found["rehearsed"], found["account"]["accepted"], found["faults"]) == (True, 20, {})
    assert found["forecast_seconds"] is None


def test_a_correction_is_rehearsed_to_just_those_who_had_the_mistake(newsroom: App) -> None:
    definition = newsroom.workspace.issues / ISSUE / "issue.toml"  # with segments, everybody's past is copied anyway
    definition.write_text(definition.read_text().replace('audience = "german"', "").replace('audience = "friends"', ""))
    add_readers(newsroom, 8)
    run(newsroom, start(newsroom, Memory(), issue="2024-10-09"), Memory())
    add_readers(newsroom, 4, first=9)
    withdraw(newsroom, [3])
    rows = every_row(newsroom)
    found = json.loads(typed(newsroom, "rehearse", ISSUE, "--readers-of", "2024-10-09", "--json").stdout)
    assert (found["account"]["audience"], found["account"]["accepted"]) == (12, 7)
    assert found["excluded_by"] == {"not-a-reader-of": 4, "unsubscribed": 1}
    assert every_row(newsroom) == rows


def test_the_readers_of_what_never_went_out_are_refused_before_anything_begins(newsroom: App) -> None:
    with pytest.raises(NotFound, match='No issue "2024-10-08" of daily went out'):
        rehearsed(newsroom, readers_of="2024-10-08")
    assert not (newsroom.workspace.root / "var" / "rehearsals").exists()
