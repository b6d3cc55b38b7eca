"""A reader votes by the link in her mail: looking changes nothing, the button counts once, until the poll closes."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from lxml import html as lxml_html
from sqlalchemy import select, update
from web_issues import INTRO, POLL, Newsroom
from web_newsroom import every_row, reopen, subscribe

from newsletter.app import App
from newsletter.audience.links import Purpose, sign_reader
from newsletter.sending.sends import Send
from newsletter.store.tables import subscribers, votes
from newsletter.web.public.site import create_site

CLOSES = datetime(2024, 10, 18, 4, tzinfo=UTC)  # the end of October 17 in New York


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    return Newsroom(app)


@pytest.fixture
def readers(app: App) -> list[int]:
    return [subscribe(app, f"reader{number}@example.org").id for number in range(4)]


@pytest.fixture
def sent(newsroom: Newsroom, readers: list[int]) -> Send:
    return newsroom.send("2024-10-10", INTRO + POLL)


@pytest.fixture
def voting(newsroom: Newsroom, sent: Send) -> TestClient:
    return newsroom.site()


def said(page: str) -> str:
    tree = lxml_html.document_fromstring(page)
    return " ".join(" ".join(tree.xpath("//main")[0].itertext()).split())


def counted(app: App) -> list[tuple[str, str, int, int]]:
    query = select(votes.c.issue, votes.c.poll, votes.c.subscriber_id, votes.c.choice)
    with app.store.read() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(votes.c.subscriber_id))]


def test_the_links_in_the_mail_lead_to_the_poll_with_their_option_chosen(
    newsroom: Newsroom, voting: TestClient, app: App
) -> None:
    mail = next(app.workspace.outbox.rglob("*.eml")).read_bytes().decode()
    links = re.findall(r"https://news\.example\.org(/v/\S+/wall/\d)", mail.replace("=\r\n", "").replace("=\n", ""))
    assert len(links) >= 3
    for link in links[:3]:
        page = voting.get(link)
        assert page.status_code == 200
        tree = lxml_html.document_fromstring(page.text)
        assert tree.xpath("//input[@type='radio']/@value") == ["1", "2", "3"]
        assert tree.xpath("//input[@checked]/@value") == [link[-1]]
        assert tree.xpath("count(//button)") == 1
        assert "Will it last?" in said(page.text)
        assert "until the end of October 17" in said(page.text)


def test_looking_changes_nothing_and_shows_no_result_before_the_vote(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    voting.post(newsroom.vote_link(sent, readers[1]), data={"choice": "2"})
    before = every_row(newsroom.app)
    link = newsroom.vote_link(sent, readers[0])
    assert "<table" not in voting.get(link).text
    assert voting.head(link).status_code == 200
    voting.get(link, params={"choice": "1"})
    assert every_row(newsroom.app) == before


def test_a_vote_is_counted_once_shown_with_the_tally_and_may_be_changed(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int], app: App
) -> None:
    for reader in readers[1:]:
        voting.post(newsroom.vote_link(sent, reader), data={"choice": "2"})
    link = newsroom.vote_link(sent, readers[0], option=1)
    first = voting.post(link, data={"choice": "1"})
    assert first.status_code == 200
    assert "Your vote is counted: “Yes”. You can change it until the end of October 17." in said(first.text)
    assert "4 votes so far" in said(first.text)
    assert "Yes (your vote) 25% 1 No 75% 3 Not for long 0% 0" in said(first.text)
    voting.post(link, data={"choice": "1"})
    assert [row[3] for row in counted(app)] == [1, 2, 2, 2]
    changed = voting.post(link, data={"choice": "3"})
    assert "Yes 0% 0 No 75% 3 Not for long (your vote) 25% 1" in said(changed.text)
    again = voting.get(link)
    assert "You voted for “Not for long”. You can change it until the end of October 17." in said(again.text)
    assert [row[3] for row in counted(app)] == [3, 2, 2, 2]


def test_another_answers_link_is_offered_as_a_change_beside_the_vote_that_stands(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    voting.post(newsroom.vote_link(sent, readers[0], option=1), data={"choice": "1"})
    page = voting.get(newsroom.vote_link(sent, readers[0], option=2))
    assert "You voted for “Yes”." in said(page.text)
    assert "The link you followed is for “No”. To change your vote to it, press Vote." in said(page.text)
    tree = lxml_html.document_fromstring(page.text)
    assert tree.xpath("//input[@checked]/@value") == ["2"]
    assert [each.text_content() for each in tree.xpath("//label[span]")] == [" Yes (your vote)"]
    own = voting.get(newsroom.vote_link(sent, readers[0], option=1))
    assert "The link you followed" not in said(own.text)
    assert counted(newsroom.app)[0][3] == 1


def test_the_tally_is_a_table_that_a_screen_reader_can_read(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    page = voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"}).text
    tree = lxml_html.document_fromstring(page)
    assert tree.xpath("//table/caption")[0].text_content() == "1 vote so far"
    assert [cell.text for cell in tree.xpath("//thead//th[@scope='col']")] == ["Answer", "Share", "Votes"]
    assert len(tree.xpath("//tbody//th[@scope='row']")) == 3
    assert all(picture.get("aria-hidden") == "true" for picture in tree.xpath("//svg"))
    assert "style=" not in page


@pytest.mark.parametrize(
    ("second", "counts"),
    [(datetime(2024, 10, 18, 3, 59, 59, 999999, tzinfo=UTC), True), (CLOSES, False)],
)
def test_the_last_moment_counts_and_the_closing_moment_does_not(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int], second: datetime, counts: bool
) -> None:
    newsroom.clock.at = second
    answer = voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"})
    assert answer.status_code == (200 if counts else 409)
    assert bool(counted(newsroom.app)) is counts
    assert ("Too late" in said(answer.text)) is not counts


def test_on_the_night_the_clocks_go_back_the_poll_closes_when_the_day_ends(
    newsroom: Newsroom, readers: list[int]
) -> None:
    sent = newsroom.send("2024-11-02", INTRO + POLL + "closes = 2024-11-03\n")
    site = newsroom.site()
    newsroom.clock.at = datetime(2024, 11, 4, 4, 59, 59, tzinfo=UTC)  # 25 hours after the day began
    assert site.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"}).status_code == 200
    newsroom.clock.at = datetime(2024, 11, 4, 5, tzinfo=UTC)
    assert site.post(newsroom.vote_link(sent, readers[1]), data={"choice": "1"}).status_code == 409


def test_after_closing_everyone_asked_sees_the_tally_and_nobody_a_form(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "2"})
    newsroom.clock.at = CLOSES
    for reader, mine in ((readers[0], True), (readers[1], False)):
        page = voting.get(newsroom.vote_link(sent, reader))
        assert page.status_code == 200
        assert "This poll is closed: votes were counted until the end of October 17." in said(page.text)
        assert "<form" not in page.text
        assert ("You voted for “No”." in said(page.text)) is mine
    late = voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"})
    assert "Too late: votes were counted until the end of October 17, and this one was not." in said(late.text)
    assert "You voted for “No”." in said(late.text)


def test_a_choice_that_was_not_offered_is_refused_in_words(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    before = every_row(newsroom.app)
    for choice in ("0", "4", "-1", "", "1.0", "one", "１", " 1", "99999999999999999999", None):
        answer = voting.post(newsroom.vote_link(sent, readers[0]), data={} if choice is None else {"choice": choice})
        assert answer.status_code == 422, choice
        assert "Please choose one of the answers: this time nothing was counted." in said(answer.text)
        assert "<form" in answer.text
    assert every_row(newsroom.app) == before


def test_a_link_to_an_option_that_is_none_shows_the_poll_with_nothing_chosen(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    for option in ("0", "9", "x", "%00", "１"):
        page = voting.get(newsroom.vote_link(sent, readers[0], option=option))
        assert page.status_code == 200, option
        assert "checked" not in page.text


def test_a_link_that_is_not_ours_gets_a_page_in_words_and_changes_nothing(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    app, reader = newsroom.app, readers[0]
    good = newsroom.vote_link(sent, reader).split("/")[2]
    other_purpose = sign_reader(app.keys, Purpose.UNSUBSCRIBE, reader, "daily", sent.id)
    wrong = [
        "x",
        good[:-4],
        good[:-1] + ("A" if good[-1] != "A" else "Q"),
        other_purpose,
        sign_reader(app.keys, Purpose.VOTE, reader, "daily"),  # of no send
        sign_reader(app.keys, Purpose.VOTE, reader, "daily", "nosuchid"),
        sign_reader(app.keys, Purpose.VOTE, reader, "weekly", sent.id),  # of another newsletter
        sign_reader(app.keys, Purpose.VOTE, 999_999, "daily", sent.id),
        "%00",
        "a" * 5000,
    ]
    before = every_row(app)
    paths = [f"/v/{token}/wall/1" for token in wrong] + [f"/v/{good}/other/1", f"/v/{good}", f"/v/{good}/wall"]
    for path in paths:
        for answer in (voting.get(path), voting.post(path, data={"choice": "1"})):
            assert answer.status_code == 404, path
            assert "Open the link from the mail once more" in answer.text
    assert every_row(app) == before


def test_an_erased_readers_link_no_longer_votes(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    app = newsroom.app
    with app.store.write() as connection:
        gone = update(subscribers).where(subscribers.c.id == readers[0])
        connection.execute(gone.values(erased_at=app.now(), address=None))
    answer = voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"})
    assert answer.status_code == 404
    assert answer.text == voting.post("/v/x/wall/1", data={"choice": "1"}).text
    assert counted(app) == []


def test_each_reader_answers_the_build_she_got_and_one_poll_is_counted_as_one(
    newsroom: Newsroom, readers: list[int]
) -> None:
    first = newsroom.send("2024-10-10", INTRO + POLL)
    late = subscribe(newsroom.app, "late@example.org").id
    other = POLL.replace('"wall"', '"wall-2"').replace('"Yes", "No"', '"No", "Yes"')
    second = newsroom.send("2024-10-10", INTRO.replace("Good", "Fine") + other + POLL, rest=True)
    site = newsroom.site()
    assert site.get(newsroom.vote_link(first, readers[0], poll="wall-2")).status_code == 404
    site.post(newsroom.vote_link(first, readers[0]), data={"choice": "1"})
    site.post(newsroom.vote_link(second, late, poll="wall-2"), data={"choice": "1"})
    page = site.post(newsroom.vote_link(second, late), data={"choice": "1"})
    assert "Yes (your vote) 100% 2" in said(page.text)
    assert {row[:2] for row in counted(newsroom.app)} == {("2024-10-10", "wall"), ("2024-10-10", "wall-2")}


def test_hostile_words_stay_words(newsroom: Newsroom, readers: list[int]) -> None:
    hostile = "</title><script>alert(1)</script> {{7*7}} \" onload='x' & *so* {{first_name|you}}"
    options = [f"{hostile} {number}" for number in (1, 2)]
    quoted = ", ".join("'''" + option + "'''" for option in options)
    poll = f"[[blocks]]\ntype = 'poll'\nid = 'wall'\nquestion = '''{hostile}'''\noptions = [{quoted}]\n"
    sent = newsroom.send("2024-10-10", INTRO + poll, waive="TOKEN-LEFT LINK COPY TEXT-LOST TEXT-PART")
    site = newsroom.site()
    link = newsroom.vote_link(sent, readers[0])
    for answer in (site.get(link), site.post(link, data={"choice": "1"}), site.get("/archive/daily/2024-10-10")):
        assert answer.status_code == 200
        tree = lxml_html.document_fromstring(answer.text)
        assert not tree.xpath("//script | //@onload")
        assert "{{7*7}}" in tree.text_content()
        assert "{{first_name" not in answer.text
        assert "<script>alert(1)</script>" in html.unescape(tree.text_content())


def test_a_newsletter_given_up_since_still_counts_and_shows_its_votes(
    newsroom: Newsroom, sent: Send, readers: list[int], workspace: Path
) -> None:
    app = reopen(workspace, ("newsletters.daily", "newsletters.weekly"))
    site = TestClient(create_site(replace(app, now=newsroom.clock)))
    answer = site.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"})
    assert "Your vote is counted: “Yes”. You can change it until 04:00 UTC on October 18." in said(answer.text)
    app.store.close()
