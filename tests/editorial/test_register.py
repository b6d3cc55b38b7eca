"""The register of questions: what was asked, what was answered, and what the newsroom still owes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from newsroom import Newsroom
from typer.testing import CliRunner

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.editorial.library import Library
from newsletter.editorial.refresh import up_to_date
from newsletter.editorial.register import Question, read_register
from newsletter.editorial.sent import read_sent

LEAD = '[[blocks]]\ntype = "lead"\nstory = "{}"\n'
ASKS = '[[asks]]\nid = "{}"\nquestion = "Are they?"\n'
TODAY = date(2024, 10, 10)

Read = Callable[..., list[Question]]


def asks(name: str, promised_by: str = "") -> str:
    return ASKS.format(name) + (f"promised_by = {promised_by}\n" if promised_by else "")


def answers(name: str, status: str = "answered") -> str:
    return f'[[answers]]\nquestion = "{name}"\nstatus = "{status}"\nanswer = "So."\n'


@pytest.fixture
def daily(newsroom: Newsroom) -> Callable[..., None]:
    """An issue of one day with one story."""

    def make(day: str, front: str = "", *, more: str = "") -> None:
        newsroom.issue(day, LEAD.format("lead") + more)
        newsroom.story(f"{day}/lead", front)

    return make


@pytest.fixture
def read(app: App, workspace: Path) -> Read:
    def register(today: date = TODAY) -> list[Question]:
        zone = app.settings.newsletters["daily"].zone
        library = Library(workspace / "issues")
        with up_to_date(app.store, library) as index:
            sent = {"daily": read_sent(index.connection, "daily", zone)}
            return list(read_register(library, index, sent, {"daily": today}).questions)

    return register


def test_a_question_nobody_answered_is_open_and_grows_older(daily: Callable[..., None], read: Read) -> None:
    daily("2024-10-08", asks("troops"))
    [found] = read()
    assert (found.status, found.age_days, found.answered_in, found.overdue) == ("open", 2, None, False)


def test_a_promise_that_ran_out_is_overdue_the_day_after_and_not_before(daily: Callable[..., None], read: Read) -> None:
    daily("2024-10-08", asks("troops", "2024-10-09"))
    assert [found.overdue for found in (*read(date(2024, 10, 9)), *read(date(2024, 10, 10)))] == [False, True]


def test_the_newest_answer_counts_and_an_answered_question_stops_ageing(daily: Callable[..., None], read: Read) -> None:
    daily("2024-10-05", asks("troops", "2024-10-06"))
    daily("2024-10-07", answers("troops", "partly"))
    daily("2024-10-08", answers("troops"))
    [found] = read()
    assert (found.status, found.answered_in, found.age_days, found.overdue) == ("answered", "2024-10-08", 3, False)
    assert [answer.status for answer in found.answers] == ["partly", "answered"]


def test_partly_answered_is_still_owed(daily: Callable[..., None], read: Read) -> None:
    daily("2024-10-05", asks("troops", "2024-10-06"))
    daily("2024-10-07", answers("troops", "partly"))
    [found] = read()
    assert (found.status, found.overdue, found.age_days) == ("partly", True, 5)


def test_an_answer_in_a_follow_up_block_counts_too(daily: Callable[..., None], read: Read) -> None:
    daily("2024-10-08", asks("troops"))
    daily("2024-10-09", more='[[blocks]]\ntype = "follow-up"\nquestion = "troops"\nanswer = "Yes."\n')
    [found] = read()
    assert (found.status, found.answered_in) == ("answered", "2024-10-09")


def test_what_a_later_issue_will_say_is_not_said_yet(daily: Callable[..., None], read: Read) -> None:
    daily("2024-10-08", asks("troops"))
    daily("2024-10-11", asks("ships") + answers("troops"))
    assert {found.id: (found.status, found.asked_on) for found in read()} == {
        "troops": ("open", date(2024, 10, 8)),
        "ships": ("planned", None),
    }


def test_a_name_asked_again_later_is_an_asking_of_its_own(daily: Callable[..., None], read: Read) -> None:
    daily("2024-05-01", asks("troops"))
    daily("2024-05-02", answers("troops"))
    daily("2024-10-01", asks("troops"))
    assert [(found.asked_in, found.status) for found in read()] == [("2024-10-01", "open"), ("2024-05-01", "answered")]


def test_an_issue_that_was_due_and_never_sent_asked_nothing(
    daily: Callable[..., None], read: Read, send_row: Callable[..., None]
) -> None:
    daily("2024-10-07")
    daily("2024-10-08", asks("troops"))
    send_row("2024-10-07", handed_over=datetime(2024, 10, 7, 11, tzinfo=UTC))
    [found] = read()
    assert (found.status, found.asked_on, found.age_days) == ("planned", None, 0)


def test_a_broken_story_is_named_and_hides_nothing_else(
    daily: Callable[..., None], newsroom: Newsroom, app: App, workspace: Path
) -> None:
    daily("2024-10-08", asks("troops"))
    (workspace / "issues" / "2024-10-08" / "broken.md").write_text("+++\nasks = [\n+++\n", encoding="utf-8")
    done = CliRunner().invoke(cli, ["-w", str(workspace), "question", "list", "--json"])
    found = json.loads(done.stdout)
    assert [question["id"] for question in found["questions"]] == ["troops"]
    assert "issues/2024-10-08/broken.md" in found["unreadable"][0]


def test_the_promised_keys_are_there_for_scripts(daily: Callable[..., None], workspace: Path, app: App) -> None:
    daily("2024-10-08", asks("troops"))
    done = CliRunner().invoke(cli, ["-w", str(workspace), "question", "list", "--json"])
    [found] = json.loads(done.stdout)["questions"]
    promised = {"id", "question", "asked_in", "asked_on", "status", "answered_in", "age_days", "overdue"}
    assert promised <= found.keys()
