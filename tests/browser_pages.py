"""The site behind a real server in a thread, and pages of it in a real Chromium."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from newsletter.app import App
from newsletter.web.public.site import create_site

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (375, 1280)
SCHEMES = ("light", "dark")
OpenPage = Callable[..., "Page"]


@contextmanager
def running(app: App) -> Iterator[str]:
    """The readers' site of an app on a free port of this machine; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_site(app), log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def serious_findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical on a page, each with the first element it is about.

    axe is a script itself: it looks at a copy, so that a page that was loaded without JavaScript can be judged too.
    """
    from axe_playwright_python.sync_playwright import Axe

    copy = _copy(page)
    # What passed is not asked for: telling it takes longer than finding out.
    found: list[dict[str, Any]] = Axe().run(copy, options={"resultTypes": ["violations"]}).response["violations"]
    copy.context.close()
    grave = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}" for each in grave]


def _copy(page: Page) -> Page:
    """The same document in the same window, in a context of its own where scripts may run."""
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    browser, html = page.context.browser, page.content()
    assert browser is not None
    context = browser.new_context(viewport=page.viewport_size, color_scheme="dark" if dark else "light")
    copy = context.new_page()
    copy.route(page.url, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    copy.goto(page.url)
    return copy


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def too_small_to_touch(page: Page) -> list[str]:
    """The controls that are lower than 44 pixels, the least a thumb can hit; links within a sentence do not count.

    A box or a radio button is as large as its label, which does the same.
    """
    script = """() => [...document.querySelectorAll('button, input:not([type=hidden]), select, textarea, a, summary')]
        .filter(each => !each.closest('p:not(.quiet), .plain, [aria-hidden]'))
        .map(each => /checkbox|radio/.test(each.type) && each.labels.length ? each.labels[0] : each)
        .map(each => [each.getBoundingClientRect().height, each.outerHTML])
        .filter(([height]) => height > 0 && height < 44)
        .map(([height, html]) => `${height}: ${html}`)"""
    return list(page.evaluate(script))
