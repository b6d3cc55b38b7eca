"""What each service mail says, read as a mail program reads it: from the .eml file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sending_rig import MORNING
from service_rig import (
    NEW_ADDRESS,
    POLICIES,
    add_reader,
    ask,
    ask_for,
    days,
    delivered,
    flat,
    go,
    html_of,
    in_outbox,
    link_to,
    sign_up,
    standing,
    text_of,
)
from sqlalchemy import select, update

from newsletter.app import App, open_app
from newsletter.audience.links import Purpose, read_reader, read_ticket
from newsletter.audience.mail_owed import MailKind
from newsletter.rendering.markup import pieces, visible_text
from newsletter.store.tables import metadata, service_mails, subscribers
from newsletter.web.public.site import create_site

pytestmark = pytest.mark.sqlite  # words, not queries

CHROMIUM_WIDTHS = (600, 375)
WEEKLY = """\
[newsletters.weekly]
name = "The Weekly Meridian"
list_id = "weekly.news.example.org"
from_name = "The Meridian"
from_address = "weekly@news.example.org"
timezone = "America/New_York"
organisation = "The Meridian"
postal_address = "1 Example Street, Springfield"
why_receiving = "You get this because you signed up for The Weekly Meridian."
consent_text = "Ja, ich möchte The Weekly Meridian."
lang = "de"
"""
WELCOME = '''\
welcome = """
**We write on weekdays** at 6:30 <script>alert(1)</script>.

