"""A send to the readers of an issue: those who had it, or may have had it, and nobody else; the account adds up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sending_rig import IMPATIENT, MORNING, Memory, add_readers, crash, frozen, make_build, run, start, states, withdraw
from typer.testing import CliRunner, Result

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.errors import NotFound, Refused
from newsletter.sending.late import join_latest
from newsletter.sending.send import Report, send_issue
from newsletter.sending.sends import get

MISTAKE, CORRECTION = "2024-10-10", "2024-10-10-correction"
Correct = Callable[..., Report]


@pytest.fixture
def mistaken(app: App) -> App:
    """Eight had the mistake, of whom one has left since and one is in doubt; three came later."""
    add_readers(app, 3)
    before = replace(app, now=lambda: MORNING - timedelta(days=1))
    run(before, start(before, Memory(), issue="2024-10-09"), Memory())
    add_readers(app, 5, first=4)
    sent = run(app, start(app, Memory(), issue=MISTAKE), Memory())
    add_readers(app, 3, first=9)
    withdraw(app, [8])
    crash(app, sent, [7])
    return app


@pytest.fixture
def correct(mistaken: App) -> Correct:
    def send(**whom: object) -> Report:
        app = mistaken
        build = frozen(app, make_build(CORRECTION))
        words = {"person": "ed", "now": app.now, "patience": IMPATIENT, "readers_of": MISTAKE, **whom}
        return send_issue(app.store, app.workspace, app.keys, Memory(), build, **words)  # type: ignore[arg-type]

    return send


def test_those_who_had_it_or_may_have_had_it_get_the_correction(mistaken: App, correct: Correct) -> None:
    done = correct()
    assert done.account.accepted == 7
    assert done.account.excluded_by == {"not-a-reader-of": 3, "unsubscribed": 1}
    assert {reader for reader, state in states(mistaken, done.send).items() if state == "accepted"} == set(range(1, 8))
    assert done.as_dict()["readers_of"] == MISTAKE


def test_the_others_can_be_told_afterwards_and_nobody_twice(mistaken: App, correct: Correct) -> None:
    correct()
    with pytest.raises(Refused, match="went out already"):
        correct()
    again = correct(rest=True)
    assert again.account.excluded_by == {"already-had": 7, "not-a-reader-of": 3, "unsubscribed": 1}
    everybody = correct(rest=True, readers_of=None)
    assert everybody.account.accepted == 3


def test_it_combines_with_a_segment(mistaken: App, correct: Correct) -> None:
    segments = mistaken.workspace.root / "segments"
    segments.mkdir()
    (segments / "old.toml").write_text('title = "Of old"\nwhere = { not = { had_issue = "2024-10-09" } }\n')
    done = correct(segment="old")
    assert done.account.accepted == 4
    assert done.account.excluded_by == {"not-a-reader-of": 3, "not-in-segment": 3, "unsubscribed": 1}
    assert correct(rest=True).account.accepted == 3


@pytest.mark.parametrize(
    ("readers_of", "error", "words"),
    [
        ("2024-10-1", NotFound, "Did you mean `2024-10-10`"),
        (CORRECTION, NotFound, "no readers"),
    ],
)
def test_an_issue_without_readers_is_refused(correct: Correct, readers_of: str, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        correct(readers_of=readers_of)


def test_the_readers_of_an_issue_cannot_get_that_issue_again(mistaken: App) -> None:
    build = frozen(mistaken, make_build(MISTAKE))
    with pytest.raises(Refused, match="have it already"):
        send_issue(
            mistaken.store,
            mistaken.workspace,
            mistaken.keys,
            Memory(),
            build,
            person="ed",
            rest=True,
            readers_of=MISTAKE,
            now=mistaken.now,
        )


def test_who_joins_today_gets_the_days_issue_and_not_its_correction(mistaken: App, correct: Correct) -> None:
    correct()
    [late] = add_readers(mistaken, 1, first=20)
    known = mistaken.settings.newsletters
    with mistaken.store.write() as connection:
        joined = join_latest(connection, "daily", late, newsletters=known, transport=Memory(), now=MORNING)
    assert joined is not None
    with mistaken.store.read() as connection:
        assert get(connection, joined).issue == MISTAKE


def test_the_audience_commands_count_and_explain_readers_of_an_issue(mistaken: App, workspace: Path) -> None:
    def run_cli(*words: str) -> Result:
        return CliRunner().invoke(cli, ["-w", str(workspace), "audience", *words])

    found = json.loads(run_cli("count", "--readers-of", MISTAKE, "--json").output)
    assert (found["newsletter_audience"], found["audience"], found["mailable"]) == (11, 8, 7)
    assert found["excluded_by"] == {"unsubscribed": 1}
    assert "had 2024-10-10" in run_cli("count", "--readers-of", MISTAKE).output
