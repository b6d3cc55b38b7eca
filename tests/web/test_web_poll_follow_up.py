"""A follow-up to a poll: readers are told what they answered, in words, bars and plain text, once it is final."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lxml import html as lxml_html
from web_issues import INTRO, POLL, Newsroom
from web_newsroom import subscribe

from newsletter.app import App
from newsletter.editorial.resolve import resolve
from newsletter.errors import InputError
from newsletter.preflight.candidate import Candidate, candidate
from newsletter.preflight.facts import changed_facts
from newsletter.rendering.build import Build
from newsletter.rendering.freeze import freeze, load_build
from newsletter.sending.sends import Send

CLOSING = "closes = 2024-10-11T05:00:00\n"  # New York
CLOSES = datetime(2024, 10, 11, 9, tzinfo=UTC)
FOLLOW_UP = '[[blocks]]\ntype = "follow-up"\npoll = "2024-10-10/wall"\nanswer = "We *shall* see."\n'


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    return Newsroom(app)


@pytest.fixture
def asked(newsroom: Newsroom) -> Send:
    """Five readers were asked; three said no, one yes, and one is a program."""
    readers = [subscribe(newsroom.app, f"reader{number}@example.org").id for number in range(5)]
    sent = newsroom.send("2024-10-10", INTRO + POLL + CLOSING)
    site = newsroom.site()
    for reader, choice in zip(readers, "22211", strict=True):
        agent = "curl" if reader == readers[-1] else "Mozilla/5.0 Firefox/130"
        site.post(newsroom.vote_link(sent, reader), data={"choice": choice}, headers={"User-Agent": agent})
    return sent


def look(newsroom: Newsroom, at: datetime, follow_up: str = FOLLOW_UP, *, issue: str = "2024-10-11") -> Candidate:
    newsroom.clock.at = at
    newsroom.write(issue, INTRO + follow_up, subject="What you said of the wall, and what it may mean")
    return candidate(newsroom.app.workspace, newsroom.app.store, issue, now=at)


def words(build: Build) -> str:
    return " ".join(" ".join(lxml_html.document_fromstring(build.html).itertext()).split())


def rules(found: Candidate) -> set[str]:
    return {finding.rule for finding in found.findings}


def test_readers_are_told_what_they_answered_in_html_and_in_text(newsroom: Newsroom, asked: Send) -> None:
    found = look(newsroom, CLOSES)
    assert "POLL-OPEN" not in rules(found)
    said = words(found.build)
    assert "Yesterday we asked you Will it last? From the issue of October 10" in said
    assert "75 % of 4 said: No Answer Share Yes 25 % No 75 % Not for long 0 %" in said
    assert (
        "Left out, because they look automatic: 1. Votes were counted until 05:00 New York time on October 11." in said
    )
    tree = lxml_html.document_fromstring(found.build.html)
    assert tree.xpath("//table[.//th[@scope='row']]//th[@scope='col']/text()") == ["Answer", "Share"]
    assert [each.text.strip() for each in tree.xpath("//th[@scope='row']")] == ["Yes", "No", "Not for long"]
    assert tree.xpath("//td[@bgcolor and contains(@width, '%')]/@width") == ["25%", "75%"]
    lines = found.build.text.splitlines()
    assert "Yesterday we asked you: Will it last?" in lines
    bars = [line.replace("\u00a0", " ") for line in lines if line.startswith(("Yes ", "No ", "Not for long "))]
    assert bars == ["Yes            25 %  #####", "No             75 %  ###############", "Not for long    0 %"]
    assert "We shall see." in lines


def test_what_was_said_stands_in_the_manifest_and_is_checked_again(newsroom: Newsroom, asked: Send) -> None:
    open_still = look(newsroom, CLOSES - timedelta(hours=1))
    final = look(newsroom, CLOSES)
    [fact] = final.build.manifest["facts"]["poll_follow_ups"]
    assert (fact["poll"], fact["asked_on"], fact["votes"], fact["left_out"]) == (
        "2024-10-10/wall",
        "2024-10-10",
        [1, 3, 0],
        1,
    )
    workspace, store = newsroom.app.workspace, newsroom.app.store
    assert changed_facts(workspace, store, final.build) is None
    stale = changed_facts(workspace, store, open_still.build)
    assert stale
    assert "2024-10-10/wall" in stale.message


def test_an_open_poll_can_be_looked_at_and_not_sent(newsroom: Newsroom, asked: Send) -> None:
    found = look(newsroom, CLOSES - timedelta(minutes=1))
    [finding] = [each for each in found.findings if each.rule == "POLL-OPEN"]
    assert finding.severity == "error"
    assert "So far" in words(found.build)
    assert "Still open" in words(found.build)
    assert "The poll is open until 05:00 New York time on October 11." in words(found.build)


def test_an_issue_with_an_open_poll_does_not_go_out(newsroom: Newsroom) -> None:
    subscribe(newsroom.app, "ada@example.org")
    newsroom.send("2024-10-10", INTRO + POLL)  # open for a week
    with pytest.raises(AssertionError, match="is open until 2024-10-18 00:00 EDT"):
        newsroom.send("2024-10-11", INTRO + FOLLOW_UP)


def test_a_schedule_for_after_the_closing_does_not_close_the_poll_early(newsroom: Newsroom, asked: Send) -> None:
    newsroom.write("2024-10-11", INTRO + FOLLOW_UP)
    app, early = newsroom.app, CLOSES - timedelta(hours=2)
    found = candidate(app.workspace, app.store, "2024-10-11", now=CLOSES + timedelta(hours=1), clock=early)
    assert "POLL-OPEN" in rules(found)


def test_the_archive_leads_from_the_poll_to_its_result_and_back(newsroom: Newsroom, asked: Send) -> None:
    later = newsroom.send("2024-10-11", INTRO + FOLLOW_UP, subject="What you said of the wall, and what it may mean")
    page = newsroom.site().get("/archive/daily/2024-10-10").text
    assert "<b>Answered on October 11:</b>" in page
    assert '<a href="/archive/daily/2024-10-11">Will it last?</a>' in page
    assert "/archive/daily/2024-10-10" in load_build(newsroom.app.store, later.build).html


@pytest.mark.parametrize(
    ("written", "message", "remedy"),
    [
        ('poll = "2024-10-10/wal"', 'had the poll "2024-10-10/wal"', "2024-10-10/wall"),
        ('poll = "2024-10-01/wall"', 'had the poll "2024-10-01/wall"', "2024-10-10/wall"),
        ('poll = "2024-10-12/wall"', "of a later issue, dated 2024-10-12", "earlier"),
        ('poll = "2024-10-11/wall"', "of this very issue", "earlier"),
        ('poll = "2024-10-09/wall"', "was never asked", "take the block out"),
        ('poll = "wall"', "cannot name a poll", "2024-10-09/ask-next"),
        ('poll = "2024-10-10/wall"\nquestion = "q"', "either a `question`", ""),
        ('answer = "So."', "either a `question`", ""),
        ('poll = "2024-10-10/wall"\nstory = "s"', "leave out `story`", ""),
    ],
)
def test_a_poll_that_cannot_be_followed_up_is_named_with_its_line(
    newsroom: Newsroom, asked: Send, written: str, message: str, remedy: str
) -> None:
    for issue in ("2024-10-09", "2024-10-12"):
        newsroom.write(issue, INTRO + POLL)
    newsroom.write("2024-10-11", INTRO + f'[[blocks]]\ntype = "follow-up"\n{written}\n')
    with pytest.raises(InputError) as caught:
        resolve(newsroom.app.workspace, newsroom.app.store, "2024-10-11")
    [problem] = caught.value.problems
    assert problem.place.file == "issues/2024-10-11/issue.toml"
    assert problem.place.line
    assert message in problem.message
    assert remedy in f"{problem.message} {problem.remedy}"


def test_a_tie_and_no_votes_are_said_as_they_are(newsroom: Newsroom) -> None:
    reader = subscribe(newsroom.app, "ada@example.org").id
    sent = newsroom.send("2024-10-10", INTRO + POLL + CLOSING)
    assert "Nobody voted." in words(look(newsroom, CLOSES - timedelta(hours=1)).build)
    other = subscribe(newsroom.app, "bea@example.org").id
    site = newsroom.site()
    for voter, choice in ((reader, "1"), (other, "3")):
        newsroom.clock.at = CLOSES - timedelta(minutes=int(choice))
        site.post(newsroom.vote_link(sent, voter), data={"choice": choice})
    assert "50 % each of 2 said: Yes / Not for long" in words(look(newsroom, CLOSES).build)


def test_the_same_votes_give_the_same_build(newsroom: Newsroom, asked: Send) -> None:
    one, other = look(newsroom, CLOSES), look(newsroom, CLOSES + timedelta(hours=3))
    assert one.build.hash == other.build.hash
    freeze(newsroom.app.store, newsroom.app.workspace, one.build, now=CLOSES)
