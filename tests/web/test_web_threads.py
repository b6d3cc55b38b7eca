"""Stories that go on with earlier ones tie their issues together in the archive, both ways."""

from __future__ import annotations

import pytest
from web_issues import INTRO, Newsroom
from web_newsroom import subscribe

from newsletter.app import App
from newsletter.rendering.freeze import load_build

NINTH, TENTH = "/archive/daily/2024-10-09", "/archive/daily/2024-10-10"
STORY = '[[blocks]]\ntype = "story"\nstory = "{}"\n'


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    """On the ninth a story; on the tenth one that follows it, and one that never went out."""
    found = Newsroom(app)
    subscribe(app, "ada@example.org")
    found.story("2024-10-09/really", 'tags = ["walls"]')
    found.story("2024-10-08/unsent", "tags = []")
    found.send("2024-10-09", INTRO + STORY.format("really"))
    found.story("2024-10-10/walls", 'follows = ["2024-10-09/really", "2024-10-08/unsent", "2024-10-01/none"]')
    return found


def test_a_story_that_follows_another_links_their_issues_both_ways(newsroom: Newsroom) -> None:
    sent = newsroom.send("2024-10-10", INTRO + STORY.format("walls"))
    [fact] = load_build(newsroom.app.store, sent.build).manifest["facts"]["follows"]
    assert (fact["story"], fact["earlier"], fact["issue"], fact["day"]) == (
        "2024-10-10/walls",
        "2024-10-09/really",
        "2024-10-09",
        "2024-10-09",
    )
    site = newsroom.site()
    assert f'<b>Continued on October 10:</b> <a href="{TENTH}">A story</a>' in site.get(NINTH).text
    assert f'<b>This continues an issue of October 9:</b> <a href="{NINTH}">A story</a>' in site.get(TENTH).text
    assert "Continued" not in site.get(TENTH).text
    assert "This continues" not in site.get(NINTH).text


def test_a_list_of_what_came_before_links_them_too_and_once(newsroom: Newsroom) -> None:
    previously = '[[blocks]]\ntype = "previously"\nstory = "walls"\n'
    newsroom.send("2024-10-10", INTRO + STORY.format("walls") + previously)
    site = newsroom.site()
    assert site.get(NINTH).text.count("<b>Continued on") == 1
    assert site.get(TENTH).text.count("<b>This continues") == 1


def test_an_issue_that_only_lists_what_came_before_is_linked_by_the_earlier_story(newsroom: Newsroom) -> None:
    newsroom.send("2024-10-10", INTRO + '[[blocks]]\ntype = "previously"\nstory = "walls"\n')
    assert f'<a href="{TENTH}">A story</a>' in newsroom.site().get(NINTH).text


def test_an_issue_that_goes_on_with_nothing_says_nothing_of_it(newsroom: Newsroom) -> None:
    sent = newsroom.send("2024-10-11", INTRO)
    assert "follows" not in load_build(newsroom.app.store, sent.build).manifest["facts"]
    assert "This continues" not in newsroom.site().get("/archive/daily/2024-10-11").text
