"""The inbox page: what came, as its reader sees it, with nothing in a mail that could run, load or break out."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from newsletter.simulator.server import Running, start

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "</title><script>document.title='broken out'</script><img src=x onerror=alert(1)>"
HTML = (
    "<p>Dear reader</p><script>parent.document.title='run'</script>"
    "<img src='http://127.0.0.1:{port}/_simulator/health'><form action='/x'><button>Go</button></form>"
    "<a href='https://a.example/1?x=1&y=2'>one</a> <a href='javascript:alert(1)'>two</a>"
)


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("inbox")) as running:
        yield running


@pytest.fixture(scope="module")
def sent(inbox: Running, make_client: Callable[[str], Any]) -> str:
    """A hostile mail, and 60 more before it."""
    client = make_client(inbox.url)
    body = HTML.format(port=inbox.url.rpartition(":")[2])
    for number in range(60):
        mail(client, f"Issue {number}", "<p>Hello</p>")
    return mail(client, EVIL, body)


def mail(client: Any, subject: str, html: str) -> str:
    content = {
        "Simple": {
            "Subject": {"Data": subject, "Charset": "UTF-8"},
            "Body": {"Html": {"Data": html}, "Text": {"Data": f"Text of {subject}"}},
            "Headers": [{"Name": "X-Evil", "Value": "<b>bold</b>"}],
        }
    }
    found: str = client.send_email(
        FromEmailAddress="a@news.example.org",
        Destination={"ToAddresses": ["ann@example.org"]},
        Content=content,
        EmailTags=[{"Name": "delivery", "Value": "abcdefgh-1-1"}],
    )["MessageId"]
    return found


def get(url: str) -> tuple[HTTPResponse, str]:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response, response.read().decode()


def test_the_list_shows_the_latest_first_a_page_at_a_time(inbox: Running, sent: str) -> None:
    _, first = get(inbox.url + "/")
    assert "61 messages were accepted" in first
    assert first.index("Issue 59") < first.index("Issue 58")
    assert "Issue 11<" in first
    assert "Issue 10<" not in first
    _, second = get(inbox.url + "/?page=2")
    assert "Issue 10<" in second
    assert "Page 2 of 2" in second
    for odd in ("0", "-1", "99", "x", "9" * 30, "٣"):
        get(f"{inbox.url}/?page={urllib.parse.quote(odd)}")


def test_what_is_hostile_is_shown_as_text(inbox: Running, sent: str) -> None:
    for page in (inbox.url + "/", f"{inbox.url}/messages/{sent}"):
        response, html = get(page)
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert "<b>bold" not in html
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_message_shows_its_parts_headers_links_and_events(inbox: Running, sent: str) -> None:
    _, page = get(f"{inbox.url}/messages/{sent}")
    assert f'src="/messages/{sent}/html" sandbox ' in page
    assert "Text of &lt;/title&gt;" in page
    assert "<dt>X-Evil</dt>" in page
    assert "abcdefgh-1-1" in page
    assert 'href="https://a.example/1?x=1&amp;y=2" rel="noreferrer noopener"' in page
    assert 'href="javascript' not in page
    assert page.count("<summary>Send ") == page.count("<summary>Delivery ") == 1
    response, html = get(f"{inbox.url}/messages/{sent}/html")
    assert "Dear reader" in html
    policy = response.headers["Content-Security-Policy"]
    assert policy.split("; ")[-1] == "sandbox"
    assert "default-src 'none'" in policy
    response, raw = get(f"{inbox.url}/messages/{sent}/raw")
    assert response.headers["Content-Disposition"] == f'attachment; filename="{sent}.eml"'
    assert "X-Evil: <b>bold</b>" in raw


@pytest.mark.parametrize("path", ["/messages/none", "/messages/../record.jsonl", "/record.jsonl", "/messages//html"])
def test_nothing_else_is_served(inbox: Running, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(inbox.url + path)


def test_the_pages_answer_to_this_machine_s_name_only(inbox: Running, sent: str) -> None:
    for path in ("/", f"/messages/{sent}", f"/messages/{sent}/raw", "/style.css"):
        ask = urllib.request.Request(inbox.url + path, headers={"Host": "evil.example.com"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(ask, timeout=10)


def test_a_mail_that_was_not_kept_has_a_page_still(tmp_path: Path, make_client: Callable[[str], Any]) -> None:
    with start(tmp_path, keep_messages=False) as simulator:
        message_id = mail(make_client(simulator.url), "Hello", "<p>Hello</p>")
        assert "was not kept" in get(f"{simulator.url}/messages/{message_id}")[1]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{simulator.url}/messages/{message_id}/raw")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_pages_fit_their_window_and_run_and_load_nothing_of_the_mail(
    inbox: Running, sent: str, browser: Browser, width: int, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("requestfinished", lambda request: asked.append(request.url))
    for path in ("/", f"/messages/{sent}"):
        page.goto(inbox.url + path)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    frame = page.frames[1]
    frame.wait_for_selector("text=Dear reader")
    assert page.title() == EVIL
    assert not any(url.endswith("/health") for url in asked)
    background = page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
    assert background == ("rgb(254, 254, 254)" if scheme == "light" else "rgb(27, 28, 30)")
    context.close()
