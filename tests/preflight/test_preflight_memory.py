"""Words about days, and what the desk remembers, as findings at the line an editor has to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from newsdesk import ISSUE, STORY, a_build, a_resolved_issue, findings
from sqlalchemy import insert

from newsletter.app import App
from newsletter.editorial.memory import Memory, Reminder
from newsletter.errors import Place
from newsletter.preflight.candidate import candidate
from newsletter.preflight.findings import Finding
from newsletter.store.tables import builds, schedules

OLD = "The answer appears to be yes"
NEW = "Yesterday the answer appeared to be yes"


def when(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.rule == "WHEN"]


def moved(story: str, written: date | None) -> list[Finding]:
    resolved = a_resolved_issue(story)
    return when(findings(a_build(), replace(resolved, written={"2024-10-10/walls": written} if written else {})))


def test_yesterday_is_fine_on_its_own_day_and_a_warning_on_another() -> None:
    story = STORY.replace(OLD, NEW)
    assert moved(story, None) == []
    assert moved(story, date(2024, 10, 10)) == []
    [found] = moved(story, date(2024, 10, 8))
    assert (found.severity, str(found.place)) == ("warning", "issues/2024-10-10/walls.md:9")
    assert "Monday, 2024-10-07" in found.remedy


def test_the_year_of_a_date_is_that_of_the_day_it_was_written_for() -> None:
    story = STORY.replace(OLD, "On Tuesday, October 10, the answer appeared to be yes")
    assert "is a Thursday" in moved(story, None)[0].message
    assert moved(story, date(2023, 10, 11)) == []


def test_what_only_a_summary_leaves_out_is_nobodys_matter() -> None:
    story = STORY.replace("Read [the full", "Tomorrow read [the full")
    brief = ISSUE.replace('type = "lead"\nstory = "walls"', 'type = "stories"\nstories = ["walls"]\nshow = "brief"')
    for issue, expected in ((ISSUE, 1), (brief, 0)):
        resolved = replace(a_resolved_issue(story, issue), written={"2024-10-10/walls": date(2024, 10, 8)})
        assert len(when(findings(a_build(), resolved))) == expected


def test_an_issue_scheduled_over_midnight_has_its_words_looked_at_again() -> None:
    issue = ISSUE.replace("Here is the news.", "Here is today’s news, and tomorrow’s.")
    assert when(findings(a_build(), a_resolved_issue(issue=issue))) == []
    assert when(findings(a_build(), a_resolved_issue(issue=issue), goes_out=date(2024, 10, 10))) == []
    found = when(findings(a_build(), a_resolved_issue(issue=issue), goes_out=date(2024, 10, 11)))
    assert [finding.message.split("”")[0] for finding in found] == ["“today", "“tomorrow’s"]
    assert [finding.place.line for finding in found] == [8, 8]


def test_what_came_to_mind_becomes_findings_that_block_nothing() -> None:
    said = Reminder(Place("issues/x/y.md", 3), "m", "r")
    memory = Memory((said,), (said,), (said,), (replace(said, message="n"),))
    found = [f for f in findings(memory=memory) if f.rule in {"PROMISE", "QUESTION", "THREAD"}]
    assert [(f.rule, str(f.severity)) for f in found] == [
        ("PROMISE", "warning"),
        ("QUESTION", "warning"),
        ("THREAD", "warning"),
        ("THREAD", "info"),
    ]


@pytest.fixture
def desk(app: App, workspace: Path) -> Callable[[], list[tuple[str, str]]]:
    """Two days of issues written as editors do; the findings that are about memory."""
    for day, blocks, front in (
        ("2024-10-08", "", '[[asks]]\nid = "troops"\nquestion = "Are they?"\npromised_by = 2024-10-09\n'),
        ("2024-10-10", '[[blocks]]\ntype = "story"\nstory = "2024-10-08/lead"\nimage = "none"\n', ""),
    ):
        folder = workspace / "issues" / day
        folder.mkdir()
        head = f'newsletter = "daily"\ndate = {day}\nsubject = "News"\n[[blocks]]\ntype = "lead"\nstory = "lead"\n'
        (folder / "issue.toml").write_text(head + blocks, encoding="utf-8")
        (folder / "lead.md").write_text(
            f'+++\ntitle = "Lead of {day}"\n{front}+++\n\nThey come tomorrow.\n', encoding="utf-8"
        )

    def run() -> list[tuple[str, str]]:
        found = candidate(app.workspace, app.store, "2024-10-10", now=app.now()).findings
        return [(f.rule, str(f.place)) for f in found if f.rule in {"WHEN", "PROMISE", "QUESTION", "THREAD"}]

    return run


def test_a_check_of_a_workspace_brings_all_of_it_up(desk: Callable[[], list[tuple[str, str]]]) -> None:
    assert desk() == [("PROMISE", "issues/2024-10-08/lead.md:6"), ("WHEN", "issues/2024-10-08/lead.md:9")]


def test_a_schedule_after_midnight_is_taken_from_the_store(app: App, desk: Callable[[], list[tuple[str, str]]]) -> None:
    now = datetime(2024, 10, 9, 12, tzinfo=UTC)
    build = {
        "hash": "b" * 64,
        "newsletter": "daily",
        "issue": "2024-10-10",
        "date": date(2024, 10, 10),
        "built_at": now,
    }
    due = {
        "due_at": datetime(2024, 10, 11, 4, 30, tzinfo=UTC),
        "local_at": "2024-10-11 00:30",
        "zone": "America/New_York",
    }
    row = {"newsletter": "daily", "issue": "2024-10-10", "build": "b" * 64, "done_by": False, "person": "ada"}
    with app.store.write() as connection:
        connection.execute(insert(builds).values(**build))
        connection.execute(insert(schedules).values(**row, **due, created_at=now, state="waiting"))

    assert ("WHEN", "issues/2024-10-10/lead.md:5") in desk()
