"""A newsroom whose issue has gone out to one reader, and the readers' site over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser_pages import CHROMIUM, OpenPage, running
from fastapi.testclient import TestClient
from web_newsroom import Reader, make_build, picture, publish, sha256, subscribe

from newsletter.app import App
from newsletter.rendering.build import Build
from newsletter.web.public.site import create_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# A browser without a window says so, and its votes are not counted: these tests are about people.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


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


@pytest.fixture
def site_url(app: App) -> Iterator[str]:
    """The address of the readers' site over `app`, served for real."""
    with running(app) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; a test that uses it is marked `browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address: `browser_page(url, width=375, scheme="dark", javascript=False)`; closed after the test."""
    contexts = []

    def open_page(url: str, *, width: int = 375, scheme: str = "light", javascript: bool = True) -> Page:
        context = browser.new_context(
            user_agent=PERSON,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,  # type: ignore[arg-type]
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
