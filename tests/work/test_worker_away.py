"""A worker whose database goes away waits for it, and is no defect."""

from __future__ import annotations

import pytest
from psycopg_pool import PoolTimeout

from newsletter.app import App
from newsletter.transports.outbox import OutboxTransport
from newsletter.work.worker import Worker


def test_a_pool_that_finds_no_database_is_said_in_one_line_and_tried_again(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    async def serve(worker: Worker) -> None:
        tried.append(worker)
        if len(tried) == 3:
            worker.stop.set()
        raise PoolTimeout("pool initialization incomplete after 30.0 sec")

    monkeypatch.setattr(Worker, "_serve", serve)
    monkeypatch.setattr("newsletter.work.worker.AWAY_SECONDS", 0.01)
    Worker(app.store, app.workspace, app.keys, OutboxTransport(app.workspace.outbox), app.now).run()
    assert len(tried) == 3
    said = [message for message in caplog.messages if "the database is away" in message]
    assert len(said) == 1
