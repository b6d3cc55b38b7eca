"""A workspace with the sample issues, and the preview of one of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from newsletter.app import App
from newsletter.config import shipped
from newsletter.web.desk.draft import Drafts
from newsletter.web.desk.preview import create_preview

ISSUE = "2024-10-10"


@pytest.fixture
def newsroom(app: App) -> App:
    """The app of a workspace that holds the sample issues."""
    shutil.copytree(shipped("issues"), app.workspace.issues, dirs_exist_ok=True)
    return app


@pytest.fixture
def drafts(newsroom: App) -> Drafts:
    return Drafts(newsroom.workspace.root, newsroom.store, ISSUE, newsroom.now)


@pytest.fixture
def desk(drafts: Drafts) -> Iterator[TestClient]:
    with TestClient(create_preview(drafts), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def story(newsroom: App) -> Path:
    """The file of the lead story."""
    return newsroom.workspace.issues / ISSUE / "walls.md"
