"""A reader without JavaScript votes, reads the result, and walks through the archive; at every size, by every means."""

from __future__ import annotations

from datetime import timedelta

import pytest
from browser_pages import SCHEMES, WIDTHS, OpenPage, overflow, running, serious_findings, too_small_to_touch
from web_issues import INTRO, POLL, Newsroom
from web_newsroom import subscribe

from newsletter.app import App

pytestmark = pytest.mark.browser
CORRECTION = '[[blocks]]\ntype = "correction"\nissue = "2024-10-10"\nwas = "It is long."\nis = "It is short."\n'


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    subscribe(app, "ada@example.org")
    return Newsroom(app)


def test_a_reader_votes_changes_her_mind_and_sees_how_others_voted(newsroom: Newsroom, browser_page: OpenPage) -> None:
    reader = subscribe(newsroom.app, "grace@example.org").id
    sent = newsroom.send("2024-10-10", INTRO + POLL)
    newsroom.clock.at += timedelta(minutes=5)  # a vote at the very moment of the mail would look automatic
    with running(newsroom.app) as url:
        page = browser_page(url + newsroom.vote_link(sent, reader, option=2), javascript=False)
        assert page.get_by_role("radio", name="No", exact=True).is_checked()
        page.get_by_role("button", name="Vote").click()
        page.get_by_role("status").get_by_text("Your vote is counted: “No”.").wait_for()
        assert page.get_by_role("row", name="No (your vote) 100% 1").is_visible()
        assert page.locator(".share .votes").nth(1).bounding_box()["width"] > 100  # type: ignore[index]
        newsroom.clock.at += timedelta(minutes=1)
        page.get_by_role("radio", name="Yes").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text("Your vote is counted: “Yes”.").wait_for()
        newsroom.clock.at += timedelta(days=30)
        page.goto(url + newsroom.vote_link(sent, reader))
        page.get_by_text("This poll is closed").wait_for()
        assert page.get_by_role("button").count() == 0
        page.get_by_role("link", name="Read the issue online").click()
        page.get_by_role("table", name="1 vote").wait_for()


def test_a_reader_walks_from_the_front_page_through_the_archive(newsroom: Newsroom, browser_page: OpenPage) -> None:
    newsroom.send("2024-10-10", INTRO + POLL)
    newsroom.send("2024-10-11", INTRO + CORRECTION)
    with running(newsroom.app) as url:
        page = browser_page(url, javascript=False)
        page.get_by_role("link", name="All issues").click()
        page.get_by_role("link", name="News of 2024-10-11").click()
        page.get_by_role("link", name="Previous issue News of 2024-10-10").click()
        page.get_by_text("Correction, October 11").wait_for()
        note = page.get_by_text("Readers vote by the link in their mail.")
        page.get_by_role("link", name="Not for long").click()
        assert note.bounding_box() is not None
        assert page.url.endswith("#poll/wall/3")
        page.get_by_role("link", name="The issue of October 11").click()
        page.get_by_role("link", name="All issues").click()
        page.get_by_role("heading", name="All issues").wait_for()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_its_window_and_axe_finds_nothing_serious(
    newsroom: Newsroom, browser_page: OpenPage, width: int, scheme: str
) -> None:
    reader = subscribe(newsroom.app, "grace@example.org").id
    sent = newsroom.send("2024-10-10", INTRO + POLL)
    newsroom.send("2024-10-11", INTRO + CORRECTION)
    link = newsroom.vote_link(sent, reader)
    newsroom.site().post(newsroom.vote_link(sent, 1), data={"choice": "3"})
    paths = [link, "/archive", "/archive/daily", "/archive/daily/2024-10-10", "/archive/daily/2024-10-11"]
    with running(newsroom.app) as url:
        page = browser_page(url, width=width, scheme=scheme, javascript=False)
        for path in paths:
            page.goto(url + path)
            assert overflow(page) == 0, path
            assert serious_findings(page) == [], path
            assert too_small_to_touch(page) == [], path
        newsroom.clock.at += timedelta(days=30)
        for path in (link, "/archive/daily/2024-10-10"):
            page.goto(url + path)
            assert overflow(page) == 0, path
            assert serious_findings(page) == [], path
