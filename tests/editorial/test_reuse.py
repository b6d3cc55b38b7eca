"""What readers had before: the same story, or the same words under another name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from newsroom import Newsroom

from newsletter.app import App
from newsletter.editorial.memory import Memory, remember
from newsletter.editorial.resolve import resolve

COPY = "The wall is thirteen kilometres long, and nobody has walked along it."
LEAD = '[[blocks]]\ntype = "lead"\nstory = "{}"\n'


@pytest.fixture
def memory(app: App, newsroom: Newsroom, send_row: Callable[..., None]) -> Callable[[str], Memory]:
    """After two issues, of which only the first went out: what comes to mind about one that leads with a story."""
    for day in ("2024-10-08", "2024-10-09"):
        newsroom.issue(day, LEAD.format("wall"))
        newsroom.story(f"{day}/wall", 'title = "Wall"', body=COPY if day == "2024-10-08" else f"{COPY} Until now.")
    send_row("2024-10-08", handed_over=datetime(2024, 10, 8, 11, tzinfo=UTC), stories=["2024-10-08/wall"])

    def remembered(lead: str) -> Memory:
        newsroom.issue("2024-10-10", LEAD.format(lead))
        return remember(app.workspace, app.store, resolve(app.workspace, app.store, "2024-10-10"))

    return remembered


def test_a_story_that_went_out_is_named_with_its_issue_and_day(memory: Callable[[str], Memory]) -> None:
    [found] = memory("2024-10-08/wall").reused
    assert str(found.place) == "issues/2024-10-08/wall.md:2"
    assert found.message == "“Wall” went out before in 2024-10-08, on 2024-10-08."


def test_one_whose_issue_never_went_out_is_new_to_readers(memory: Callable[[str], Memory]) -> None:
    assert memory("2024-10-09/wall").reused == ()


def test_a_copy_is_known_by_its_words_however_they_are_wrapped(
    memory: Callable[[str], Memory], newsroom: Newsroom
) -> None:
    newsroom.story("_inbox/again", 'title = "Another headline"', body=COPY.replace(" is ", "\nIS "))
    [found] = memory("_inbox/again").reused
    assert "went out before as 2024-10-08/wall, word for word, in 2024-10-08" in found.message


def test_a_few_words_are_no_copy_and_what_is_shared_is_there_to_be_used_again(
    memory: Callable[[str], Memory], newsroom: Newsroom
) -> None:
    newsroom.story("2024-10-08/short", body="Text.")
    newsroom.story("_inbox/short", body="Text.")
    newsroom.story("_shared/wall", body=COPY)
    assert memory("_inbox/short").reused == ()
    assert memory("_shared/wall").reused == ()


def test_a_follow_up_to_a_question_nobody_was_asked_is_said_at_its_block(
    memory: Callable[[str], Memory], newsroom: Newsroom
) -> None:
    newsroom.story("2024-10-09/wall", '[[asks]]\nid = "long"\nquestion = "How long?"')
    follow_up = '[[blocks]]\ntype = "follow-up"\nquestion = "long"\nanswer = "Thirteen."\n'
    newsroom.issue("2024-10-09", LEAD.format("wall"))
    [found] = memory('2024-10-08/wall"\n' + follow_up + '[[blocks]]\ntype = "divider"\nid = "end').questions
    assert str(found.place) == "issues/2024-10-10/issue.toml:6"
    assert "2024-10-09/wall, which asks it, never went out" in found.message
