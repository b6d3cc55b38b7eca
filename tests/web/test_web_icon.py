"""Browsers ask for an icon by themselves: that there is none is no error, and no page."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_icon_is_asked_for_once_a_day_and_answered_with_nothing(site: TestClient, method: str) -> None:
    answer = site.request(method, "/favicon.ico")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "max-age=86400" in answer.headers["Cache-Control"]
