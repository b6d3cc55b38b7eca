"""A reader at her browser without JavaScript, and her mailbox: she sees pages, follows links and presses buttons.

She finds things by what is written on them, as people do, so a page may change its insides but not its words.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from fastapi.testclient import TestClient
from lxml import html

BASE = "https://news.example.org"
_URL = re.compile(r"https?://[^\s<>\"')\]]+")


@dataclass
class Page:
    """What the browser shows."""

    url: str
    status: int
    root: html.HtmlElement
    content: bytes = b""

    @property
    def text(self) -> str:
        return " ".join(self.root.text_content().split())

    @property
    def heading(self) -> str:
        return " ".join(self.root.xpath("string(//h1)").split())

    def links(self) -> list[str]:
        """Every address the page leads to by itself, forms' targets included."""
        found = [*self.root.xpath("//@href"), *self.root.xpath("//@src"), *self.root.xpath("//form/@action")]
        return [urljoin(self.url, address) for address in found if not address.startswith(("mailto:", "#", "data:"))]


@dataclass
class Visitor:
    """Somebody with a browser."""

    client: TestClient
    seen: list[Page] = field(default_factory=list)

    def open(self, url: str, *, method: str = "GET") -> Page:
        answer = self.client.request(method, self.path_of(url))
        return self._show(urljoin(BASE, url), answer.status_code, answer.content)

    def follow(self, page: Page, words: str) -> Page:
        """Follow the link with these words."""
        link = next(a for a in page.root.xpath("//a[@href]") if words in " ".join(a.text_content().split()))
        return self.open(urljoin(page.url, link.get("href")))

    def press(self, page: Page, button: str, **answers: str | bool) -> Page:
        """Press the button with these words, with the fields of its form as they stand but for `answers`.

        An answer is by the field's name; a check box takes a bool.
        """
        pressed = next(
            (b for b in page.root.xpath("//form//button") if button in " ".join(b.text_content().split())), None
        )
        assert pressed is not None, f"no button {button!r} on: {page.text}"
        form = pressed.xpath("ancestor::form")[0]
        assert (form.get("method") or "").lower() == "post"
        fields = [(name, value) for name, value in form.form_values() if name not in answers]
        if pressed.get("name"):
            fields.append((pressed.get("name"), pressed.get("value") or ""))
        for name, value in answers.items():
            boxes = form.xpath(f".//*[@name='{name}']")
            assert boxes, f"no field {name!r} in the form with {button!r}: {[i.name for i in form.inputs]}"
            if value is True:
                fields.append((name, boxes[0].get("value") or "on"))
            elif value is not False:
                fields.append((name, str(value)))
        data: dict[str, list[str]] = {}
        for name, value in fields:
            data.setdefault(name, []).append(value)
        target = urljoin(page.url, form.get("action") or page.url)
        answer = self.client.post(self.path_of(target), data=data)
        return self._show(target, answer.status_code, answer.content)

    def post(self, url: str, **data: str) -> Page:
        answer = self.client.post(self.path_of(url), data=data)
        return self._show(url, answer.status_code, answer.content)

    def path_of(self, url: str) -> str:
        parts = urlsplit(urljoin(BASE, url))
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _show(self, url: str, status: int, content: bytes) -> Page:
        root = html.document_fromstring(content) if content.strip().startswith(b"<") else html.fromstring("<p></p>")
        page = Page(url, status, root, content)
        self.seen.append(page)
        return page


@dataclass
class Letter:
    """A mail in a mailbox."""

    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def to(self) -> str:
        return str(self.message["To"])

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        return part.get_content() if part else ""

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        return part.get_content() if part else ""

    def link(self, path: str) -> str:
        """The first link of the text part that leads to /<path>/…"""
        return next(url for url in self.links() if urlsplit(url).path.startswith(f"/{path}/"))

    def links(self) -> list[str]:
        found = [url.rstrip(".,;:") for url in _URL.findall(self.text)]
        root = html.document_fromstring(self.html) if self.html.strip() else None
        inner = [] if root is None else [*root.xpath("//@href"), *root.xpath("//img/@src")]
        return list(dict.fromkeys([*found, *(a for a in inner if a.startswith("http"))]))


@dataclass
class Mailbox:
    """The outbox folder as readers' mailboxes."""

    outbox: Path
    read: set[Path] = field(default_factory=set)

    def new(self, address: str | None = None) -> list[Letter]:
        """Letters not looked at before, to one address or to all, in no particular order."""
        letters = []
        for path in sorted(self.outbox.rglob("*.eml")):
            if path in self.read:
                continue
            letter = Letter(email.message_from_bytes(path.read_bytes(), policy=email.policy.default))
            if address is None or address in letter.to:
                self.read.add(path)
                letters.append(letter)
        return letters

    def only(self, address: str) -> Letter:
        """The one new letter to this address."""
        [letter] = self.new(address)
        return letter
