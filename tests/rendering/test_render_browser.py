"""What a browser makes of the sample issues: nothing sticks out on a phone, in light or dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_newsroom import ISSUES, build_sample, furnish

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

if CHROMIUM:
    from playwright.sync_api import Browser, Page, Route, sync_playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def show(browser: Browser, root: Path, issue: str, *, scheme: str, width: int) -> Page:
    """The issue with its images, as a mail client would fetch them; nothing else can be fetched."""
    built = build_sample(root, issue)
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)

    def serve(route: Route) -> None:
        data = built.files.get("assets/" + route.request.url.partition("/a/")[2])
        if data is None:
            route.abort()
        else:
            route.fulfill(body=data, content_type="image/jpeg")

    page.route("**/*", serve)
    page.set_content(built.html)
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_overflows_and_dark_mode_is_dark(browser: Browser, workspace: Path, scheme: str) -> None:
    furnish(workspace)
    for issue in ISSUES:
        page = show(browser, workspace, issue, scheme=scheme, width=375)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, issue
        paper = page.evaluate("getComputedStyle(document.querySelector('.paper')).backgroundColor")
        assert paper == {"light": "rgb(254, 254, 254)", "dark": "rgb(27, 28, 30)"}[scheme]
        page.close()


def test_on_a_wide_screen_the_sheet_is_600_pixels(browser: Browser, workspace: Path) -> None:
    furnish(workspace)
    page = show(browser, workspace, "2024-10-10", scheme="light", width=1100)
    assert page.evaluate("document.querySelector('.sheet').getBoundingClientRect().width") == 600
    page.close()


def test_buttons_and_lone_links_are_large_enough_for_a_thumb(browser: Browser, workspace: Path) -> None:
    furnish(workspace)
    page = show(browser, workspace, "2024-10-10", scheme="light", width=375)
    heights = page.evaluate("[...document.querySelectorAll('.tap, .button-link, .headline')].map(a => a.offsetHeight)")
    assert len(heights) >= 5
    assert min(heights) >= 44
    page.close()


def test_without_its_style_sheet_a_phone_still_shows_a_narrow_page(browser: Browser, workspace: Path) -> None:
    """Clients that drop the head's styles: the inlined ones alone must hold."""
    furnish(workspace)
    page = show(browser, workspace, "2024-10-08", scheme="light", width=375)
    page.evaluate("document.querySelectorAll('style').forEach(style => style.remove())")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.close()
