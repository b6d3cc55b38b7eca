"""`newsletter approve`, `schedule`, `schedules …` and `issue diff`, as they are typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from scheduled import NEW_YORK, Newsroom
from typer.testing import CliRunner, Result

from newsletter.app import open_app, system_clock
from newsletter.cli.root import cli
from newsletter.errors import NewsletterError

SETTINGS = 'second_person = {second}\nrhythm = {{ at = 06:30:00, holidays = "US" }}\n'


class Typist:
    """A workspace with an issue for tomorrow by New York's clocks: the commands go by the real clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        tomorrow = system_clock().astimezone(NEW_YORK).date() + timedelta(days=1)
        self.issue = f"{tomorrow}"
        self.write("Good morning.")

    def write(self, body: str) -> None:
        app = open_app(self.root)
        blocks = f'[[blocks]]\ntype = "intro"\nbody = "{body}"\n'
        Newsroom(app).write(self.issue, blocks=blocks)
        app.store.close()

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(cli, ["--workspace", str(self.root), *words])

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture
def typed(make_workspace: Callable[..., Path]) -> Typist:
    return Typist(make_workspace(SETTINGS.format(second="false")))


@pytest.fixture
def pair(make_workspace: Callable[..., Path]) -> Typist:
    """Where two people are asked for."""
    return Typist(make_workspace(SETTINGS.format(second="true")))


def test_an_issue_is_scheduled_listed_and_taken_back(typed: Typist) -> None:
    done = typed("schedule", typed.issue, "--at", "06:50", "--as", "ann")
    assert done.exit_code == 0, done.output
    assert f"{typed.issue} 06:50 America/New_York" in done.output
    assert re.search(r"It begins 06:50 on \S+ \(\S+ 1[01]:50 UTC\)", done.output)
    (listed,) = typed.json("schedules", "list")["schedules"]
    assert (listed["issue"], listed["state"], listed["person"]) == (typed.issue, "waiting", "ann")
    assert typed("schedules", "cancel", typed.issue).exit_code == 0
    assert typed.json("schedules", "list") == {"schedules": []}
    assert [one["state"] for one in typed.json("schedules", "list", "--all")["schedules"]] == ["cancelled"]


def test_of_an_issues_schedules_each_reason_says_which_it_is_about(typed: Typist) -> None:
    for hour in ("06:50", "07:10"):
        typed("schedule", typed.issue, "--at", hour, "--as", "ann")
    typed("schedules", "cancel", typed.issue, "--as", "ben")
    said = " ".join(typed("schedules", "list", "--all").output.split())
    assert f"{typed.issue}, set for {typed.issue} 06:50 America/New_York: cancelled: replaced by ann" in said
    assert f"{typed.issue}, set for {typed.issue} 07:10 America/New_York: cancelled: cancelled by ben" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--late-minutes", "999999999999"), "10,080"),
        (("--at", "9999-12-31 23:59"), "is no time"),
        (("--at", "tomorrow 06:30"), 'Did you mean "06:30", on 2'),
        (("--at", "6:3"), 'Did you mean "06:03" or "06:30", on 2'),
        (("--at", "2024-10-10 24:00"), 'Did you mean "2024-10-11 00:00"?'),
        (("--at", "6:30 p.m."), 'Did you mean "18:30", on 2'),
        (("--at", "0001-01-01 00:00"), "0001-01-01 00:00 America/New_York has passed"),
    ],
)
@pytest.mark.sqlite
def test_an_hour_nobody_can_mean_is_refused_in_words(typed: Typist, options: tuple[str, str], says: str) -> None:
    done = typed("schedule", typed.issue, "--at", "06:50", *options)
    assert done.exit_code in {1, 2}
    assert says in f"{done.exception} {done.output}"
    assert isinstance(done.exception, NewsletterError | SystemExit)


def test_the_next_five_of_a_rhythm_in_local_time_and_utc(typed: Typist) -> None:
    found = typed.json("schedules", "next")
    assert found["rhythm"] == "weekdays 06:30 America/New_York, not on holidays in US"
    assert len(found["next"]) == 5
    assert {each["local"][10:] for each in found["next"]} == {"T06:30"}
    skipped = found["next"][0]["local"][:10]
    assert typed("schedules", "skip", skipped, "--reason", "we rest").exit_code == 0
    assert skipped not in typed("schedules", "next").output
    assert typed("schedules", "skip", skipped, "--undo").exit_code == 0
    assert skipped in typed("schedules", "next").output


def test_a_day_that_is_skipped_says_which_issue_goes_out_all_the_same(typed: Typist) -> None:
    typed("schedule", typed.issue, "--at", "06:50")
    assert f"newsletter schedules cancel {typed.issue}" in typed("schedules", "skip", typed.issue).output


def test_while_files_differ_from_what_is_scheduled_every_look_says_so_first(typed: Typist) -> None:
    typed("schedule", typed.issue, "--at", "06:50")
    assert "scheduled_differs" not in typed.json("check", typed.issue)
    typed.write("Good evening.")
    assert typed.json("check", typed.issue)["scheduled_differs"] is True
    looks = (["check"], ["issue", "show"], ["schedule"])
    for words in looks:
        at = ["--at", "07:00"] if words == ["schedule"] else []
        first = typed(*words, typed.issue, *at).output.splitlines()[0]
        assert first.startswith("The files have changed since build"), words
    assert "scheduled_differs" not in typed.json("check", typed.issue)  # the last of them scheduled it anew


def test_what_changed_is_shown_line_by_line(typed: Typist) -> None:
    typed("schedule", typed.issue, "--at", "06:50")
    assert "the same" in typed("issue", "diff", typed.issue).output
    typed.write("Good evening.")
    shown = typed("issue", "diff", typed.issue).output
    assert "-Good morning." in shown
    assert "+Good evening." in shown
    changed = typed.json("issue", "diff", typed.issue)["differences"]
    assert {each["what"] for each in changed} >= {"text", f"file issues/{typed.issue}/issue.toml"}


def test_two_people_and_what_changed_between_them(pair: Typist) -> None:
    alone = pair("schedule", pair.issue, "--at", "06:50", "--as", "ann")
    assert (alone.exit_code, "second person" in alone.output) == (1, True)
    agreed = pair("approve", pair.issue, "--as", "ben")
    assert (agreed.exit_code, "approved by ann and ben." in agreed.output) == (0, True)
    assert pair("schedule", pair.issue, "--at", "06:50", "--as", "ann").exit_code == 0
    pair.write("Good evening.")
    refused = pair("schedule", pair.issue, "--at", "06:50", "--as", "ann")
    assert refused.exit_code == 1
    assert "+Good evening." in refused.output
    told = pair.json("schedule", pair.issue, "--at", "06:50", "--as", "ANN")
    assert (told["schedule"], told["approval"]["enough"]) == (None, False)
    assert told["approval"]["differences"][0]["what"] == "text"


def test_an_issue_with_errors_is_neither_approved_nor_scheduled(typed: Typist) -> None:
    typed.write("{{nonsense}}")
    for command in ("approve", "schedule"):
        assert typed(command, typed.issue).exit_code in {1, 2}
    assert typed.json("schedules", "list") == {"schedules": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "soon"], "is no time"),
        (["--at", "06:30", "--zone", "Berlin"], "Europe/Berlin"),
        (["--zone", "Europe/Berlin"], "--at"),
        (["--segment", "nobody"], "segment"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(typed: Typist, words: list[str], said: str) -> None:
    found = typed("schedule", typed.issue, *words).exception
    assert isinstance(found, NewsletterError)
    assert said in str(found)
