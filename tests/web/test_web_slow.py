"""Who sends a request drop by drop, or never ends it, holds no connection open."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from web_newsroom import Reader, every_row

from newsletter.app import App
from newsletter.web.public import body
from newsletter.web.public.site import create_site


def never_ending(app: App, path: str, kind: str) -> tuple[int, dict[str, str]]:
    """The status and headers of a POST that begins its body and sends no more of it."""
    heads: list[dict[str, Any]] = []
    begun = iter([{"type": "http.request", "body": b"a=", "more_body": True}])

    async def receive() -> dict[str, Any]:
        if (part := next(begun, None)) is None:
            await asyncio.Event().wait()
        return part or {}

    async def send(message: Any) -> None:
        heads.extend([message] if message["type"] == "http.response.start" else [])

    headers = [(b"host", b"news.example.org"), (b"content-type", kind.encode()), (b"content-length", b"9")]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "headers": headers,
    }
    scope |= {"query_string": b"", "scheme": "http", "http_version": "1.1", "root_path": ""}
    scope |= {"server": ("news.example.org", 80), "client": ("127.0.0.1", 1)}
    asyncio.run(create_site(app)(scope, receive, send))
    [head] = heads
    return head["status"], {name.decode(): value.decode() for name, value in head["headers"]}


@pytest.mark.sqlite
def test_a_body_that_does_not_come_in_time_is_given_up_and_changes_nothing(
    app: App, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MOST_SECONDS", 0.05)
    before = every_row(app)
    form = "application/x-www-form-urlencoded"
    # To Amazon SNS a 4xx is final: it is told to come again.
    for path, kind, status in (
        (reader.link, form, 408),
        ("/signup", form, 408),
        ("/signup.json", "application/json", 408),
        ("/notifications/sns", "text/plain", 503),
    ):
        found, headers = never_ending(app, path, kind)
        assert (path, found, headers.get("connection")) == (path, status, "close")
    assert every_row(app) == before
