"""Follow-ups: who asked, when, and what there is to answer, over real files and real rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from newsroom import Newsroom

from newsletter.app import App
from newsletter.editorial import questions
from newsletter.editorial.resolve import FollowUp, ResolvedIssue, resolve
from newsletter.errors import InputError

ASKS = '[[asks]]\nid = "nk-troops"\nquestion = "Are they really fighting?"\n'
ANSWERS = '[[answers]]\nquestion = "nk-troops"\nanswer = "Apparently **yes**."\n'
BLOCK = '[[blocks]]\ntype = "follow-up"\nquestion = "nk-troops"\n'
LEAD = '[[blocks]]\ntype = "lead"\nstory = "{}"\n'


@pytest.fixture
def asked(newsroom: Newsroom) -> Newsroom:
    """The ninth asked; the tenth has a story that answers."""
    newsroom.issue("2024-10-09", LEAD.format("really"))
    newsroom.story("2024-10-09/really", ASKS)
    newsroom.story("2024-10-10/walls", ANSWERS)
    newsroom.issue("2024-10-10", LEAD.format("walls") + BLOCK)
    return newsroom


@pytest.fixture
def resolved(app: App) -> Callable[..., ResolvedIssue]:
    def resolve_issue(issue: str = "2024-10-10") -> ResolvedIssue:
        return resolve(app.workspace, app.store, issue)

    return resolve_issue


@pytest.fixture
def said(resolved: Callable[..., ResolvedIssue]) -> Callable[..., FollowUp]:
    def follow_up(issue: str = "2024-10-10") -> FollowUp:
        (found,) = [block.follow_up for block in resolved(issue).blocks if block.follow_up]
        return found

    return follow_up


def problem(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def test_a_question_asked_yesterday_is_tied_to_todays_answer(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    assert said() == FollowUp(
        question_id="nk-troops",
        question="Are they really fighting?",
        lead_in="Yesterday we asked",
        answer_label="Today",
        answer="Apparently **yes**.",
        status="answered",
        asked_in="2024-10-09",
        asked_on=date(2024, 10, 9),
        asking_story="2024-10-09/really",
        answering_story="2024-10-10/walls",
    )


def test_what_was_found_is_frozen_into_the_facts_and_the_sources(
    asked: Newsroom, resolved: Callable[..., ResolvedIssue]
) -> None:
    found = resolved()

    assert found.facts["follow_ups"] == [
        {
            "question": "nk-troops",
            "asked": "Are they really fighting?",
            "asked_in": "2024-10-09",
            "asked_on": "2024-10-09",
            "lead_in": "Yesterday we asked",
            "asking_story": "2024-10-09/really",
            "answering_story": "2024-10-10/walls",
            "status": "answered",
        }
    ]
    assert set(found.sources) == {
        "issues/2024-10-10/issue.toml",
        "issues/2024-10-09/really.md",
        "issues/2024-10-10/walls.md",
    }


# -- when --------------------------------------------------------------------------------------------------------------


def test_the_words_follow_the_send_not_the_date_of_the_issue(
    asked: Newsroom, said: Callable[..., FollowUp], send_row: Callable[..., None]
) -> None:
    """The ninth's issue went out late, after midnight in New York: to its readers it came today."""
    send_row("2024-10-09", handed_over=datetime(2024, 10, 10, 4, 30, tzinfo=UTC))

    assert said().lead_in == "Earlier today we asked"


def test_an_issue_due_and_not_sent_asked_nothing(
    asked: Newsroom, said: Callable[..., FollowUp], send_row: Callable[..., None]
) -> None:
    send_row("2024-10-08", handed_over=datetime(2024, 10, 8, 11, tzinfo=UTC))

    found = said()
    assert (found.lead_in, found.asked_in, found.asked_on) == ("The question", "2024-10-09", None)


def test_a_rehearsal_counts_on_the_issues_own_date(
    asked: Newsroom, said: Callable[..., FollowUp], send_row: Callable[..., None]
) -> None:
    send_row("2024-10-09", handed_over=datetime(2026, 1, 1, tzinfo=UTC), waived=True)

    assert said().lead_in == "Yesterday we asked"


