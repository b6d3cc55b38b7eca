"""What editorial tests use: a newsroom of small files, and sends written by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from newsroom import Newsroom
from sqlalchemy import insert

from newsletter.app import App
from newsletter.rendering.build import canonical_json
from newsletter.store.tables import build_files, builds, sends


@pytest.fixture
def newsroom(workspace: Path) -> Newsroom:
    return Newsroom(workspace)


@pytest.fixture
def send_row(app: App) -> Callable[..., None]:
    """Writes a send, and its build, as sending would have."""
    count = 0

    def write(
        issue: str,
        *,
        handed_over: datetime | None = None,
        state: str = "done",
        waived: bool = False,
        newsletter: str = "daily",
        stories: list[str] | None = None,
    ) -> None:
        nonlocal count
        count += 1
        build = f"{count:064d}"
        now = datetime(2024, 10, 1, 12, count % 60, tzinfo=UTC)
        day = date.fromisoformat(issue[:10])
        manifest = canonical_json({"facts": {"stories": stories}} if stories is not None else {})
        with app.store.write() as connection:
            connection.execute(
                insert(builds).values(hash=build, newsletter=newsletter, issue=issue, date=day, built_at=now)
            )
            connection.execute(
                insert(build_files).values(build=build, path="manifest.json", sha256="0" * 64, data=manifest)
            )
            connection.execute(
                insert(sends).values(
                    id=f"send{count:04d}",
                    newsletter=newsletter,
                    issue=issue,
                    build=build,
                    state=state,
                    transport="outbox",
                    person="ada",
                    date_waived=waived,
                    created_at=now,
                    first_handover_at=handed_over,
                )
            )

    return write
