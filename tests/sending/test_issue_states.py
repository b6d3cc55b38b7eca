"""`newsletter issue list` says of every issue where it stands: what is scheduled with its hour."""

from __future__ import annotations

import json
from typing import Any

from scheduled import Newsroom, local
from typer.testing import CliRunner, Result

from newsletter.app import App
from newsletter.cli.root import cli


def listed(app: App, *words: str) -> Result:
    return CliRunner().invoke(
        cli, ["--workspace", str(app.workspace.root), "issue", "list", *words], env={"COLUMNS": "200"}
    )


def states(app: App) -> dict[str, Any]:
    return {row["issue"]: row for row in json.loads(listed(app, "--json").stdout)["issues"]}


def test_an_issue_with_a_schedule_is_listed_with_its_hour_until_it_goes_out(app: App) -> None:
    newsroom = Newsroom(app)
    newsroom.write()
    newsroom.write("2024-10-11")
    newsroom.scheduled(at="06:30")
    newsroom.write("2024-10-10-evening")
    newsroom.scheduled("2024-10-10-evening", at="2024-10-11 07:00", done_by=True, waive=["DATE=late"])
    assert "scheduled by" in listed(app).stdout
    assert "2024-10-11 07:00 " in listed(app).stdout
    assert "scheduled 06:30 " in listed(app).stdout
    found = states(app)
    assert found["2024-10-10"]["state"] == "scheduled"
    assert found["2024-10-10"]["scheduled_at"] == local("2024-10-10 06:30").isoformat()
    assert found["2024-10-11"]["state"] == "not sent"
    assert "scheduled_at" not in found["2024-10-11"]
    newsroom.at = local("2024-10-10 06:30")
    newsroom.ring()
    assert "scheduled 06:30" not in listed(app).stdout


def test_a_schedule_that_could_not_begin_is_listed_as_held(app: App) -> None:
    newsroom = Newsroom(app)
    newsroom.write()
    newsroom.scheduled(at="06:30")
    newsroom.at = local("2024-10-11 06:30")  # far too late
    newsroom.ring()
    assert states(app)["2024-10-10"]["state"] == "held"
    assert "held 06:30 " in listed(app).stdout