def test_the_clock_has_no_part_in_it(asked: Newsroom, app: App, said: Callable[..., FollowUp]) -> None:
    asked.issue("2024-10-20", BLOCK)

    assert said("2024-10-20").lead_in == "Last Wednesday we asked"
    assert said("2024-10-10").lead_in == "Yesterday we asked"


def test_a_story_that_asks_but_was_left_out_of_its_issue_did_not_ask(
    asked: Newsroom, said: Callable[..., FollowUp]
) -> None:
    asked.issue("2024-10-09")

    found = said()
    assert (found.lead_in, found.asked_in, found.asking_story) == ("The question", None, "2024-10-09/really")


def test_a_story_asks_in_the_issue_that_took_it_in(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.issue("2024-10-07")
    asked.story("2024-10-07/really", ASKS)
    (asked.root / "issues/2024-10-09/really.md").unlink()
    asked.issue("2024-10-09", LEAD.format("2024-10-07/really"))

    assert (said().asked_in, said().lead_in) == ("2024-10-09", "Yesterday we asked")


def test_where_an_issue_was_sent_its_build_says_what_it_carried(
    asked: Newsroom, said: Callable[..., FollowUp], send_row: Callable[..., None]
) -> None:
    """Taking a question out of an issue after it was sent does not unask it, and putting one in does not ask it."""
    handed_over = datetime(2024, 10, 9, 11, tzinfo=UTC)
    send_row("2024-10-09", handed_over=handed_over, stories=["2024-10-09/really"])
    asked.issue("2024-10-09")

    assert said().lead_in == "Yesterday we asked"

    send_row("2024-10-08", handed_over=handed_over - timedelta(days=1), stories=[])
    asked.issue("2024-10-08", LEAD.format("other"))
    asked.story("2024-10-08/other", ASKS.replace("nk-troops", "other"))
    asked.issue("2024-10-10", LEAD.format("walls") + BLOCK.replace("nk-troops", "other"))

    assert said().lead_in == "The question"


def test_what_another_newsletter_asked_this_one_did_not(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.issue("2024-10-09", LEAD.format("really"), newsletter="weekly")

    assert said().lead_in == "The question"


def test_a_question_of_this_very_issue_was_not_asked_before_it(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    (asked.root / "issues/2024-10-09/really.md").unlink()
    asked.story("2024-10-10/new", ASKS)
    asked.issue("2024-10-10", LEAD.format("new") + BLOCK)

    assert said().lead_in == "The question"


def test_in_another_language_no_english_is_said(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.write(
        "issues/2024-10-10/issue.toml",
        'newsletter = "daily"\ndate = 2024-10-10\nlang = "sv"\n' + LEAD.format("walls") + BLOCK,
    )

    assert (said().lead_in, said().answer_label) == ("", "")


# -- who asked ---------------------------------------------------------------------------------------------------------


def test_an_old_question_is_found_when_nobody_asked_it_lately(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    (asked.root / "issues/2024-10-09/really.md").unlink()
    asked.issue("2024-10-09")
    for day in ("2023-10-08", "2023-05-01"):
        asked.issue(day, LEAD.format("old"))
        asked.story(f"{day}/old", ASKS)

    assert (said().asked_in, said().lead_in) == ("2023-10-08", "On October 8, 2023 we asked")


def test_a_recent_question_is_found_without_opening_older_issues(
    asked: Newsroom, said: Callable[..., FollowUp]
) -> None:
    asked.issue("2023-10-08", LEAD.format("old"))
    asked.write("issues/2023-10-08/old.md", "+++\nbroken nk-troops\n")

    assert said().asked_in == "2024-10-09"


def test_a_question_asked_by_a_later_issue_is_not_known_yet(
    asked: Newsroom, resolved: Callable[..., ResolvedIssue]
) -> None:
    asked.issue("2024-10-08", BLOCK)

    assert problem(lambda: resolved("2024-10-08")) == (
        'issues/2024-10-08/issue.toml:8: nobody asked the question "nk-troops".'
    )


def test_a_broken_story_that_may_have_asked_is_named(asked: Newsroom, resolved: Callable[..., ResolvedIssue]) -> None:
    asked.write("issues/2024-10-09/really.md", "+++\ntitle = nk-troops\n+++\nText.\n")

    assert problem(resolved).startswith("issues/2024-10-09/really.md:2: TOML: ")


# -- who answers -------------------------------------------------------------------------------------------------------


def test_without_an_answer_the_question_is_still_open(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.story("2024-10-10/walls")

    found = said()
    assert (found.status, found.answer, found.answer_label, found.answering_story) == ("still-open", "", "", None)
    assert found.lead_in == "Yesterday we asked"


@pytest.mark.parametrize("status", ["still-open", "dropped"])
def test_a_question_left_open_has_no_today(asked: Newsroom, said: Callable[..., FollowUp], status: str) -> None:
    asked.story("2024-10-10/walls", ANSWERS + f'status = "{status}"\n')

    found = said()
    assert (found.status, found.answer_label, found.answer) == (status, "", "Apparently **yes**.")


def test_a_partial_answer_is_todays_too(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.story("2024-10-10/walls", ANSWERS + 'status = "partly"\n')

    assert (said().status, said().answer_label) == ("partly", "Today")


def test_the_block_may_word_the_answer_itself(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.issue("2024-10-10", LEAD.format("walls") + BLOCK + 'answer = "Yes, it seems."\n')

    assert (said().answer, said().answering_story) == ("Yes, it seems.", "2024-10-10/walls")


def test_an_answer_in_the_block_needs_no_story(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.story("2024-10-10/walls")
    asked.issue("2024-10-10", LEAD.format("walls") + BLOCK + 'answer = "Yes, it seems."\n')

    found = said()
    assert (found.answer, found.status, found.answer_label) == ("Yes, it seems.", "answered", "Today")
    assert found.answering_story is None


def test_a_story_without_an_answer_of_its_own_lends_its_dek(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.story("2024-10-10/walls", 'dek = "Sources say yes."\n[[answers]]\nquestion = "nk-troops"\n')

    assert said().answer == "Sources say yes."


def test_the_block_may_name_the_story_that_answers(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.story("2024-10-10/denials", ANSWERS.replace("Apparently **yes**", "No, they say"))
    asked.issue("2024-10-10", LEAD.format("walls") + BLOCK + 'story = "denials"\n')

    assert (said().answer, said().answer_label) == ("No, they say.", "Today")


def test_an_answer_given_by_an_earlier_issue_is_not_called_todays(
    asked: Newsroom, said: Callable[..., FollowUp]
) -> None:
    asked.issue("2024-10-12", BLOCK)

    found = said("2024-10-12")
    assert (found.answering_story, found.answer_label) == ("2024-10-10/walls", "The answer")
    assert found.lead_in == "On Wednesday we asked"


def test_of_earlier_answers_the_newest_is_taken(asked: Newsroom, said: Callable[..., FollowUp]) -> None:
    asked.issue("2024-10-11", LEAD.format("more"))
    asked.story("2024-10-11/more", ANSWERS.replace("Apparently **yes**", "Certainly"))
    asked.issue("2024-10-12", BLOCK)

    assert said("2024-10-12").answer == "Certainly."


def test_an_unknown_answering_story_names_the_nearest(asked: Newsroom, resolved: Callable[..., ResolvedIssue]) -> None:
    asked.issue("2024-10-10", LEAD.format("walls") + BLOCK + 'story = "wals"\n')

    assert problem(resolved) == 'issues/2024-10-10/issue.toml:9: there is no story "wals". Did you mean `walls`?'


def test_questions_are_looked_for_sixty_days_back_before_anything_older() -> None:
    assert timedelta(days=60) == questions.LOOK_BACK
