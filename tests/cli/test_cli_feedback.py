"""`newsletter stops`, `sends show` and `subscriber sync-suppressions`, as a person types them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import insert
from typed import Done, typed

from newsletter.app import App
from newsletter.cli import show
from newsletter.sending.stops import stop
from newsletter.store.tables import builds, sends


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.out, "width", 300)


def newsletter(root: Path, *words: str) -> Done:
    return typed("-w", str(root), *words)


def test_a_stop_is_listed_with_its_figures_and_lifted_by_a_person_with_a_reason(app: App) -> None:
    with app.store.write() as connection:
        row = {"hash": "b" * 64, "newsletter": "daily", "issue": "i", "date": date(2024, 10, 10)}
        connection.execute(insert(builds).values(built_at=app.now(), **row))
        row = {"id": "abcdefgh", "newsletter": "daily", "issue": "i", "build": "b" * 64, "state": "sending"}
        row |= {"transport": "ses", "date_waived": False, "person": "ann", "created_at": app.now()}
        connection.execute(insert(sends).values(**row))
        assert stop(connection, "daily", send_id="abcdefgh", reason="60 hard bounces among 600", at=app.now())
    root = app.workspace.root
    listed = newsletter(root, "stops", "list")
    assert "60 hard bounces among 600" in listed.stdout
    assert "in force" in listed.stdout
    shown = newsletter(root, "sends", "show", "abcdefgh")
    assert "held" in shown.stdout
    resumed = newsletter(root, "sends", "resume", "abcdefgh")
    assert resumed.returncode == 1
    assert "stopped since 10 October 2024" in " ".join(resumed.stderr.split())
    assert newsletter(root, "stops", "lift", "daily").returncode == 2
    lifted = newsletter(root, "stops", "lift", "daily", "--why", "an old list was imported", "--as", "ann")
    assert (lifted.returncode, "may go on" in lifted.stdout) == (0, True)
    assert newsletter(root, "stops", "lift", "daily", "--why", "again").returncode == 1
    [found] = json.loads(newsletter(root, "stops", "list", "--json").stdout)["stops"]
    assert (found["newsletter"], found["lifted_by"], found["why"]) == ("daily", "ann", "an old list was imported")


def test_only_ses_keeps_a_suppression_list_to_take_over(app: App) -> None:
    refused = newsletter(app.workspace.root, "subscriber", "sync-suppressions")
    assert refused.returncode == 1
    assert "Only Amazon SES keeps such a list" in refused.stderr
