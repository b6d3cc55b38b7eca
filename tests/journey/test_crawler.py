"""Invariant 5: mail scanners follow every link, with GET and HEAD, and nothing at all changes by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from visitor import BASE, Mailbox, Visitor

from newsletter.app import App
from newsletter.audience.notices import owe_notices
from newsletter.store.tables import metadata

ADA = "ada@example.org"


def test_following_every_link_of_every_mail_and_page_changes_no_row(
    app: App,
    visitor: Visitor,
    mailbox: Mailbox,
    post: Callable[[], None],
    send: Callable[[str], dict[str, Any]],
) -> None:
    visitor.press(visitor.open("/signup"), "Sign up", email=ADA)
    post()
    letters = mailbox.new()
    visitor.press(visitor.open(letters[0].link("c")), "Yes, sign me up")
    visitor.press(visitor.open("/signup"), "Sign up", email="second@example.org")  # one request is left waiting
    send("2024-10-09")
    post()
    letters += mailbox.new()
    page = visitor.open(next(letter.link("p") for letter in letters if "/p/" in letter.text))
    visitor.press(page, "Mail me a private link")
    post()
    letters += mailbox.new()
    page = visitor.open(next(letter.link("me") for letter in letters if "/me/" in letter.text))
    visitor.press(page, "Change it", address="ada.new@example.net")
    with app.store.write() as connection:
        owe_notices(connection, "daily", app.settings.newsletters["daily"], now=app.now())
    post()
    letters += mailbox.new()

    before = every_row(app)
    found = crawl(visitor, [link for letter in letters for link in letter.links()] + [BASE + "/"])

    assert every_row(app) == before
    kinds = {urlsplit(url).path.split("/")[1] for url in found}
    assert {"u", "p", "c", "v", "me", "address", "archive", "signup", "a" if "a" in kinds else "archive"} <= kinds
    assert all(status < 500 for status in found.values()), found


def crawl(visitor: Visitor, start: list[str]) -> dict[str, int]:
    """GET and HEAD every address of the site that can be reached from these; their statuses by address."""
    waiting, seen = list(start), dict[str, int]()
    while waiting:
        url = waiting.pop().partition("#")[0]
        if url in seen or not url.startswith(BASE):
            continue
        visitor.open(url, method="HEAD")
        page = visitor.open(url)
        seen[url] = page.status
        waiting += page.links()
    return seen


def every_row(app: App) -> dict[str, list[tuple[Any, ...]]]:
    with app.store.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }
