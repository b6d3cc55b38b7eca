"""The Atom feed: valid by RFC 4287, entries that keep their names, and a change when a correction comes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from lxml import etree
from web_issues import INTRO, Newsroom
from web_newsroom import reopen, subscribe

from newsletter.app import App
from newsletter.web.public.site import create_site

FEED = "/feed/daily.atom"
A = {"a": "http://www.w3.org/2005/Atom"}
CORRECTION = '[[blocks]]\ntype = "correction"\nissue = "2024-10-10"\nwas = "It is *long* & {}."\nis = "It is short."\n'
# What RFC 4287, section 4.1, allows and asks for: element -> (least, most).
FEED_RULE = {"id": (1, 1), "title": (1, 1), "updated": (1, 1), "author": (1, 9), "subtitle": (0, 1), "link": (1, 9)}
ENTRY_RULE = {"id": (1, 1), "title": (1, 1), "updated": (1, 1), "published": (0, 1), "summary": (0, 1), "link": (1, 9)}


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    subscribe(app, "ada@example.org")
    return Newsroom(app)


def read(site: TestClient) -> etree._Element:
    answer = site.get(FEED)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/atom+xml")
    root = etree.fromstring(answer.content)
    assert_valid(root)
    return root


def assert_valid(root: etree._Element) -> None:
    """The rules of RFC 4287 for what this feed uses."""
    assert root.tag == f"{{{A['a']}}}feed"
    for parent, rule in ((root, FEED_RULE), *((entry, ENTRY_RULE) for entry in root.findall("a:entry", A))):
        names = [etree.QName(child).localname for child in parent]
        assert set(names) <= {*rule, "entry"}
        assert all(least <= names.count(name) <= most for name, (least, most) in rule.items()), names
        for moment in (*parent.findall("a:updated", A), *parent.findall("a:published", A)):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment.text or "")
        relations = [(link.get("rel"), link.get("type")) for link in parent.findall("a:link", A)]
        assert len(relations) == len(set(relations))
        assert all((link.get("href") or "").startswith("https://") for link in parent.findall("a:link", A))
    assert root.findtext("a:author/a:name", namespaces=A)
    ids = [entry.findtext("a:id", namespaces=A) for entry in root.findall("a:entry", A)]
    assert len(set(ids)) == len(ids)
    assert root.find("a:link[@rel='self']", A) is not None


def texts(root: etree._Element, name: str) -> list[str | None]:
    return [entry.findtext(f"a:{name}", namespaces=A) for entry in root.findall("a:entry", A)]


def test_each_issue_is_an_entry_the_newest_first_with_its_preheader(newsroom: Newsroom) -> None:
    newsroom.send("2024-10-09", subject="First")
    newsroom.send("2024-10-10", subject="A <b>wall</b> & {{first_name|you}}", preheader="]]> & what it is")
    root = read(newsroom.site())
    assert texts(root, "title") == ["A <b>wall</b> & you", "First"]
    assert texts(root, "summary")[0] == "]]> & what it is"
    assert texts(root, "published") == ["2024-10-10T10:30:00Z", "2024-10-09T10:30:00Z"]
    links = [entry.find("a:link", A).get("href") for entry in root.findall("a:entry", A)]  # type: ignore[union-attr]
    assert links[0] == "https://news.example.org/archive/daily/2024-10-10"
    assert root.findtext("a:updated", namespaces=A) == "2024-10-10T10:30:00Z"


def test_a_correction_changes_the_entry_it_is_about_and_not_its_name(newsroom: Newsroom) -> None:
    newsroom.send("2024-10-10")
    site = newsroom.site()
    before = read(site)
    newsroom.send("2024-10-11", INTRO + CORRECTION)
    after = read(site)
    assert texts(after, "id")[1] == texts(before, "id")[0]
    assert texts(after, "updated") == ["2024-10-11T10:30:00Z", "2024-10-11T10:30:00Z"]
    assert texts(after, "published")[1] == "2024-10-10T10:30:00Z"
    assert "Correction, October 11: we wrote: “It is long & {}.” It is: “It is short.”" in (
        texts(after, "summary")[1] or ""
    )


def test_names_stay_when_the_site_moves(newsroom: Newsroom, workspace: Path) -> None:
    newsroom.send("2024-10-10")
    before = texts(read(newsroom.site()), "id")
    app = reopen(workspace, ("https://news.example.org", "https://example.org/news"))
    site = TestClient(create_site(app), base_url="https://example.org")
    assert texts(read(site), "id") == before
    app.store.close()


def test_a_feed_without_issues_is_valid_too(newsroom: Newsroom) -> None:
    assert texts(read(newsroom.site()), "id") == []


def test_a_feed_reader_that_has_it_is_told_so_by_name_or_by_date(newsroom: Newsroom) -> None:
    newsroom.send("2024-10-10")
    site = newsroom.site()
    changed = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
    assert site.get(FEED).headers["last-modified"] == "Thu, 10 Oct 2024 10:30:00 GMT"

    def status(**headers: str) -> int:
        return site.get(FEED, headers={name.replace("_", "-"): value for name, value in headers.items()}).status_code

    at, earlier = (format_datetime(moment, usegmt=True) for moment in (changed, changed - timedelta(seconds=1)))
    assert status(If_Modified_Since=at) == 304
    assert status(If_Modified_Since=earlier) == 200
    assert status(If_Modified_Since=at, If_None_Match='"other"') == 200  # the name decides
    for nonsense in ("", "yesterday", "Thu, 99 Oct 2024", "\x7f"):
        assert status(If_Modified_Since=nonsense) == 200


def test_only_feeds_that_there_are_are_found(newsroom: Newsroom) -> None:
    site = newsroom.site()
    for path in ("/feed/weekly.atom", "/feed/daily", "/feed/daily.rss", "/feed/.atom", "/feed/%00.atom", "/feed/"):
        assert site.get(path).status_code == 404, path
