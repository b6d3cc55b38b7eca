"""A newsroom whose issue has gone out to one reader, and the readers' site over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from web_newsroom import Reader, make_build, picture, publish, sha256, subscribe

from newsletter.app import App
from newsletter.rendering.build import Build
from newsletter.web.public.site import create_site


@pytest.fixture
def reader(app: App) -> Reader:
    return subscribe(app, "ada@example.org")


@pytest.fixture
def issue(app: App) -> Build:
    """The sent issue: a picture, a greeting with the reader's name, and their unsubscribe link."""
    jpeg = picture("JPEG")
    src = f"https://news.example.org/a/{sha256(jpeg)}/wall.jpg"
    html = (
        f'<!doctype html><html lang="en"><head><title>A wall</title><style>p{{color:#111}}</style></head><body>'
        f'<p style="margin:0">Good morning, {{{{first_name|reader}}}}.</p><img src="{src}" alt="A wall">'
        f'<a href="{{{{unsubscribe_url}}}}">Unsubscribe</a></body></html>'
    )
    return publish(app, make_build(html, images={"wall.jpg": jpeg}), minute=30)


@pytest.fixture
def site(app: App) -> Iterator[TestClient]:
    with TestClient(create_site(app), base_url="https://news.example.org", follow_redirects=False) as client:
        yield client
