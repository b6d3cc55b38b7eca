"""Changing the address in a browser: asked for in private, confirmed from the new mailbox, and no secret told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from browser_pages import OpenPage, running, serious_findings
from fastapi.testclient import TestClient
from sqlalchemy import select
from web_newsroom import Reader, every_row, private_page, reason_left_out, subscribe

from newsletter.app import App
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Suppressed
from newsletter.audience.links import Purpose, sign_ticket
from newsletter.audience.suppression import suppress
from newsletter.store.tables import service_mails, subscribers
from newsletter.web.public.site import create_site

NEW = "ada.new@example.net"


@dataclass
class Room:
    """Ada, her private page, and the links in the mails she is owed."""

    app: App
    site: TestClient
    reader: Reader

    @property
    def private(self) -> str:
        return private_page(self.app, self.reader)

    def asks(self, address: str) -> str:
        """The words she is answered with."""
        answer = self.site.post(f"{self.private}/address", data={"address": address})
        return f"{answer.status_code} {answer.text}".replace(address, "ADDRESS")

    def link(self, days: int = 7) -> str:
        """The link in the newest mail that asks to confirm."""
        query = select(service_mails.c.id).where(service_mails.c.kind == "address-confirm")
        with self.app.store.read() as connection:
            number = connection.scalar(query.order_by(service_mails.c.id.desc()).limit(1))
        assert number is not None
        ticket = sign_ticket(self.app.keys, Purpose.ADDRESS, number, self.app.now() + timedelta(days=days))
        return f"/address/{ticket}"

    def address(self) -> str | None:
        with self.app.store.read() as connection:
            found: str | None = connection.scalar(
                select(subscribers.c.address).where(subscribers.c.id == self.reader.id)
            )
        return found


@pytest.fixture
def room(app: App, site: TestClient, reader: Reader) -> Room:
    return Room(app, site, reader)


def test_the_link_in_the_new_mailbox_shows_a_button_and_the_button_changes_the_address(room: Room) -> None:
    assert "A mail is on its way to ADDRESS" in room.asks(NEW)
    before = every_row(room.app)
    page = room.site.get(room.link())
    assert page.status_code == room.site.head(room.link()).status_code == 200
    assert "Use a…@e….net from now on?" in page.text
    assert NEW not in page.text
    assert every_row(room.app) == before
    first = room.site.post(room.link())
    assert "Your address is changed" in first.text
    assert room.address() == NEW
    assert reason_left_out(room.app, room.reader) is None
    after = every_row(room.app)
    assert room.site.post(room.link()).text == room.site.get(room.link()).text == first.text
    assert every_row(room.app) == after


def test_whatever_we_know_of_the_new_address_the_answer_is_the_same(room: Room) -> None:
    subscribe(room.app, "grace@example.org")
    with room.app.store.write() as connection:
        hashed = address_hash(normalise("bad@example.org").normal, room.app.keys.hash)
        suppress(connection, hashed, reason=Suppressed.HARD_BOUNCE, source="ses", at=room.app.now())
    answers = set()
    for address in ("new@example.org", "grace@example.org", "bad@example.org"):
        answers.add(room.asks(address).partition("All that is on record")[0])
    assert len(answers) == 1


@pytest.mark.parametrize("address", ["", "no", "a@b", "<b>@example.org", "x" * 9_000, "a\r\nBcc: b@example.org"])
def test_what_is_no_address_is_refused_beside_its_field(room: Room, address: str) -> None:
    private, before = room.private, every_row(room.app)
    answer = room.site.post(f"{private}/address", data={"address": address})
    assert answer.status_code == 422
    assert 'id="address-wrong"' in answer.text
    assert "<b>@" not in answer.text
    assert every_row(room.app) == before


def test_the_fourth_change_of_a_day_is_put_off_in_words(room: Room) -> None:
    for n in range(3):
        room.asks(f"n{n}@example.net")
    assert "try again tomorrow" in room.asks("n4@example.net")


def taken(room: Room) -> None:
    subscribe(room.app, NEW)


def barred(room: Room) -> None:
    with room.app.store.write() as connection:
        hashed = address_hash(normalise(NEW).normal, room.app.keys.hash)
        suppress(connection, hashed, reason=Suppressed.COMPLAINT, source="ses", at=room.app.now())


@pytest.mark.parametrize(
    ("happened", "said"), [(taken, "has a reader already"), (barred, "We cannot write to that address")]
)
def test_who_shows_that_the_mailbox_is_hers_is_told_why_it_cannot_be(
    room: Room, happened: Callable[[Room], None], said: str
) -> None:
    room.asks(NEW)
    happened(room)
    before = every_row(room.app)
    answer = room.site.post(room.link())
    assert (answer.status_code, said in answer.text) == (409, True)
    assert every_row(room.app) == before
    assert room.address() == "ada@example.org"


def test_an_older_or_an_expired_link_changes_nothing(room: Room) -> None:
    room.asks("one@example.net")
    old = room.link()
    room.asks("two@example.net")
    link = room.link()
    late = TestClient(create_site(replace(room.app, now=lambda: room.app.now() + timedelta(days=7, seconds=1))))
    before = every_row(room.app)
    for site, address in ((room.site, old), (late, link)):
        for answer in (site.get(address), site.post(address)):
            assert (answer.status_code, "no longer works" in answer.text) == (410, True)
    assert every_row(room.app) == before
    assert "is changed" in room.site.post(link).text
    assert room.address() == "two@example.net"


def test_the_links_in_the_old_mailbox_open_nothing_once_she_has_another_address(room: Room) -> None:
    room.asks(NEW)
    old = room.private
    room.site.post(room.link())
    before = every_row(room.app)
    for path in ("", "/erase", "/data", "/address"):
        for answer in (
            room.site.get(f"{old}{path}"),
            room.site.post(f"{old}{path}", data={"address": "x@example.org"}),
        ):
            assert (answer.status_code, "no longer works" in answer.text, "ada" in answer.text) == (410, True, False)
    assert every_row(room.app) == before
    assert NEW in room.site.get(room.private).text


def test_a_link_confirmed_after_she_was_erased_changes_nothing(room: Room) -> None:
    room.asks(NEW)
    link = room.link()
    room.site.post(f"{room.private}/erase")
    before = every_row(room.app)
    assert room.site.post(link).status_code == 410
    assert every_row(room.app) == before


@pytest.mark.browser
def test_the_page_can_be_used_by_everybody_without_javascript(room: Room, browser_page: OpenPage) -> None:
    room.asks(NEW)
    with running(room.app) as site:
        page = browser_page(site + room.link(), javascript=False)
        assert serious_findings(page) == []
        page.get_by_role("button", name="Use this address").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Your address is changed").wait_for()
    assert room.address() == NEW
