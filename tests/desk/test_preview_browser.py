"""The preview in a real browser: it follows the files, works by keyboard, and photographs the issue."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest
import uvicorn
from browser_pages import CHROMIUM, SCHEMES, WIDTHS, overflow, serious_findings, too_small_to_touch
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from newsletter.app import App, make_workspace
from newsletter.errors import Refused
from newsletter.web.desk.chromium import running
from newsletter.web.desk.draft import Drafts
from newsletter.web.desk.preview import create_preview
from newsletter.web.desk.serving import listening

pytestmark = pytest.mark.browser
MORNING = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def address(drafts: Drafts) -> Iterator[str]:
    """The preview behind a real server, following the files."""
    with serving(drafts) as url:
        yield url


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same for tests that only look: nobody edits these files."""
    app = make_workspace(tmp_path_factory.mktemp("desk") / "newsroom", sample=True, now=lambda: MORNING)
    with serving(Drafts(app.workspace.root, app.store, "2024-10-10", app.now)) as url:
        yield url
    app.store.close()


@contextmanager
def serving(drafts: Drafts) -> Iterator[str]:
    stop = Event()
    watching = Thread(target=drafts.follow, args=(stop,))
    with listening(0) as (listener, url):
        server = uvicorn.Server(uvicorn.Config(create_preview(drafts), log_config=None, lifespan="off"))
        answering = Thread(target=server.run, kwargs={"sockets": [listener]})
        watching.start()
        answering.start()
        yield url
        server.should_exit = True
        stop.set()
        drafts.end()
        answering.join()
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
def test_everybody_can_use_it(browser: Browser, still: str, width: int, scheme: str, view: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{still}/?view={view}&width=phone")
    assert overflow(page) == 0
    assert too_small_to_touch(page) == []
    assert serious_findings(page) == []
    context.close()


def test_a_choice_shows_at_once_and_stays_in_the_address(browser: Browser, still: str) -> None:
    page = browser.new_page()
    page.goto(still)
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


@pytest.mark.parametrize("program", ["/bin/true", "/nowhere/chromium"])
def test_a_browser_that_does_not_start_is_said_in_a_sentence(program: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Chromium could not show the issue"), running(program, str(tmp_path)):
        pass
