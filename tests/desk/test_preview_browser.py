"""The preview in a real browser: it follows the files, works by keyboard, and photographs the issue."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
import uvicorn
from browser_pages import CHROMIUM, SCHEMES, WIDTHS, overflow, serious_findings, too_small_to_touch
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from newsletter.app import App
from newsletter.web.desk.draft import Drafts
from newsletter.web.desk.preview import create_preview
from newsletter.web.desk.serving import listening

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def address(drafts: Drafts) -> Iterator[str]:
    """The preview behind a real server, following the files."""
    stop = Event()
    watching = Thread(target=drafts.follow, args=(stop,))
    with listening(0) as (listener, url):
        server = uvicorn.Server(uvicorn.Config(create_preview(drafts), log_config=None, lifespan="off"))
        serving = Thread(target=server.run, kwargs={"sockets": [listener]})
        watching.start()
        serving.start()
        yield url
        server.should_exit = True
        stop.set()
        drafts.end()
        serving.join()
        watching.join()


def test_an_edit_shows_by_itself(browser: Browser, address: str, story: Path) -> None:
    page = browser.new_page()
    page.goto(address)
    mail = page.frame_locator("iframe")
    mail.get_by_text("North Korea sends soldiers").first.wait_for()
    text = story.read_text(encoding="utf-8")
    story.write_text(text.replace("North Korea sends soldiers", "Pyongyang sends soldiers"), encoding="utf-8")
    mail.get_by_text("Pyongyang sends soldiers").first.wait_for()
    page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", ["mail", "text", "findings"])
def test_everybody_can_use_it(browser: Browser, address: str, width: int, scheme: str, view: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{address}/?view={view}&width=phone")
    assert overflow(page) == 0
    assert too_small_to_touch(page) == []
    assert serious_findings(page) == []
    context.close()


def test_a_choice_shows_at_once_and_stays_in_the_address(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.get_by_label("Reader").select_option("rtl")
    page.frame_locator("iframe").get_by_text("نور الهدى").first.wait_for()
    assert "reader=rtl" in page.url
    page.close()


@pytest.mark.slow
def test_screenshots_are_of_the_whole_mail_at_each_width(newsroom: App, tmp_path: Path) -> None:
    root, folder = newsroom.workspace.root, tmp_path / "shots"
    command = [
        sys.executable,
        "-m",
        "newsletter",
        "-w",
        str(root),
        "preview",
        "2024-10-10",
        "--screenshot",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    widths = {path.stem: Image.open(path).size for path in folder.iterdir()}
    assert len(widths) == 10
    assert widths["phone-dark"][0] == 375
    assert widths["desktop-light"][0] == 1000
    assert widths["phone-dark"][1] > widths["desktop-dark"][1] > 2_000
