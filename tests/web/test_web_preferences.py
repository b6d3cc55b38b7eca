"""A reader's preferences: the footer's link tells a stranger nothing, the private link opens the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from browser_pages import SCHEMES, WIDTHS, OpenPage, overflow, running, serious_findings, too_small_to_touch
from fastapi.testclient import TestClient
from lxml import html
from sqlalchemy import select
from web_newsroom import Reader, every_row, private_page, reason_left_out, reopen, subscribe

from newsletter.app import App
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Purpose as Consent
from newsletter.audience.consent import Suppressed
from newsletter.audience.ledger import histories
from newsletter.audience.links import Purpose, sign_reader, sign_ticket, sign_unsubscribe
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.suppression import lift, suppress
from newsletter.audience.unsubscribe import unsubscribe_address
from newsletter.store.tables import service_mails, signups, subscribers, subscriptions
from newsletter.web.public.preferences import PRIVATELY, TEXT_CHANGED, TOO_OFTEN
from newsletter.web.public.site import create_site

SECOND = """
[newsletters.weekly]
name = "<Weekly> & more"
list_id = "weekly.news.example.org"
from_name = "Weekly"
from_address = "weekly@news.example.org"
timezone = "Europe/London"
lang = "de"
organisation = "The Meridian"
postal_address = "1 Example Street, Springfield"
why_receiving = "You signed up."
"""
HOSTILE = '"><script>alert(1)</script>{{first_name}}'


@dataclass
class Room:
    """A newsroom with two newsletters, a reader of the daily, and her links."""

    app: App
    site: TestClient
    reader: Reader

    @property
    def footer(self) -> str:
        return f"/p/{sign_reader(self.app.keys, Purpose.PREFERENCES, self.reader.id, 'daily', 'abcdefg2')}"

    @property
    def private(self) -> str:
        return private_page(self.app, self.reader)

    def form(self, act: str, page: str = "", newsletter: str = "") -> dict[str, str]:
        """The fields of a form as the page shows them."""
        root = html.document_fromstring(self.site.get(page or self.footer).text)
        for form in root.forms:
            fields = dict(form.form_values())
            if fields.get("act") == act and fields.get("newsletter", "") == newsletter:
                return fields
        raise AssertionError(f"no form to {act}")

    def box(self, name: str, page: str = "") -> dict[str, str]:
        root = html.document_fromstring(self.site.get(page or self.footer).text)
        return {name: root.xpath(f"string(//input[@name='{name}' and @type='checkbox']/@value)")}

    def row(self) -> Any:
        with self.app.store.read() as connection:
            return connection.execute(select(subscribers).where(subscribers.c.id == self.reader.id)).one()

    def owed(self) -> list[str]:
        with self.app.store.read() as connection:
            return list(connection.scalars(select(service_mails.c.kind)))


@pytest.fixture
def room(workspace: Path) -> Iterator[Room]:
    tracking = ('why_receiving = "You get this', 'tracking = ["opens", "clicks"]\nwhy_receiving = "You get this')
    app = reopen(workspace, tracking, extra=SECOND)
    site = TestClient(create_site(app), base_url="https://news.example.org", follow_redirects=False)
    yield Room(app, site, subscribe(app, "ada@mail.example.org"))
    app.store.close()


# -- the two doors ----------------------------------------------------------------------------------------------------


def test_behind_the_footers_link_the_address_is_masked_and_nothing_of_it_can_be_changed(room: Room) -> None:
    page = room.site.get(room.footer)
    assert page.status_code == 200
    assert "a…@m….org" in page.text
    assert "ada@" not in page.text
    assert "mail.example" not in page.text
    for act in ("address", "data", "erase"):
        assert f"/{act}" not in page.text
        assert room.site.post(f"{room.footer}/{act}", data={"address": "eve@example.org"}).status_code == 404


def test_behind_the_private_link_the_address_is_shown_and_all_can_be_done(room: Room) -> None:
    page = room.site.get(room.private)
    assert "ada@mail.example.org" in page.text
    for act in ("address", "data", "erase"):
        assert f"{room.private}/{act}" in page.text


def test_looking_changes_nothing(room: Room) -> None:
    private, before = room.private, every_row(room.app)
    for address in (room.footer, private, f"{private}/erase", f"{room.footer}?act=newsletters"):
        assert room.site.get(address).status_code == room.site.head(address).status_code == 200
    assert every_row(room.app) == before


def test_an_answer_that_a_telephone_loads_again_is_the_page_and_changes_nothing(room: Room) -> None:
    private, before = room.private, every_row(room.app)
    for address in (f"{room.footer}/private", f"{private}/data", f"{private}/address"):
        assert "<h1>Your preferences</h1>" in room.site.get(address).text
        assert room.site.get(address).status_code == room.site.head(address).status_code == 200
    assert every_row(room.app) == before


@pytest.mark.parametrize("page", ["p", "me", "address", "agree", "undo"])
def test_a_forged_truncated_or_foreign_link_opens_nothing_and_changes_nothing(room: Room, page: str) -> None:
    foreign = sign_unsubscribe(room.app.keys, room.reader.id, "daily", "")
    until = room.app.now() + timedelta(days=1)
    tickets = [
        sign_ticket(room.app.keys, Purpose.CONFIRM, 1, until),
        sign_ticket(room.app.keys, Purpose.PRIVATE, 99, until),
    ]
    own = {"p": room.footer, "me": room.private}.get(page, "/x/s1.abc").rpartition("/")[2]
    tokens = ["x", "%00", "a" * 5000, own[:-3], f"{own[:-1]}_", foreign, *tickets]
    before = every_row(room.app)
    for token in tokens:
        for path in ("", "/private", "/data", "/erase", "/address"):
            for answer in (room.site.get(f"/{page}/{token}{path}"), room.site.post(f"/{page}/{token}{path}")):
                assert answer.status_code in (404, 405, 410), (page, token, path)
                assert "ada" not in answer.text
    assert every_row(room.app) == before


def test_a_private_link_works_for_a_day_and_then_says_how_to_get_another(room: Room) -> None:
    link = room.private
    late = replace(room.app, now=lambda: room.app.now() + timedelta(hours=24, seconds=1))
    site = TestClient(create_site(late), follow_redirects=False)
    for path in ("", "/erase"):
        assert "no longer works" in site.get(f"{link}{path}").text
    before = every_row(room.app)
    for path in ("", "/erase", "/data", "/address"):
        answer = site.post(f"{link}{path}", data={"act": "newsletters", "was-daily": "on", "address": "x@example.org"})
        assert (answer.status_code, "ada" in answer.text) == (410, False)
    assert every_row(room.app) == before


def test_the_private_link_is_mailed_and_the_answer_is_the_same_however_often(room: Room) -> None:
    answers = {room.site.post(f"{room.footer}/private").text for _ in range(5)}
    assert len(answers) == 1
    assert "on its way" in answers.pop()
    assert room.owed() == ["private-link"]


def test_an_erased_reader_is_a_stranger(room: Room) -> None:
    footer, private = room.footer, room.private
    assert "at once and for good" in room.site.get(f"{private}/erase").text
    assert room.row().address is not None
    assert "You are erased" in room.site.post(f"{private}/erase").text
    assert room.row().address is None
    before = every_row(room.app)
    for page in (footer, private, f"{private}/erase", f"{private}/data", f"{private}/address"):
        assert (room.site.get(page).status_code, room.site.post(page).status_code) == (404, 404)
    room.site.post(f"{footer}/private")
    assert every_row(room.app) == before


def test_her_data_comes_as_a_file_that_is_hers(room: Room) -> None:
    subscribe(room.app, "grace@example.org")
    answer = room.site.post(f"{room.private}/data")
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    found = json.loads(answer.content)
    assert found["reader"]["address"] == "ada@mail.example.org"
    assert "grace" not in answer.text


# -- the acts ---------------------------------------------------------------------------------------------------------


def test_newsletters_are_turned_off_and_on_by_one_save(room: Room) -> None:
    form = {"act": "newsletters", "was-daily": "on", "was-weekly": "off"}
    answer = room.site.post(room.private, data={**form, **room.box("on-weekly", room.private)})
    assert "Saved." in answer.text
    assert reason_left_out(room.app, room.reader) == "unsubscribed"
    back = room.form("newsletters")
    assert (back["was-daily"], back["was-weekly"]) == ("off", "on")
    room.site.post(room.private, data={**back, **room.box("on-daily", room.private)})
    assert reason_left_out(room.app, room.reader) is None


def test_leaving_on_the_page_names_the_send_whose_mail_held_the_link(room: Room) -> None:
    form = {"act": "newsletters", "was-daily": "on", "was-weekly": "off"}
    for address, named in ((room.footer, "preferences page, send abcdefg2"), (room.private, "preferences page")):
        room.site.post(address, data=form)
        with room.app.store.read() as connection:
            said = histories(connection, "daily", [room.reader.id])[room.reader.id]
        assert [entry.source for entry in said if entry.event == "withdrawn"][-1] == named
        room.site.post(room.private, data={**room.form("newsletters"), **room.box("on-daily", room.private)})


def test_behind_the_footers_link_a_newsletter_is_turned_off_at_once_but_on_only_by_a_mail(room: Room) -> None:
    form = {"act": "newsletters", "was-daily": "on", "was-weekly": "off"}
    answer = room.site.post(room.footer, data={**form, **room.box("on-weekly")})
    assert answer.status_code == 200
    assert "We have sent a mail to a…@m….org. To get &lt;Weekly&gt; &amp; more, open that mail" in answer.text
    assert reason_left_out(room.app, room.reader) == "unsubscribed"
    after = room.form("newsletters")
    assert (after["was-daily"], after["was-weekly"]) == ("off", "off")
    assert room.owed() == ["confirm"]
    with room.app.store.read() as connection:
        number = connection.scalar(select(signups.c.id)) or 0
    ticket = sign_ticket(room.app.keys, Purpose.CONFIRM, number, room.app.now() + timedelta(days=7))
    assert "newsletter.weekly" in room.site.get(f"/c/{ticket}").text
    room.site.post(f"/c/{ticket}", data={"newsletter.weekly": "1"})
    assert room.form("newsletters")["was-weekly"] == "on"


def test_asking_for_it_again_and_again_floods_no_mailbox_and_is_put_off_in_words(room: Room) -> None:
    form = {"act": "newsletters", "was-weekly": "off", **room.box("on-weekly")}
    most = room.app.settings.signup.per_network_an_hour
    answers = [room.site.post(room.footer, data=form) for _ in range(most + 1)]
    assert len({answer.text.partition("All that is on record")[0] for answer in answers[:-1]}) == 1
    assert (answers[-1].status_code, TOO_OFTEN in answers[-1].text) == (422, True)
    assert len(room.owed()) <= 2


def test_behind_the_footers_link_no_consent_can_be_given_in_her_name(room: Room) -> None:
    page = room.site.get(room.footer).text
    assert "on-open-tracking" not in page
    assert "private link</a> only" in page
    forms = [
        {
            "act": "measure",
            "newsletter": "daily",
            "was-open-tracking": "off",
            **room.box("on-open-tracking", room.private),
        },
        {"act": "profile", "first_name": "Eve"},
        {"act": "agree", "newsletter": "daily"},
    ]
    before = every_row(room.app)
    for form in forms:
        assert str(PRIVATELY.words) in room.site.post(room.footer, data=form).text
    assert every_row(room.app) == before


def test_behind_the_footers_link_her_name_is_neither_told_nor_taken(room: Room) -> None:
    assert "first_name" not in room.site.get(room.footer).text
    assert "Ada" not in room.site.get(room.footer).text
    assert "Ada" in room.site.get(room.private).text
    room.site.post(room.footer, data={"act": "profile", "first_name": "Eve", "lang": "de"})
    assert (room.row().first_name, room.row().lang) == ("Ada", "de")


def test_saving_the_page_as_it_stands_writes_nothing(room: Room) -> None:
    before = every_row(room.app)
    for act in ("newsletters", "profile"):
        room.site.post(room.footer, data=room.form(act))
    assert every_row(room.app) == before


def test_an_old_page_changes_only_what_was_changed_on_it(room: Room) -> None:
    old = room.form("newsletters")
    room.site.post(room.private, data={**room.form("newsletters"), **room.box("on-weekly", room.private)})
    room.site.post(room.footer, data={"act": "newsletters", "was-daily": old["was-daily"], "was-weekly": "off"})
    after = room.form("newsletters")
    assert (after["was-daily"], after["was-weekly"]) == ("off", "on")


@pytest.mark.parametrize("text", ["", "on", "0123456789abcdef", "ü"])
def test_a_box_beside_another_text_than_the_present_agrees_to_nothing(room: Room, text: str) -> None:
    before = every_row(room.app)
    answer = room.site.post(room.footer, data={"act": "newsletters", "was-weekly": "off", "on-weekly": text})
    assert answer.status_code == 422
    assert TEXT_CHANGED in answer.text
    assert every_row(room.app) == before


@pytest.mark.parametrize("form", [{}, {"act": "x"}, {"act": "newsletters"}, {"act": "pause"}, {"act": "profile"},
                                  {"act": "measure"}, {"act": "agree"}, {"act": "resume", "newsletter": "x"},
                                  {"act": "pause", "newsletter": "x", "for": "1-week"}])  # fmt: skip
def test_a_form_that_says_nothing_changes_nothing(room: Room, form: dict[str, str]) -> None:
    pages, before = (room.private, room.footer), every_row(room.app)
    for page in pages:
        assert room.site.post(page, data=form).status_code == 200
    assert every_row(room.app) == before


def test_a_pause_ends_on_the_day_chosen_and_can_be_ended_before(room: Room) -> None:
    form = room.form("pause", newsletter="daily")
    assert form["for"] == "1-month"
    assert "Sunday, November 10, 2024" in room.site.post(room.footer, data=form).text
    assert reason_left_out(room.app, room.reader) == "paused"
    page = room.site.post(room.footer, data={**form, "until": "2024-12-24"})
    assert "before Tuesday, December 24, 2024" in page.text
    assert '>Resume <span lang="en">The Meridian</span> now</button>' in page.text
    room.site.post(room.footer, data=room.form("resume", newsletter="daily"))
    assert reason_left_out(room.app, room.reader) is None


@pytest.mark.parametrize("wrong", [{"until": "2024-10-10"}, {"until": "2026-01-01"}, {"until": "x<b>"}, {"for": "-"}])
def test_a_pause_that_cannot_be_is_refused_beside_its_field(room: Room, wrong: dict[str, str]) -> None:
    before = every_row(room.app)
    answer = room.site.post(room.footer, data={"act": "pause", "newsletter": "daily", **wrong})
    assert answer.status_code == 422
    assert 'id="pause-wrong-daily"' in answer.text
    assert "<b>" not in answer.text.partition('id="pause-wrong-daily"')[2].partition("</p>")[0]
    assert every_row(room.app) == before


def test_name_and_language_are_kept(room: Room) -> None:
    room.site.post(room.private, data={"act": "profile", "first_name": "Augusta & Co", "lang": "de"})
    assert (room.row().first_name, room.row().lang) == ("Augusta & Co", "de")
    assert 'value="Augusta &amp; Co"' in room.site.get(room.private).text


@pytest.mark.parametrize(
    "name", [HOSTILE, "a\nb", "x" * 101, "x" * 9_000, "\x00", "www.example.org", "eve@example.org"]
)
def test_a_name_that_cannot_be_kept_is_refused_beside_its_field(room: Room, name: str) -> None:
    answer = room.site.post(room.private, data={"act": "profile", "first_name": name, "lang": ""})
    assert answer.status_code == 422
    assert 'id="first_name-wrong"' in answer.text
    assert "<script" not in answer.text
    assert room.row().first_name == "Ada"


def test_a_name_of_ten_thousand_letters_is_too_much(room: Room) -> None:
    assert room.site.post(room.footer, data={"act": "profile", "first_name": "x" * 10_000}).status_code == 413


def test_measuring_is_asked_apart_and_kept_apart_by_purpose(room: Room) -> None:
    form = room.form("measure", room.private, newsletter="daily")
    assert (form["was-open-tracking"], "on-open-tracking" in form) == ("off", False)
    room.site.post(room.private, data={**form, **room.box("on-open-tracking", room.private)})
    form = room.form("measure", room.private, newsletter="daily")
    assert (form["was-open-tracking"], form["was-click-tracking"]) == ("on", "off")
    form = room.form("measure", newsletter="daily")  # what is on can be taken back behind the footer's link too
    assert (form["was-open-tracking"], "was-click-tracking" in form) == ("on", False)
    room.site.post(room.footer, data={key: value for key, value in form.items() if not key.startswith("on-")})
    with room.app.store.read() as connection:
        history = histories(connection, "daily", [room.reader.id], Consent.OPEN_TRACKING)[room.reader.id]
    assert [entry.event for entry in history] == ["confirmed", "withdrawn"]
    assert reason_left_out(room.app, room.reader) is None


def test_why_she_gets_it_is_told_in_plain_words_without_network_addresses(room: Room) -> None:
    room.site.post(room.footer, data={"act": "newsletters", "was-daily": "on"})
    room.site.post(room.private, data={**room.form("newsletters"), **room.box("on-daily", room.private)})
    page = room.site.get(room.footer).text
    assert "You left The Meridian." in page
    assert "testclient" not in page
    assert not re.search(r"\b\d+\.\d+\.\d+\.\d+\b", page)


def test_a_reader_of_a_newsletter_given_up_since_still_has_her_page(room: Room) -> None:
    token = sign_reader(room.app.keys, Purpose.PREFERENCES, room.reader.id, "gone")
    with room.app.store.write() as connection:
        gone = {"newsletter": "gone", "subscriber_id": room.reader.id, "created_at": room.app.now()}
        connection.execute(subscriptions.insert().values(gone))
    assert room.site.get(f"/p/{token}").status_code == 200
    room.site.post(f"/p/{token}/private")
    with room.app.store.read() as connection:
        assert connection.scalar(select(service_mails.c.newsletter)) == "daily"


# -- a policy to agree to ---------------------------------------------------------------------------------------------


@pytest.fixture
def owing(workspace: Path) -> Iterator[tuple[Room, str]]:
    """A reader who must agree to a new policy, and the link of the mail that asks her."""
    policy = '{ version = "2", effective = 2024-10-01, change = "reconsent", summary = "We <b>share</b> less." }'
    app = reopen(workspace, ('why_receiving = "You get this', f'policies = [{policy}]\nwhy_receiving = "You get this'))
    reader = subscribe(app, "ada@mail.example.org")
    with app.store.write() as connection:
        owe(connection, MailKind.POLICY_RECONSENT, reader.id, "daily", request="p", now=app.now(), detail="2")
    site = TestClient(create_site(app), base_url="https://news.example.org", follow_redirects=False)
    with app.store.read() as connection:
        number = connection.scalar(select(service_mails.c.id))
    assert number is not None
    ticket = sign_ticket(app.keys, Purpose.AGREE, number, app.now() + timedelta(days=90))
    yield Room(app, site, reader), f"/agree/{ticket}"
    app.store.close()


def test_the_link_of_the_policy_mail_shows_what_is_new_and_its_button_agrees(owing: tuple[Room, str]) -> None:
    room, link = owing
    before = every_row(room.app)
    page = room.site.get(link)
    assert "We &lt;b&gt;share&lt;/b&gt; less." in page.text
    assert every_row(room.app) == before
    assert reason_left_out(room.app, room.reader) == "reconsent-owed"
    first = room.site.post(link)
    assert "Your yes is on record" in first.text
    assert reason_left_out(room.app, room.reader) is None
    after = every_row(room.app)
    assert room.site.post(link).text == first.text
    assert every_row(room.app) == after


def test_the_yes_that_is_owed_can_be_said_on_the_private_page_too(owing: tuple[Room, str]) -> None:
    room, _ = owing
    for page in (room.footer, room.private):
        assert "Nothing is sent to you until you agree" in room.site.get(page).text
    form = room.form("agree", room.private, newsletter="daily")
    assert PRIVATELY.words in room.site.post(room.footer, data=form).text
    assert "I agree" not in room.site.get(room.footer).text
    assert reason_left_out(room.app, room.reader) == "reconsent-owed"
    room.site.post(room.private, data=form)
    assert reason_left_out(room.app, room.reader) is None


def test_who_left_meanwhile_is_not_brought_back_by_agreeing(owing: tuple[Room, str]) -> None:
    room, link = owing
    room.site.post(room.reader.link)
    before = every_row(room.app)
    assert room.site.post(link).status_code == 409
    assert every_row(room.app) == before


# -- in a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_can_be_read_and_touched_by_everybody(
    room: Room, browser_page: OpenPage, width: int, scheme: str
) -> None:
    room.site.post(room.footer, data={"act": "pause", "newsletter": "daily", "for": "1-week"})
    with running(room.app) as site:
        for path in (room.footer, room.private, f"{room.private}/erase", room.reader.link):
            page = browser_page(site + path, width=width, scheme=scheme, javascript=False)
            assert serious_findings(page) == []
            assert overflow(page) == 0
            assert too_small_to_touch(page) == []


@pytest.mark.browser
def test_a_reader_without_javascript_and_mouse_pauses_and_saves_her_name(room: Room, browser_page: OpenPage) -> None:
    with running(room.app) as site:
        page = browser_page(site + room.private, javascript=False)
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        page.get_by_label("1 week").focus()
        page.keyboard.press("Space")
        page.get_by_role("button", name="Pause The Meridian").focus()
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text("is paused").wait_for()
        page.get_by_label("First name").fill("Augusta")
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text("Saved").wait_for()
    assert room.row().first_name == "Augusta"
    assert reason_left_out(room.app, room.reader) == "paused"


def test_her_page_names_nobody_of_the_newsroom_and_shows_none_of_their_notes(room: Room) -> None:
    """A mail is forwarded easily, and so is the link in its footer."""
    app, address = room.app, "ada@mail.example.org"
    unsubscribe_address(
        app.store, app.keys, address, newsletter="daily", source="cli", now=app.now(), actor="Edith Editor"
    )
    with app.store.write() as connection:
        hashed = address_hash(normalise(address).normal, app.keys.hash)
        suppress(connection, hashed, reason=Suppressed.MANUAL, source="rude on the phone", at=app.now())
        lift(
            connection,
            hashed,
            reasons=[Suppressed.MANUAL],
            scopes=["*"],
            actor="Edith Editor",
            why="said sorry",
            now=app.now(),
        )
    for link in (room.footer, room.private):
        page = room.site.get(link).text
        assert "You were taken off The Meridian." in page
        assert not [said for said in ("Edith", "rude", "sorry") if said in page]
