"""A clock that runs decides by the newsletters' settings of now: config.toml is looked at again."""

from __future__ import annotations

import logging

import pytest
from scheduled import Newsroom, local
from sending_rig import add_readers

from newsletter.app import App
from newsletter.sending.schedule import Standing
from newsletter.work.clock import Clock
from newsletter.work.rings import RINGS, Desk

SENDS = next(ring for ring in RINGS if ring.name == "sends")


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    """An issue that one person has scheduled, and that is due."""
    add_readers(app, 2)
    newsroom = Newsroom(app)
    newsroom.write()
    newsroom.scheduled(at="06:30")
    newsroom.at = local("2024-10-10 06:31")
    return newsroom


def clock_of(newsroom: Newsroom) -> Clock:
    app, transport = newsroom.app, newsroom.transport
    return Clock(Desk(app.store, app.workspace, app.keys, transport, transport, newsroom.now))


def edit(newsroom: Newsroom, old: str, new: str) -> None:
    config = newsroom.app.workspace.root / "config.toml"
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_second_person_asked_for_while_the_clock_runs_is_waited_for(newsroom: Newsroom) -> None:
    clock = clock_of(newsroom)
    edit(newsroom, "timezone =", "second_person = true\ntimezone =")
    clock.strike(SENDS)
    clock.desk.detached.wait()
    held = newsroom.standing()
    assert held is not None
    assert (held.state, newsroom.sends()) == (Standing.HELD, [])
    assert "second person's yes" in str(held.reason)


def test_a_file_that_cannot_be_used_changes_nothing_and_is_named_once_with_its_line(
    newsroom: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    clock = clock_of(newsroom)
    edit(newsroom, "timezone =", "second_persons = true\ntimezone =")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.strike(SENDS)
    clock.desk.detached.wait()
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("config.toml:")
    assert "second_persons" in line
    assert "\n" not in line
    assert len(newsroom.sends()) == 1


def test_what_the_clock_was_made_of_stays_until_it_is_started_again_and_that_is_said(
    newsroom: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    clock = clock_of(newsroom)
    edit(newsroom, 'kind = "outbox"', 'kind = "smtp"')
    with caplog.at_level(logging.WARNING):
        clock.strike(SENDS)
    clock.desk.detached.wait()
    assert [record.getMessage() for record in caplog.records] == [
        "config.toml: transport changed, which holds from the next start on."
    ]
    assert clock.desk.workspace.settings.transport.kind == "outbox"
