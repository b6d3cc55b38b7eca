"""The site behind its real server: raw addresses, a quiet log, and a browser without JavaScript."""

from __future__ import annotations

import http.client
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import pytest
from web_newsroom import Reader, every_row, image_paths, reason_left_out

from newsletter.app import App
from newsletter.errors import NewsletterError
from newsletter.rendering.build import Build
from newsletter.web.serve import serve

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROGRAM = """\
import sys
from pathlib import Path
from newsletter.app import open_app
from newsletter.web.serve import serve
serve(open_app(Path(sys.argv[1])), "127.0.0.1", 0)
"""


@dataclass
class Served:
    """A running `newsletter serve`."""

    process: subprocess.Popen[str]
    said: str

    @property
    def address(self) -> str:
        return next(word for word in self.said.split() if word.startswith("http://"))

    def stop(self) -> str:
        """Interrupt it; gives everything it printed and logged."""
        self.process.send_signal(signal.SIGINT)
        return self.said + self.process.communicate(timeout=20)[0]


@pytest.fixture
def served(app: App) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(app.workspace.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    yield Served(process, process.stdout.readline())
    process.kill()
    process.communicate()


def raw(address: str, method: str, path: str, body: bytes | None = None) -> int:
    """The status of a request whose path goes out exactly as written."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.putrequest(method, path, skip_accept_encoding=True)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_mail_programs_one_click_goes_through_the_real_server(served: Served, app: App, reader: Reader) -> None:
    page = httpx2.get(served.address + reader.link)
    assert (page.status_code, "server" in page.headers) == (200, False)
    head = httpx2.head(served.address + reader.link)
    assert (head.status_code, head.content) == (200, b"")
    assert reason_left_out(app, reader) is None
    answer = httpx2.post(served.address + reader.link, files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    assert reason_left_out(app, reader) == "unsubscribed"


def test_hostile_addresses_get_a_page_and_change_nothing(
    served: Served, app: App, issue: Build, reader: Reader
) -> None:
    before = every_row(app)
    image = image_paths(issue)[0]
    assert raw(served.address, "GET", image) == 200
    for path in (
        "/a/../..",
        "/a/../../../../etc/passwd",
        "/a/%2e%2e/%2e%2e/secrets.toml",
        "/../secrets.toml",
        "/config.toml",
        "/templates/page.html",
        "/%00",
        "/u/%00",
        "/u/%ff%fe",
        f"/u/{'a' * 20_000}",
        f"{image}%00.jpg",
        f"{image}/..",
        "//example.com/",
        "/archive/daily/..%2f..%2fsecrets",
        "/archive/%7B%7B7*7%7D%7D/%3Cscript%3E",
    ):
        assert raw(served.address, "GET", path) == 404, path
        assert raw(served.address, "HEAD", path) == 404, path
    assert raw(served.address, "POST", reader.link, b"x" * 50_000) == 413
    assert raw(served.address, "BREW", reader.link) == 405
    assert every_row(app) == before


def test_what_config_toml_says_of_a_newsletter_holds_from_the_next_page_on(served: Served, app: App) -> None:
    config = app.workspace.root / "config.toml"
    before = config.read_text(encoding="utf-8")
    config.write_text(before.replace("The Meridian", "The Parallel"), encoding="utf-8")
    assert "The Parallel" in httpx2.get(served.address + "/").text
    config.write_text(before.replace("[newsletters.daily]", "[newsletters.daily"), encoding="utf-8")
    assert "The Parallel" in httpx2.get(served.address + "/").text  # a broken file changes nothing
    assert "config.toml" in served.stop()


def test_who_leaves_a_newsletter_that_is_no_longer_in_config_toml_has_left(
    served: Served, app: App, reader: Reader
) -> None:
    config = app.workspace.root / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("[newsletters.daily]", "[newsletters.weekly]"), encoding="utf-8")
    assert httpx2.get(served.address + reader.link).status_code == 200
    pressed = httpx2.post(served.address + reader.link, data={"List-Unsubscribe": "One-Click"})
    assert pressed.status_code == 200
    assert reason_left_out(app, reader) == "unsubscribed"


def test_no_token_is_ever_logged(served: Served, reader: Reader) -> None:
    httpx2.get(served.address + reader.link)
    httpx2.post(served.address + reader.link, data={"from": "page"})
    httpx2.post(served.address + reader.link, content=b"x" * 50_000)
    raw(served.address, "DELETE", reader.link)
    raw(served.address, "GET", f"/u/{reader.token}\x01".replace("\x01", "%01"))
    log = served.stop()
    assert reader.token not in log
    assert "Traceback" not in log
    assert log.count("\n") == 1  # where it serves


def test_an_address_in_use_is_an_error_in_words(served: Served, app: App) -> None:
    port = urlsplit(served.address).port
    assert port is not None
    with pytest.raises(NewsletterError, match=f"Cannot listen on 127.0.0.1 port {port}"):
        serve(app, "127.0.0.1", port)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_without_javascript_unsubscribes_with_one_press(served: Served, app: App, reader: Reader) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(served.address + reader.link)
        button = page.get_by_role("button", name="Unsubscribe")
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert button.evaluate("b => getComputedStyle(b).backgroundColor") == "rgb(140, 29, 24)"  # the style loaded
        button.click()
        page.get_by_role("heading", name="You are unsubscribed from The Meridian").wait_for()
        browser.close()
    assert reason_left_out(app, reader) == "unsubscribed"
