"""The sign-up in a real browser: by keyboard, on a phone, light and dark, in a frame, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from browser_pages import SCHEMES, WIDTHS, OpenPage, overflow, running, serious_findings, too_small_to_touch
from web_newsroom import every_row, reopen

from newsletter.app import App
from newsletter.audience.links import Purpose, sign_ticket

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NEWSROOM = """
[newsletters.weekend]
name = "The Meridian Weekend"
tagline = "Long reads on Saturdays"
list_id = "weekend.news.example.org"
from_name = "The Meridian"
from_address = "weekend@news.example.org"
timezone = "America/New_York"
organisation = "The Meridian"
postal_address = "1 Example Street, Springfield"
why_receiving = "You signed up."
privacy_url = "https://news.example.org/privacy"
"""


@pytest.fixture
def newsroom(workspace: Path) -> Iterator[App]:
    app = reopen(workspace, extra=NEWSROOM)
    yield app
    app.store.close()


def confirmation(app: App, number: int = 1) -> str:
    return f"/c/{sign_ticket(app.keys, Purpose.CONFIRM, number, app.now() + timedelta(days=7))}"


def faultless(page: Page) -> None:
    assert serious_findings(page) == []
    assert overflow(page) == 0
    assert too_small_to_touch(page) == []


# The pages hold no script, and their headers allow none: with JavaScript they are looked at once more, not four times.
LOOKS = [(width, scheme, False) for width in WIDTHS for scheme in SCHEMES] + [(375, "light", True)]


@pytest.mark.parametrize(("width", "scheme", "javascript"), LOOKS)
def test_from_the_front_page_to_the_confirmation_every_page_is_faultless(
    newsroom: App, browser_page: OpenPage, width: int, scheme: str, javascript: bool
) -> None:
    with running(newsroom) as address:
        page = browser_page(address, width=width, scheme=scheme, javascript=javascript)
        faultless(page)
        page.get_by_role("link", name="Sign up").click()
        page.get_by_role("heading", name="Get our newsletters by email").wait_for()
        faultless(page)
        page.get_by_label("Your email address").fill("not an address" + " long" * 60)
        page.get_by_role("button", name="Sign up").click()
        page.get_by_text("This address cannot be used.").wait_for()
        faultless(page)
        page.get_by_label("Your email address").fill(f"{'ada' * 20}@{'long' * 15}.example.org")
        page.get_by_role("checkbox", name="The Meridian Weekend").check()
        page.get_by_role("button", name="Sign up").click()
        page.get_by_role("heading", name="Check your mail").wait_for()
        faultless(page)
        page.goto(address + confirmation(newsroom))
        faultless(page)
        page.get_by_role("button", name="Yes, sign me up").click()
        page.get_by_role("heading", name="You are signed up").wait_for()
        faultless(page)
        page.goto(address + confirmation(newsroom, 99))
        page.get_by_role("heading", name="This link no longer works").wait_for()
        faultless(page)
    assert [row[1] for row in every_row(newsroom)["service_mails"]] == ["confirm:1", "welcome:weekend:2"]


def test_the_keyboard_alone_is_enough_and_what_nobody_sees_is_not_reached(
    newsroom: App, browser_page: OpenPage
) -> None:
    with running(newsroom) as address:
        page = browser_page(f"{address}/signup/daily")
        page.get_by_label("Your email address").focus()
        page.keyboard.type("nobody")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Sign up"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.get_by_text("must have an @-sign").wait_for()
        assert page.evaluate("document.activeElement.id") == "email", "the focus is on what is wrong"
        page.keyboard.press("End")
        page.keyboard.type("@example.org")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Check your mail").wait_for()


def test_a_screen_reader_hears_the_label_the_fault_and_the_text_agreed_to(
    newsroom: App, browser_page: OpenPage
) -> None:
    with running(newsroom) as address:
        page = browser_page(f"{address}/signup")
        page.get_by_role("button", name="Sign up").click()
        page.get_by_text("Choose a newsletter.").wait_for()
        tree = page.locator("main").aria_snapshot()
        assert 'group "Which would you like to get?"' in tree
        assert 'textbox "Your email address"' in tree
        assert "Leave this empty" not in tree
        described = """id => document.getElementById(id).getAttribute('aria-describedby').split(' ')
            .map(each => document.getElementById(each).textContent).join(' ')"""
        assert "Write it like this" in page.evaluate(described, "email")
        assert "I want to get The Meridian by email" in page.evaluate(described, "choose-daily")
        assert page.evaluate("document.activeElement.id") == "choose-daily"


@contextmanager
def another_site() -> Iterator[tuple[int, list[str]]]:
    """A site of somebody's own on a free port, by two names, localhost and 127.0.0.1; its page is what is put in it."""
    page: list[str] = []

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write("".join(page).encode())

        def log_message(self, *_said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, page
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_in_the_frame_of_a_named_site_the_whole_sign_up_happens_there_and_in_no_other(
    workspace: Path, browser_page: OpenPage
) -> None:
    with another_site() as (port, hosted):
        app = reopen(workspace, extra=f'\n[web]\nform_origins = ["http://localhost:{port}"]\n')
        with running(app) as address:
            hosted.append(f'<!doctype html><iframe title="Sign up" src="{address}/signup/daily/embed"></iframe>')
            page = browser_page(f"http://localhost:{port}/")
            frame = page.frame_locator("iframe")
            frame.get_by_label("Your email address").fill("ada@example.org")
            frame.get_by_role("button", name="Sign up").click()
            frame.get_by_role("heading", name="Check your mail").wait_for()
            assert page.url == f"http://localhost:{port}/"
            other = browser_page("about:blank")
            with other.expect_event("console", lambda said: "frame-ancestors" in said.text):
                other.goto(f"http://127.0.0.1:{port}/")
            assert other.frame_locator("iframe").get_by_label("Your email address").count() == 0
        assert [row[4] for row in every_row(app)["signups"]] == ["sign-up form in a frame"]
        app.store.close()