- [Hard numbers](https://news.example.org/numbers)
"""
welcome_issue = true
'''


@pytest.fixture
def newsroom(make_workspace: Callable[..., Path]) -> Iterator[App]:
    """Two newsletters, a welcome text and two policies."""
    root = make_workspace(WELCOME + POLICIES + WEEKLY)
    app = open_app(root, now=lambda: MORNING)
    yield app
    app.store.close()


def test_a_confirmation_says_who_asked_what_is_agreed_to_and_until_when_and_nothing_else(newsroom: App) -> None:
    reader = add_reader(newsroom, "bo@example.org", confirmed=None)
    mail = delivered(newsroom, MailKind.CONFIRM, reader)
    text = flat(text_of(mail))
    settings = newsroom.settings.newsletters["daily"]
    assert mail["Subject"] == "Please confirm: The Meridian"
    assert mail["To"] == "bo@example.org"
    assert "On Thursday, October 10, 2024 somebody, we hope you, asked to have The Meridian" in text
    assert flat(settings.wording) in flat(text_of(mail).replace("\n> ", " "))
    assert "ignore this mail: nothing happens, and we forget the address on Thursday, October 17, 2024." in text
    assert "1 Example Street" in text
    ticket = read_ticket(newsroom.keys, Purpose.CONFIRM, link_to(mail, "c"))
    assert ticket is not None
    assert (ticket.number, ticket.until) == (1, newsroom.now() + days(7))
    assert no_advertising(newsroom, html_of(mail) + text_of(mail))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is mail["List-ID"] is None


def no_advertising(app: App, said: str) -> bool:
    """No picture, no word beyond the matter, no link but the one that confirms."""
    addresses = {url for url in re.findall(r"https?://[^\s\"<]+", said) if "/c/" not in url}
    words = ("World news", "weekdays", "archive", "Unsubscribe", "Preferences", "<img")
    assert not addresses
    return not any(word in said for word in words)


def test_a_confirmation_for_several_newsletters_quotes_each_wording_in_its_language(newsroom: App) -> None:
    reader = add_reader(newsroom, "bo@example.org", confirmed=None)
    number = ask(newsroom, MailKind.CONFIRM, reader, reference=sign_up(newsroom, reader, "daily", "weekly"))
    go(newsroom)
    mail = in_outbox(newsroom)[number]
    assert "to have The Meridian and The Weekly Meridian sent to bo@example.org" in flat(text_of(mail))
    assert 'lang="de"' in html_of(mail)
    assert "Ja, ich möchte The Weekly Meridian." in text_of(mail)


def test_who_is_on_record_already_is_not_told_that_the_address_is_forgotten(newsroom: App) -> None:
    reader = add_reader(newsroom, confirmed="weekly")
    assert "we forget the request on" in flat(text_of(delivered(newsroom, MailKind.CONFIRM, reader)))


def test_who_asks_for_what_she_gets_already_is_told_so_and_has_nothing_to_confirm(newsroom: App) -> None:
    reader = add_reader(newsroom)
    mail = delivered(newsroom, MailKind.CONFIRM, reader)
    assert mail["Subject"] == "You are subscribed: The Meridian"
    assert "That is so already, and nothing has changed." in flat(text_of(mail))
    assert "/c/" not in text_of(mail)
    link = read_reader(newsroom.keys, Purpose.PREFERENCES, link_to(mail, "p"))
    assert link is not None
    assert link.subscriber_id == reader


def test_a_welcome_says_what_comes_and_how_to_leave_in_headers_too(newsroom: App) -> None:
    reader = add_reader(newsroom)
    mail = delivered(newsroom, MailKind.WELCOME, reader)
    text = flat(text_of(mail))
    assert "The Meridian (World news) comes to ada@example.org" in text
    assert "If today’s issue is out already, it follows this mail." in text
    assert "We write on weekdays at 6:30 <script>alert(1)</script>." in text
    assert "<script" not in html_of(mail)
    assert 'href="https://news.example.org/numbers"' in html_of(mail)
    assert "https://news.example.org/archive/daily" in text
    unsubscribe = link_to(mail, "u")
    assert mail["List-Unsubscribe"] == f"<https://news.example.org/u/{unsubscribe}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(mail["List-ID"]) == "The Meridian <daily.news.example.org>"
    assert mail["Auto-Submitted"] is None
    for purpose, token in ((Purpose.UNSUBSCRIBE, unsubscribe), (Purpose.PREFERENCES, link_to(mail, "p"))):
        link = read_reader(newsroom.keys, purpose, token)
        assert link is not None
        assert (link.subscriber_id, link.newsletter) == (reader, "daily")


def test_a_private_link_asked_for_from_another_address_is_not_mailed(newsroom: App) -> None:
    reader = add_reader(newsroom)
    for detail in ("0123456789abcdef", None):
        number = ask(newsroom, MailKind.PRIVATE_LINK, reader, request=f"link {detail}", detail=detail)
        go(newsroom)
        assert standing(newsroom, number) == ("refused", "superseded")


def test_a_private_link_works_for_a_day_and_names_its_own_mail(newsroom: App) -> None:
    add_reader(newsroom, "somebody.before@example.org")
    reader = add_reader(newsroom)
    mail = delivered(newsroom, MailKind.PRIVATE_LINK, reader)
    ticket = read_ticket(newsroom.keys, Purpose.PRIVATE, link_to(mail, "me"))
    assert ticket is not None
    with newsroom.store.read() as connection:
        [owed] = connection.scalars(select(service_mails.c.id))
    assert (ticket.number, ticket.until) == (owed, newsroom.now() + days(1))
    assert "The link works until 06:30 New York time on October 11." in flat(text_of(mail))


def test_a_new_address_is_asked_and_the_old_one_is_told_without_learning_it(newsroom: App) -> None:
    reader = add_reader(newsroom)
    asked = delivered(newsroom, MailKind.ADDRESS_CONFIRM, reader)
    ticket = read_ticket(newsroom.keys, Purpose.ADDRESS, link_to(asked, "address"))
    assert ticket is not None
    assert (asked["To"], ticket.number) == (NEW_ADDRESS, 1)
    assert "ada@example.org" not in text_of(asked)
    told = delivered(newsroom, MailKind.ADDRESS_TOLD, reader)
    assert told["To"] == "ada.old@example.com"
    assert "changed the address to a…@e….org" in flat(text_of(told))
    assert "If it was not you, write to editors@news.example.org" in flat(text_of(told))
    assert "ada@example.org" not in text_of(told) + html_of(told)


def test_a_policy_is_announced_and_a_new_yes_is_asked_for(newsroom: App) -> None:
    reader = add_reader(newsroom)
    notice = delivered(newsroom, MailKind.POLICY_NOTICE, reader)
    assert "applies from Friday, November 1, 2024" in flat(text_of(notice))
    assert "We keep proofs of consent for three years." in text_of(notice)
    assert "https://news.example.org/privacy" in text_of(notice)
    assert "/agree/" not in text_of(notice)
    asked = delivered(newsroom, MailKind.POLICY_RECONSENT, reader)
    ticket = read_ticket(newsroom.keys, Purpose.AGREE, link_to(asked, "agree"))
    assert ticket is not None
    assert (ticket.number, ticket.until) == (2, newsroom.now() + days(90))


@pytest.mark.parametrize("kind", list(MailKind))
def test_both_parts_of_every_letter_say_the_same(newsroom: App, kind: MailKind) -> None:
    mail = delivered(newsroom, kind, add_reader(newsroom))
    shown = set(re.findall(r"[A-Za-z0-9’]{2,}", visible_text(pieces(html_of(mail)))))
    written = set(re.findall(r"[A-Za-z0-9’]{2,}", text_of(mail)))
    subject = set(re.findall(r"\w+", str(mail["Subject"])))  # the page's title
    assert shown - written <= subject
    assert "http-equiv" not in html_of(mail)
    assert "<img" not in html_of(mail)
    assert max(map(len, text_of(mail).splitlines())) < 998


def test_every_link_of_every_letter_leads_to_a_page_of_ours_and_looking_changes_nothing(newsroom: App) -> None:
    reader = add_reader(newsroom)
    mails = [delivered(newsroom, kind, reader) for kind in MailKind]
    mails.append(delivered(newsroom, MailKind.CONFIRM, add_reader(newsroom, "bo@example.org", confirmed=None)))
    before = every_row(newsroom)
    paths = set()
    with TestClient(create_site(newsroom), base_url="https://news.example.org", follow_redirects=False) as site:
        for mail in mails:
            for url in re.findall(r"https://news\.example\.org(/\S+/\S+)", text_of(mail)):
                assert site.head(url).status_code == site.get(url).status_code == 200, url
                paths.add(url.split("/")[1])
    assert paths == {"c", "u", "p", "me", "address", "agree", "archive"}
    assert every_row(newsroom) == before


def every_row(app: App) -> dict[str, list[str]]:
    with app.store.read() as connection:
        return {t.name: sorted(repr(row) for row in connection.execute(select(t))) for t in metadata.sorted_tables}


HOSTILE = '<b>"Evil" {{unsubscribe_url}}{{{first_name|x}} {% raw %} é & Sons, Inc.'


def test_a_hostile_name_stays_a_name_everywhere(make_workspace: Callable[..., Path]) -> None:
    root = make_workspace()
    config = root / "config.toml"
    text = config.read_text(encoding="utf-8").replace('"The Meridian"', f"'{HOSTILE}'")
    config.write_text(text, encoding="utf-8")
    app = open_app(root, now=lambda: MORNING)
    try:
        reader = add_reader(app, "bo@example.org")
        for kind in (MailKind.WELCOME, MailKind.PRIVATE_LINK, MailKind.CONFIRM):
            mail = delivered(app, kind, reader)
            assert HOSTILE in str(mail["Subject"])
            assert HOSTILE in flat(text_of(mail))
            assert "<b>" not in html_of(mail)
            assert HOSTILE.replace(" ", "") in "".join(visible_text(pieces(html_of(mail))).split())
            assert mail.defects == []
            assert set(mail.keys()) <= {
                "From", "Reply-To", "Subject", "List-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Date", "To",
                "Auto-Submitted", "Content-Language", "MIME-Version", "Message-ID", "Content-Type",
            }  # fmt: skip
    finally:
        app.store.close()


def test_a_hostile_address_is_refused_and_writes_no_header(newsroom: App) -> None:
    """Nothing lets such an address in; if it were there, it could not get out."""
    reader = add_reader(newsroom)
    with newsroom.store.write() as connection:
        hostile = "ada@example.org\r\nBcc: all@example.com"
        connection.execute(update(subscribers).where(subscribers.c.id == reader).values(address=hostile))
    number = ask_for(newsroom, MailKind.PRIVATE_LINK, reader)
    assert go(newsroom).refused == 1
    state, reason = standing(newsroom, number)
    assert state == "refused"
    assert "all@example.com" not in str(reason)
    assert in_outbox(newsroom) == {}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_are_readable_at_every_width(newsroom: App, scheme: str) -> None:
    """Nothing runs over the edge, buttons are large enough for a thumb, and dark mode turns the paper."""
    from playwright.sync_api import sync_playwright

    pages = [html_of(delivered(newsroom, kind, add_reader(newsroom, f"{kind}@example.org"))) for kind in MailKind]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width in CHROMIUM_WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)  # type: ignore[arg-type]
            for html in pages:
                page.set_content(html)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                paper = page.evaluate("getComputedStyle(document.querySelector('.paper')).backgroundColor")
                assert paper == ("rgb(254, 254, 254)" if scheme == "light" else "rgb(27, 28, 30)")
                heights = page.eval_on_selector_all("a.button-link, a.tap", "all => all.map(a => a.offsetHeight)")
                assert all(height >= 44 for height in heights)
        browser.close()
