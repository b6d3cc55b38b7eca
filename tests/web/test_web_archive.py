"""An issue read online is the build that was sent, and belongs to no reader."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from web_newsroom import ISSUE, make_build, publish

from newsletter.app import App
from newsletter.rendering.build import Build

ADDRESS = f"/archive/daily/{ISSUE}"


def test_a_sent_issue_is_shown_without_any_readers_fields(site: TestClient, issue: Build) -> None:
    answer = site.get(ADDRESS)
    assert answer.status_code == 200
    assert "Good morning, reader." in answer.text
    assert "Unsubscribe" not in answer.text
    assert '<a href="/signup">Sign up</a>' in answer.text
    assert "{{" not in answer.text


def test_the_mails_own_style_and_images_load_and_nothing_else_does(site: TestClient, issue: Build) -> None:
    policy = site.get(ADDRESS).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "img-src 'self' https://news.example.org;" in policy
    assert "script-src" not in policy


def test_the_newest_build_that_was_sent_is_shown_and_never_one_that_was_not(site: TestClient, app: App) -> None:
    publish(app, make_build("<p>second</p>"), send="aaaaaaa2", minute=20)
    publish(app, make_build("<p>first</p>"), send="zzzzzzz2", minute=10)
    publish(app, make_build("<p>planned</p>"), send="bbbbbbb2")
    page = site.get(ADDRESS).text
    assert "<p>second</p>" in page
    assert "first" not in page
    assert "planned" not in page


def test_an_issue_that_has_not_gone_out_is_not_found(site: TestClient, app: App) -> None:
    publish(app, make_build("<p>secret</p>"))
    assert site.get(ADDRESS).status_code == 404


@pytest.mark.parametrize(
    "address",
    ["/archive/weekly/2024-10-10", "/archive/daily/2024-10-11", "/archive/daily/%00", "/archive/%2e%2e/x", "/archive/"],
)
def test_what_was_never_sent_has_a_page_that_says_so(site: TestClient, issue: Build, address: str) -> None:
    answer = site.get(address)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_the_front_page_names_the_newsletter_and_leads_to_the_latest_issue(
    site: TestClient, app: App, issue: Build
) -> None:
    page = site.get("/").text
    assert "The Meridian" in page
    assert f'href="{ADDRESS}"' in page


def test_the_front_page_of_a_new_newsroom_says_that_nothing_went_out_yet(site: TestClient) -> None:
    assert "has not gone out yet" in site.get("/").text
