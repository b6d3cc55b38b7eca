"""What the archive puts around a sent mail: what came later, said by us, without touching a byte of the mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html
from web_issues import INTRO, POLL, Newsroom
from web_newsroom import every_row, reopen, subscribe

from newsletter.app import App
from newsletter.rendering.freeze import load_build
from newsletter.web.public.around import Pieces, put_around
from newsletter.web.public.site import create_site

TENTH = "/archive/daily/2024-10-10"
ASKS = '[[asks]]\nid = "wall"\nquestion = "Is there a *wall*?"'
ANSWERS = '[[answers]]\nquestion = "wall"\nanswer = "There is."'
CORRECTION = '[[blocks]]\ntype = "correction"\nissue = "2024-10-10"\nwas = "It is *long*."\nis = "It is short."\n'


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    subscribe(app, "ada@example.org")
    return Newsroom(app)


def lead(story: str) -> str:
    return f'[[blocks]]\ntype = "lead"\nstory = "{story}"\n'


def said(page: str) -> str:
    tree = lxml_html.document_fromstring(page)
    return " ".join(" ".join(tree.body.itertext()).split())


def meta(page: str) -> dict[str, str]:
    tree = lxml_html.document_fromstring(page)
    return {tag.get("property") or tag.get("name"): tag.get("content") for tag in tree.xpath("//head/meta")}


def test_a_correction_stands_on_top_of_what_it_corrects_and_leads_to_the_issue_that_makes_it(
    newsroom: Newsroom,
) -> None:
    newsroom.send("2024-10-10")
    site = newsroom.site()
    assert "Correction" not in site.get(TENTH).text
    newsroom.send("2024-10-11", INTRO + CORRECTION)
    page = site.get(TENTH).text
    assert "Correction, October 11: we wrote: “It is long.” It is: “It is short.” The issue of October 11" in said(page)
    assert page.index("Correction, October 11") < page.index("Good morning")
    assert 'href="/archive/daily/2024-10-11">The issue of October 11</a>' in page
    assert "https://news.example.org/archive/daily/2024-10-10" in site.get("/archive/daily/2024-10-11").text


def test_follow_up_links_lead_both_ways(newsroom: Newsroom) -> None:
    newsroom.story("2024-10-09/asks", ASKS)
    newsroom.story("2024-10-10/answers", ANSWERS)
    newsroom.send("2024-10-09", lead("asks"))
    newsroom.send("2024-10-10", lead("answers") + '[[blocks]]\ntype = "follow-up"\nquestion = "wall"\n')
    site = newsroom.site()
    asking, answering = site.get("/archive/daily/2024-10-09").text, site.get(TENTH).text
    assert "Answered on October 10: Is there a wall?" in said(asking)
    assert f'href="{TENTH}">Is there a wall?</a>' in asking
    assert "https://news.example.org/archive/daily/2024-10-09" in answering


def test_issues_lead_to_the_one_before_the_one_after_the_index_and_the_form(newsroom: Newsroom) -> None:
    for day in ("2024-10-09", "2024-10-10", "2024-10-11"):
        newsroom.send(day, subject=f"Of {day}")
    page = newsroom.site().get(TENTH).text
    tree = lxml_html.document_fromstring(page)
    assert tree.xpath("//a[@rel='prev']/@href") == ["/archive/daily/2024-10-09"]
    assert tree.xpath("//a[@rel='next']/@href") == ["/archive/daily/2024-10-11"]
    assert "Previous issue Of 2024-10-09 Next issue Of 2024-10-11" in said(page)
    assert {"/archive/daily", "/signup"} <= set(tree.xpath("//a/@href"))


def test_a_poll_says_how_readers_vote_and_once_it_is_closed_how_they_did(newsroom: Newsroom) -> None:
    sent = newsroom.send("2024-10-10", INTRO + POLL)
    reader = subscribe(newsroom.app, "grace@example.org").id
    site = newsroom.site()
    site.post(newsroom.vote_link(sent, reader), data={"choice": "2"})
    page = site.get(TENTH).text
    assert "Readers vote by the link in their mail." in said(page)
    assert "The poll is open until the end of October 17. Then the result stands here." in said(page)
    assert "Share" not in said(page)
    tree = lxml_html.document_fromstring(page)
    options = tree.xpath("//a[starts-with(@href, '#poll')]/@href")
    assert options == ["#poll/wall/1", "#poll/wall/2", "#poll/wall/3"]
    assert {option[1:] for option in options} <= set(tree.xpath("//@id"))
    newsroom.clock.at = datetime(2024, 10, 18, 4, tzinfo=UTC)
    closed = site.get(TENTH).text
    assert "This poll is closed." in said(closed)
    assert "1 vote Answer Share Votes Yes 0% 0 No 100% 1 Not for long 0% 0" in said(closed)
    assert closed.index("Not for long") < closed.index("This poll is closed") < closed.index("You can vote")
    assert "#poll" not in closed


def test_the_mail_stands_on_its_page_byte_for_byte_and_belongs_to_no_reader(newsroom: Newsroom) -> None:
    sent = newsroom.send("2024-10-10", INTRO.replace("Good", "Good {{first_name|reader}},") + POLL)
    page = newsroom.site().get(TENTH).text
    mail = load_build(newsroom.app.store, sent.build).html.replace("{{vote_url}}", "#poll")
    mail = mail.replace("{{first_name|reader}}", "reader")
    own = re.compile(r'(<a [^>]*)"\{\{unsubscribe_url\}\}"([^>]*>)Unsubscribe</a>.*?Preferences</a>', re.DOTALL)
    mail, changed = own.subn(r'\1"/signup"\2Sign up</a>', mail)
    assert changed == 1
    assert "_url}}" not in mail
    ours = r'<div class="archived.*?</div>|<link rel="canonical".*?</style>(?=\s*</head>)'
    assert re.sub(ours, "", page, flags=re.DOTALL) == mail
    assert "Ada" not in page
    assert not re.search(r"/(?:u|p|v)/\w", page)


def test_other_sites_are_told_what_the_issue_is(newsroom: Newsroom) -> None:
    newsroom.send("2024-10-10", subject='A "wall" & <more>, {{first_name|you}}', preheader="What it <is>")
    page = newsroom.site().get(TENTH).text
    told = meta(page)
    assert told["og:title"] == 'A "wall" & <more>, you'
    assert told["og:description"] == "What it <is>"
    assert (told["og:type"], told["og:url"]) == ("article", f"https://news.example.org{TENTH}")
    assert told["article:published_time"] == "2024-10-10T10:30:00+00:00"
    assert "og:image" not in told
    tree = lxml_html.document_fromstring(page)
    assert tree.xpath("//link[@rel='canonical']/@href") == [f"https://news.example.org{TENTH}"]
    assert tree.xpath("//link[@type='application/atom+xml']/@href") == ["https://news.example.org/feed/daily.atom"]


def test_the_first_picture_of_an_issue_is_the_one_shown_for_it(site: TestClient, issue: object) -> None:
    told = meta(site.get(TENTH).text)
    assert told["og:image"].startswith("https://news.example.org/a/")
    assert told["og:image:alt"] == "A wall"


def test_hostile_words_of_a_later_issue_stay_words_on_the_earlier(newsroom: Newsroom) -> None:
    hostile = "</section></body><script>alert(1)</script> {{7*7}} {{unsubscribe_url}}"
    newsroom.send("2024-10-10")
    block = f"[[blocks]]\ntype = 'correction'\nissue = '2024-10-10'\nwas = '''{hostile}'''\nis = '''{hostile}'''\n"
    subject = f"{hostile} of the day"
    waive = "TOKEN-LEFT LINK COPY TEXT-LOST TEXT-PART SUBJ"
    newsroom.send("2024-10-11", INTRO + block, subject=subject, waive=waive)
    site = newsroom.site()
    for path in (TENTH, "/archive/daily/2024-10-11", "/archive/daily"):
        page = site.get(path).text
        tree = lxml_html.document_fromstring(page)
        assert not tree.xpath("//script")
        assert "<script>alert(1)</script>" in tree.text_content()
        assert "{{7*7}}" in tree.text_content()


def test_the_index_is_newest_first_and_fifty_to_a_page(newsroom: Newsroom) -> None:
    for day in ("2024-10-08", "2024-10-10", "2024-10-09"):
        newsroom.write(day)
    for day in ("2024-10-08", "2024-10-09", "2024-10-10"):
        newsroom.send(day, subject=f"Of {day}", preheader=f"In {day}")
    site = newsroom.site()
    page = said(site.get("/archive/daily").text)
    assert re.findall(r"Of (\S+) In", page) == ["2024-10-10", "2024-10-09", "2024-10-08"]
    assert "Thursday, October 10, 2024" in page
    assert "Page 1" not in page
    assert "3 issues" in said(site.get("/archive").text)
    for number in ("2", "0", "-1", "x", "01", "9" * 30, ""):
        assert site.get("/archive/daily", params={"page": number}).status_code == 404, number


def test_an_archive_that_search_engines_should_leave_alone_says_so_and_keeps_its_feed(
    newsroom: Newsroom, workspace: Path
) -> None:
    newsroom.send("2024-10-10")
    for path in (TENTH, "/archive/daily", "/feed/daily.atom"):
        assert newsroom.site().get(path).headers["x-robots-tag"] == "all"
    app = reopen(workspace, ('lang = "en"', 'lang = "en"\narchive = "noindex"'))
    site = TestClient(create_site(app))
    for path in (TENTH, "/archive/daily", "/feed/daily.atom"):
        answer = site.get(path)
        assert (answer.status_code, answer.headers["x-robots-tag"]) == (200, "noindex"), path
        assert ('<meta name="robots" content="noindex">' in answer.text) == path.startswith("/archive")
    app.store.close()


def test_an_archive_that_is_off_is_nowhere_and_no_page_leads_to_it(newsroom: Newsroom, workspace: Path) -> None:
    sent = newsroom.send("2024-10-10", INTRO + POLL)
    app = reopen(workspace, ('lang = "en"', 'lang = "en"\narchive = "off"'))
    site = TestClient(create_site(app))
    for path in (TENTH, "/archive/daily", "/feed/daily.atom"):
        assert site.get(path).status_code == site.head(path).status_code == 404
    vote = site.get(newsroom.vote_link(sent, 1)).text
    assert "Will it last?" in vote
    for page in (site.get("/").text, site.get("/archive").text, vote):
        assert "/archive/daily" not in page
        assert "has not gone out yet" not in page
    app.store.close()


def test_pages_may_be_kept_and_are_not_sent_again_to_who_has_them(newsroom: Newsroom) -> None:
    newsroom.send("2024-10-10")
    site = newsroom.site()
    before = every_row(newsroom.app)
    for path in (TENTH, "/archive/daily", "/archive", "/feed/daily.atom"):
        first = site.get(path)
        assert first.headers["cache-control"] == "public, max-age=300"
        etag = first.headers["etag"]
        for named in (etag, f'"x", W/{etag}', "*"):
            again = site.get(path, headers={"If-None-Match": named})
            assert (again.status_code, again.content) == (304, b"")
        assert site.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
        head = site.head(path)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
        assert site.post(path).status_code == 405
    assert every_row(newsroom.app) == before


@given(mail=st.text(st.sampled_from("<>/ab \"'=!-#poll123"), max_size=200) | st.text(max_size=60))
def test_whatever_the_mail_is_it_stays_and_the_pieces_are_in_it(mail: str) -> None:
    said = Pieces("\x01head\x01", "\x01above\x01", "\x01below\x01", {"1": "\x01poll\x01"})
    made = put_around(mail.replace("\x01", ""), said)
    assert re.sub(r"\x01\w+\x01", "", made) == mail.replace("\x01", "")
    assert all(f"\x01{piece}\x01" in made for piece in ("head", "above", "below"))


@pytest.mark.parametrize(
    ("mail", "made"),
    [
        ('<p><a class="x" href="#reader">Leave</a> &nbsp;· <a href="#reader">P<b>!</b></a> · <a href="/p">Privacy</a>',
         '<p><a class="x" href="/s?a&amp;b">Sign up</a> · <a href="/p">Privacy</a>'),
        ('<a href="#reader">A</a> and <a href="#reader">B</a>',
         '<a href="/s?a&amp;b">Sign up</a> and <a href="/s?a&amp;b">Sign up</a>'),
        ('<a href="#readers">A</a><a href="#reader">B', '<a href="#readers">A</a><a href="#reader">B'),
    ],
)  # fmt: skip
def test_links_that_were_one_readers_own_become_a_link_to_sign_up(mail: str, made: str) -> None:
    assert put_around(mail, Pieces(sign_up="/s?a&b")) == made


@pytest.mark.parametrize(
    ("mail", "made"),
    [
        ('<table><tr><td><a href="#poll/p/1">A</a></td></tr></table>B', "</table>[]B"),
        ('<table><td><div><a href="#poll/p/1">A</a><a href="#poll/p/2">B</a></div></td></table>C', "</table>[]C"),
        ('<div><p><a href="#poll/p/1">A</a></p><p><a href="#poll/p/2">B</a></p></div>C', "</p>[]</div>C"),
        ('<td><table><a href="#poll/p/1">A</a></table><table><a href="#poll/p/2">B</a></table></td>', "[]</td>"),
        ('<a href="#poll/q/1">A</a>', '<a href="#poll/q/1">A</a>'),
    ],
)  # fmt: skip
def test_what_belongs_to_a_poll_goes_under_all_of_its_options(mail: str, made: str) -> None:
    assert put_around(mail, Pieces(under_polls={"p": "[]"})).endswith(made)
