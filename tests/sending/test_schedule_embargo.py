"""An embargo holds whatever hour an issue is scheduled for, moved to, or sent at."""

from __future__ import annotations

from datetime import time

import pytest
from scheduled import ISSUE, Newsroom, local
from sending_rig import add_readers

from newsletter.app import App
from newsletter.settings import RhythmSettings


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    add_readers(app, 2)
    newsroom = Newsroom(app)
    newsroom.set(rhythm=RhythmSettings(at=time(6, 30)))
    newsroom.write()
    return newsroom


def test_a_story_under_embargo_cannot_be_scheduled_for_an_earlier_hour_nor_sent_before(newsroom: Newsroom) -> None:
    folder = newsroom.app.workspace.issues / ISSUE
    (folder / "held.md").write_text('+++\ntitle = "Held"\nembargo = "2024-10-10T07:00"\n+++\n\nNot yet.\n')
    newsroom.write(blocks='[[blocks]]\ntype = "lead"\nstory = "held"\n')

    for early in (newsroom.plan(), newsroom.plan(at="06:59")):
        assert early.schedule is None
        assert [finding.rule for finding in early.findings if finding.severity == "error"] == ["EMBARGO"]
    assert newsroom.scheduled(at="07:00").due_at == local("2024-10-10 07:00")
    moved = newsroom.plan(at="06:00")
    assert moved.schedule is None
    standing = newsroom.standing()
    assert standing is not None
    assert standing.due_at == local("2024-10-10 07:00")

    newsroom.at = local("2024-10-10 06:45")
    refused = newsroom.send().findings
    assert "EMBARGO" in {finding.rule for finding in refused if finding.severity == "error"}
    assert newsroom.sends() == []
