"""A newsroom with readers' pages, an outbox for mailboxes, and a way to send an issue of any day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from fastapi.testclient import TestClient
from visitor import BASE, Mailbox, Visitor

from newsletter.app import App
from newsletter.sending.order import Order, fulfil
from newsletter.sending.service.post import deliver
from newsletter.web.public.site import create_site

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
STORY = '+++\ntitle = "Walls at home"\n+++\n\nThe walls went up.\n'
ISSUE = """\
newsletter = "daily"
date = {day}
subject = "Walls at home on {day}"
preheader = "And what they mean for the neighbours, in four minutes"

[[blocks]]
type = "lead"
story = "walls"

[[blocks]]
type = "poll"
id = "walls"
question = "Should walls go up?"
options = ["Yes", "No"]
"""


@pytest.fixture
def app(app: App) -> App:
    """Half a minute passes between one look at the clock and the next, as for people."""
    moments = count()
    return replace(app, now=lambda: NOW + next(moments) * timedelta(seconds=30))


@pytest.fixture
def visitor(app: App) -> Iterator[Visitor]:
    with TestClient(create_site(app), base_url=BASE, follow_redirects=False) as client:
        yield Visitor(client)


@pytest.fixture
def mailbox(app: App) -> Mailbox:
    return Mailbox(app.workspace.outbox)


@pytest.fixture
def post(app: App) -> Callable[[], None]:
    """Everything owed goes out."""
    return lambda: deliver(app.store, app.workspace, app.keys, app.post(), now=app.now)


@pytest.fixture
def send(app: App) -> Callable[[str], dict[str, object]]:
    def out(day: str) -> dict[str, object]:
        folder = app.workspace.issues / day
        folder.mkdir(exist_ok=True)
        (folder / "issue.toml").write_text(ISSUE.format(day=day))
        (folder / "walls.md").write_text(STORY)
        order = Order(day, person="ed", waive=["DATE=another day's issue"])
        done = fulfil(app.store, app.workspace, app.keys, app.transport(), order, now=app.now)
        assert done.report is not None, done.findings
        return done.report.as_dict()

    return out
