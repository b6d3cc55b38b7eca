"""A poll that closes has its result for good; what looks like a machine's vote is kept apart and tells nobody off."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select
from typer.testing import CliRunner
from web_issues import INTRO, POLL, Newsroom
from web_newsroom import subscribe

from newsletter.app import App
from newsletter.audience.links import Purpose, sign_reader
from newsletter.cli.root import cli
from newsletter.editorial.polls import Poll, polls_in
from newsletter.editorial.results import Known, freeze_closed, freeze_issue, tally_of
from newsletter.editorial.votes import Cast, Tally, ballot, cast
from newsletter.feedback.polled import polls
from newsletter.rendering.freeze import load_build
from newsletter.sending.erasure import erase_reader
from newsletter.sending.sends import Send
from newsletter.store.tables import poll_results, votes

CLOSES = datetime(2024, 10, 18, 4, tzinfo=UTC)  # the end of October 17 in New York
TENTH = "/archive/daily/2024-10-10"
SECOND = POLL.replace('"wall"', '"gate"').replace("Will it last", "Is there a gate")


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    return Newsroom(app)


@pytest.fixture
def readers(newsroom: Newsroom) -> list[int]:
    return [subscribe(newsroom.app, f"reader{number}@example.org").id for number in range(4)]


@pytest.fixture
def sent(newsroom: Newsroom, readers: list[int]) -> Send:
    return newsroom.send("2024-10-10", INTRO + POLL + SECOND)


@pytest.fixture
def voting(newsroom: Newsroom, sent: Send) -> TestClient:
    return newsroom.site()


def poll_of(newsroom: Newsroom, send: Send) -> Poll:
    return next(polls_in(load_build(newsroom.app.store, send.build).manifest["facts"]))


def tally(newsroom: Newsroom, send: Send) -> Tally:
    with newsroom.app.store.read() as connection:
        return tally_of(connection, send.issue, poll_of(newsroom, send))


def erase(newsroom: Newsroom, reader: int) -> None:
    app = newsroom.app
    erase_reader(app.store, app.workspace, app.keys, subscriber_id=reader, actor="ed", now=app.now())


def results(newsroom: Newsroom) -> int:
    with newsroom.app.store.read() as connection:
        return len(connection.execute(select(poll_results)).all())


def test_whatever_becomes_of_the_votes_a_closed_poll_keeps_its_numbers(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    for reader, choice in zip(readers, "1122", strict=True):
        voting.post(newsroom.vote_link(sent, reader), data={"choice": choice})
    assert freeze_closed(newsroom.app.store, CLOSES - timedelta(seconds=1)) == 0
    assert freeze_closed(newsroom.app.store, CLOSES) == 2
    erase(newsroom, readers[1])
    with newsroom.app.store.write() as connection:
        connection.execute(delete(votes))
    assert tally(newsroom, sent) == Tally({1: 2, 2: 2, 3: 0}, 0, final=True)
    newsroom.clock.at = CLOSES
    assert "<caption>4 votes</caption>" in voting.get(TENTH).text
    with newsroom.app.store.read() as connection:
        assert polls(connection, sent)[0]["votes"] == 4


def test_a_result_is_written_once_whoever_comes_to_it(newsroom: Newsroom, sent: Send) -> None:
    store = newsroom.app.store
    known: Known = {}
    assert freeze_closed(store, CLOSES, known=known) == 2
    assert list(known) == [sent.build]
    assert freeze_closed(store, CLOSES, known=known) == freeze_issue(store, sent.issue, CLOSES) == 0
    assert results(newsroom) == 2


def test_a_vote_that_waited_while_the_result_was_written_comes_too_late(
    newsroom: Newsroom, sent: Send, readers: list[int]
) -> None:
    before = CLOSES - timedelta(milliseconds=1)
    freeze_closed(newsroom.app.store, CLOSES)
    with newsroom.app.store.write() as connection:
        mine = ballot(connection, readers[0], send=sent.id, newsletter="daily", poll="wall")
        assert mine
        assert cast(connection, mine, 1, now=before) is Cast.CLOSED
    assert tally(newsroom, sent).total == 0


@pytest.mark.parametrize("agent", ["curl/8.5", "Barracuda Sentinel (EE)", ""])
def test_a_programs_vote_is_left_out_and_a_persons_after_it_counts(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int], agent: str
) -> None:
    link = newsroom.vote_link(sent, readers[0])
    answer = voting.post(link, data={"choice": "2"}, headers={"User-Agent": agent})
    assert answer.status_code == 200
    assert "You voted for “No”." in answer.text
    assert not {"counted:", "left out", "automatic", "program"} & set(answer.text.split())
    assert tally(newsroom, sent) == Tally({}, 1)
    assert "Your vote is counted: “No”." in voting.post(link, data={"choice": "2"}).text
    assert tally(newsroom, sent) == Tally({2: 1}, 0)


def test_a_machine_never_takes_the_place_of_a_persons_vote(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    link = newsroom.vote_link(sent, readers[0])
    voting.post(link, data={"choice": "1"})
    answer = voting.post(link, data={"choice": "3"}, headers={"User-Agent": "python-requests/2"})
    assert "You voted for “Yes”." in answer.text
    assert tally(newsroom, sent) == Tally({1: 1}, 0)


def test_a_vote_the_moment_the_mail_arrives_is_a_machines(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    assert sent.first_handover_at
    newsroom.clock.at = sent.first_handover_at + timedelta(seconds=1)
    voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"})
    assert tally(newsroom, sent) == Tally({}, 1)


def test_of_several_answers_in_one_moment_none_counts(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    at = newsroom.clock.at
    for poll in ("gate", "wall"):
        newsroom.clock.at = at
        voting.post(newsroom.vote_link(sent, readers[0], poll=poll), data={"choice": "1"})
    with newsroom.app.store.read() as connection:
        assert set(connection.scalars(select(votes.c.suspect))) == {"many at once"}
    newsroom.clock.at = at + timedelta(minutes=1)
    voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "1"})
    assert tally(newsroom, sent) == Tally({1: 1}, 0)


def test_the_archive_says_how_many_were_left_out(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    for reader, agent in zip(readers, ["Mozilla/5.0 Firefox", "curl", "wget", "Mozilla/5.0 Firefox"], strict=True):
        voting.post(newsroom.vote_link(sent, reader), data={"choice": "1"}, headers={"User-Agent": agent})
    newsroom.clock.at = CLOSES
    page = voting.get(TENTH).text
    assert "2 votes that came from a program rather than a reader are left out." in page


def test_the_polls_are_listed_and_shown_as_they_stand(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int], workspace: Path
) -> None:
    voting.post(newsroom.vote_link(sent, readers[0]), data={"choice": "2"})

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["-w", str(workspace), "poll", *words])
        assert done.exit_code == 0, done.output
        return done.output

    found = json.loads(run("list", "--json"))["polls"]  # by the real clock both are long closed
    assert [(each["poll"], each["votes"], each["final"]) for each in found] == [
        ("2024-10-10/wall", 1, True),
        ("2024-10-10/gate", 0, True),
    ]
    assert json.loads(run("show", "2024-10-10/wall", "--json"))["options"][1] == {
        "option": "No",
        "votes": 1,
        "percent": 100,
    }
    assert "closed" in run("list")
    missing = CliRunner().invoke(cli, ["-w", str(workspace), "poll", "show", "2024-10-10/wal"])
    assert missing.exit_code != 0
    assert "2024-10-10/wall" in str(missing.exception)


def test_a_forged_link_neither_votes_nor_marks_anything(
    newsroom: Newsroom, voting: TestClient, sent: Send, readers: list[int]
) -> None:
    token = sign_reader(newsroom.app.keys, Purpose.PREFERENCES, readers[0], sent.newsletter, sent.id)
    assert voting.post(f"/v/{token}/wall/1", data={"choice": "1"}).status_code == 404
    assert tally(newsroom, sent) == Tally({}, 0)
