"""Words about days are checked for the day that is being asked for, not for the one that was set before."""

from __future__ import annotations

from datetime import time

import pytest
from scheduled import Newsroom, local
from sending_rig import add_readers

from newsletter.app import App
from newsletter.preflight.findings import Finding
from newsletter.sending.signing import approve_issue
from newsletter.settings import RhythmSettings

WAIVED = {"waive": ("DATE=it waits for its day",)}


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    add_readers(app, 2)
    newsroom = Newsroom(app)
    newsroom.set(rhythm=RhythmSettings(at=time(6, 30)))
    newsroom.write(blocks='[[blocks]]\ntype = "intro"\nbody = "Yesterday the council met."\n')
    return newsroom


def read_on(findings: tuple[Finding, ...]) -> list[str]:
    return [found.message.rpartition("read on ")[2] for found in findings if found.rule == "WHEN"]


def test_a_schedule_is_checked_for_its_own_day_the_first_time_and_when_it_is_moved(newsroom: Newsroom) -> None:
    for day in ("2024-10-14", "2024-10-15"):
        assert read_on(newsroom.plan(at=f"{day} 06:30", **WAIVED).findings) == [f"{day}."]
    assert read_on(newsroom.plan().findings) == []  # its own date again


def test_what_is_sent_now_is_checked_for_today_whatever_it_was_scheduled_for(newsroom: Newsroom) -> None:
    newsroom.scheduled(at="2024-10-14 06:30", **WAIVED)
    newsroom.at = local("2024-10-10 07:00")
    assert read_on(newsroom.send().findings) == []


def test_an_approval_is_checked_for_the_day_the_issue_has(newsroom: Newsroom) -> None:
    newsroom.scheduled(at="2024-10-14 06:30", **WAIVED)
    app = newsroom.app
    signed = approve_issue(app.store, app.workspace, "2024-10-10", person="ben", waive=(), now=newsroom.at)
    assert read_on(signed.findings) == []
