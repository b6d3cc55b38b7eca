"""What the desk remembers: promises, questions asked and answered before, threads, and the morning's heap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from newsroom import Newsroom
from typer.testing import CliRunner

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.config import shipped
from newsletter.editorial.library import Library
from newsletter.editorial.memory import Memory, remember
from newsletter.editorial.morning import morning
from newsletter.editorial.refresh import up_to_date
from newsletter.editorial.resolve import resolve
from newsletter.editorial.suggesting import suggest
from newsletter.editorial.threads import thread

LEAD = '[[blocks]]\ntype = "lead"\nstory = "lead"\n'
ZONE = ZoneInfo("America/New_York")


def asks(name: str, text: str = "Are the troops really there?", promised_by: str = "") -> str:
    return f'[[asks]]\nid = "{name}"\nquestion = "{text}"\n' + (f"promised_by = {promised_by}\n" if promised_by else "")


def answers(name: str, status: str = "answered") -> str:
    return f'[[answers]]\nquestion = "{name}"\nstatus = "{status}"\nanswer = "So."\n'


@pytest.fixture
def day(newsroom: Newsroom) -> Callable[..., None]:
    """An issue of one day, its lead with this front matter."""

    def make(name: str, front: str = "", *, blocks: str = "", body: str = "Text.") -> None:
        newsroom.issue(name, LEAD + blocks)
        newsroom.story(f"{name}/lead", front, body=body)

    return make


@pytest.fixture
def memory(app: App) -> Callable[..., Memory]:
    def read(issue: str = "2024-10-10") -> Memory:
        return remember(app.workspace, app.store, resolve(app.workspace, app.store, issue))

    return read


# -- promises and questions --------------------------------------------------------------------------------------------


def test_a_promise_that_ran_out_is_said_at_its_own_line(
    day: Callable[..., None], memory: Callable[..., Memory]
) -> None:
    day("2024-10-08", asks("troops", promised_by="2024-10-09"))
    day("2024-10-10")

    [found] = memory().promises

    assert str(found.place) == "issues/2024-10-08/lead.md:6"
    assert "promised by 2024-10-09" in found.message


@pytest.mark.parametrize(
    ("front", "blocks"),
    [
        (answers("troops"), ""),
        (answers("troops", "still-open"), ""),
        ("", '[[blocks]]\ntype = "follow-up"\nquestion = "troops"\n'),
    ],
)
def test_an_issue_that_speaks_of_a_late_question_is_not_reminded_of_it(
    day: Callable[..., None], memory: Callable[..., Memory], front: str, blocks: str
) -> None:
    day("2024-10-08", asks("troops", promised_by="2024-10-09"))
    day("2024-10-10", front, blocks=blocks)
    assert memory().promises == ()


def test_a_promise_is_kept_until_its_day_is_over_and_when_it_was_answered(
    day: Callable[..., None], memory: Callable[..., Memory]
) -> None:
    day("2024-10-07", asks("today", promised_by="2024-10-10"))
    day("2024-10-08", asks("kept", "What does the wall cost them?", promised_by="2024-10-09"))
    day("2024-10-09", answers("kept"))
    day("2024-10-10")
    assert memory().promises == ()


def test_an_answer_to_a_question_nobody_was_asked_is_said(
    day: Callable[..., None], memory: Callable[..., Memory], send_row: Callable[..., None]
) -> None:
    day("2024-10-07")
    day("2024-10-08", asks("unsent"))
    send_row("2024-10-07", handed_over=datetime(2024, 10, 7, 11, tzinfo=UTC))
    day("2024-10-10", answers("unsent") + answers("misspelt"))

    found = memory().questions

    assert [each.message for each in found] == [
        "“unsent” is answered here, and 2024-10-08/lead, which asks it, never went out.",
        "no story asks “misspelt”, which is answered here.",
    ]
    assert [each.place.line for each in found] == [4, 8]


def test_a_question_asked_and_answered_in_one_issue_is_nobodys_mistake(
    day: Callable[..., None], memory: Callable[..., Memory]
) -> None:
    day("2024-10-10", asks("troops") + answers("troops"))
    assert memory().questions == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [("troops", "Something else?"), ("other", "Are North Korean troops really there, then?")],
)
def test_asking_again_what_is_open_or_was_answered_is_said(
    day: Callable[..., None], memory: Callable[..., Memory], name: str, text: str
) -> None:
    day("2024-10-08", asks("troops", "Are the North Korean troops really there by now?"))
    day("2024-10-10", asks(name, text))
    [twice] = memory().questions
    assert "is open since 2024-10-08: this asks it twice" in twice.message
    assert 'question = "troops"' in twice.remedy

    day("2024-10-09", answers("troops"))
    [again] = memory().questions
    assert "was answered in 2024-10-09 already" in again.message


def test_another_question_about_the_same_matter_may_be_asked(
    day: Callable[..., None], memory: Callable[..., Memory]
) -> None:
    day("2024-10-08", asks("troops", "Are North Korean troops fighting in Ukraine?"))
    day("2024-10-10", asks("pay", "Who pays the North Korean troops in Ukraine?"))
    assert memory().questions == ()


# -- threads -----------------------------------------------------------------------------------------------------------


def test_links_that_lead_nowhere_forward_or_past_the_thread_are_said(
    day: Callable[..., None], memory: Callable[..., Memory]
) -> None:
    day("2024-10-07")
    day("2024-10-08", 'follows = ["2024-10-07/lead"]')
    day("2024-10-11")
    day("2024-10-10", 'follows = ["2024-10-07/lead", "2024-10-08/laed", "2024-10-11/lead"]')

    parted, missing, later = memory().threads

    assert "2024-10-08/lead took on since" in parted.message
    assert missing.remedy == "Did you mean `lead`?"
    assert "dated later: 2024-10-11" in later.message


def test_a_thread_that_goes_on_from_its_end_and_a_story_beside_it_are_right(
    day: Callable[..., None], newsroom: Newsroom, memory: Callable[..., Memory]
) -> None:
    day("2024-10-08")
    newsroom.story("2024-10-08/aside", 'follows = ["2024-10-08/lead"]')
    day("2024-10-09", 'follows = ["2024-10-08/lead"]')
    day("2024-10-10", 'follows = ["2024-10-09/lead"]')
    assert memory().threads == ()


def test_a_chain_is_told_oldest_first_both_ways_and_a_circle_ends(app: App, day: Callable[..., None]) -> None:
    day("2024-10-07", 'follows = ["2024-10-10/lead"]')
    for before, after in (("07", "08"), ("08", "09"), ("09", "10")):
        day(f"2024-10-{after}", f'follows = ["2024-10-{before}/lead", "2024-10-01/gone"]')

    with up_to_date(app.store, Library(app.workspace.issues)) as index:
        found = thread(index, "2024-10-09/lead")

    assert [link.story[:10] for link in found.before] == ["2024-10-07", "2024-10-08", "2024-10-10"]
    assert [link.story[:10] for link in found.after] == ["2024-10-07", "2024-10-08", "2024-10-10"]


def test_previously_lists_what_readers_were_told_and_no_more(
    app: App, day: Callable[..., None], send_row: Callable[..., None]
) -> None:
    day("2024-10-06", 'title = "First"')
    day("2024-10-07", 'title = "Second"\nfollows = ["2024-10-06/lead"]')
    day("2024-10-08", 'title = "Unsent"\nfollows = ["2024-10-07/lead"]')
    day("2024-10-10", 'follows = ["2024-10-08/lead"]', blocks='[[blocks]]\ntype = "previously"\nstory = "lead"\n')
    send_row("2024-10-06", handed_over=datetime(2024, 10, 6, 11, tzinfo=UTC))
    send_row("2024-10-07", handed_over=datetime(2024, 10, 9, 1, tzinfo=UTC))

    resolved = resolve(app.workspace, app.store, "2024-10-10")

    told = [(each.story.meta.title, each.issue, each.day) for each in resolved.blocks[-1].thread]
    assert told == [("First", "2024-10-06", date(2024, 10, 6)), ("Second", "2024-10-07", date(2024, 10, 8))]
    assert resolved.facts["previously"] == [
        {"story": "2024-10-06/lead", "title": "First", "issue": "2024-10-06", "day": "2024-10-06"},
        {"story": "2024-10-07/lead", "title": "Second", "issue": "2024-10-07", "day": "2024-10-08"},
    ]
    assert "issues/2024-10-06/lead.md" in resolved.sources


def test_where_a_thread_begins_the_block_is_left_out(app: App, day: Callable[..., None]) -> None:
    day("2024-10-10", blocks='[[blocks]]\ntype = "previously"\nstory = "lead"\n')
    assert [each.block.type for each in resolve(app.workspace, app.store, "2024-10-10").blocks] == ["lead"]


# -- suggestions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def samples(app: App) -> App:
    for folder in (*shipped("issues").glob("2024-*"), shipped("issues") / "_shared"):
        (app.workspace.issues / folder.name).mkdir(exist_ok=True)
        for file in folder.iterdir():
            (app.workspace.issues / folder.name / file.name).write_bytes(file.read_bytes())
    return app


@pytest.mark.parametrize(
    ("story", "likely"),
    [
        ("2024-10-09/really", "2024-10-08/troops"),
        ("2024-10-10/hearings", "2024-10-09/diary"),
        ("2024-10-10/walls", "2024-10-09/really"),
    ],
)
def test_the_samples_own_threads_are_found_without_their_links(samples: App, story: str, likely: str) -> None:
    file = samples.workspace.issues / f"{story}.md"
    file.write_text(_without_links(file.read_text(encoding="utf-8")), encoding="utf-8")
    library = Library(samples.workspace.issues)

    with up_to_date(samples.store, library) as index:
        found = suggest(library, index, library.story(story), day=date.fromisoformat(story[:10]))

    assert likely in [each.story for each in found[:2]]


def _without_links(text: str) -> str:
    head, front, body = text.split("+++\n", 2)
    kept = front.split("[[answers]]")[0].split("[[asks]]")[0]
    return f"{head}+++\n" + "".join(line for line in kept.splitlines(True) if "follows" not in line) + f"+++\n{body}"


def test_an_unlike_story_suggests_nothing(samples: App) -> None:
    library = Library(samples.workspace.issues)
    with up_to_date(samples.store, library) as index:
        assert suggest(library, index, library.story("2024-10-10/chamber"), day=date(2024, 10, 10)) == []


@pytest.mark.parametrize("issue", ["2024-10-08", "2024-10-09", "2024-10-10"])
def test_the_samples_bring_nothing_to_mind(samples: App, memory: Callable[..., Memory], issue: str) -> None:
    assert memory(issue) == Memory()


def test_an_answering_story_that_does_not_follow_its_question_is_told_to(
    day: Callable[..., None], memory: Callable[..., Memory]
) -> None:
    day("2024-10-08", asks("troops"))
    day("2024-10-10", answers("troops"))
    [found] = memory().suggestions
    assert found.remedy == 'Add follows = ["2024-10-08/lead"].'
    assert "it asks troops" in found.message


def test_a_question_answered_since_is_no_longer_one_to_answer(app: App, day: Callable[..., None]) -> None:
    text = "The harbour wall of Springfield leans over the quay."
    day("2024-10-07", 'title = "The harbour wall leans"\n' + asks("open", "Who built it?") + asks("closed"), body=text)
    day("2024-10-08", answers("closed"))
    day("2024-10-10", 'title = "The harbour wall falls"', body=text)
    library = Library(app.workspace.issues)
    with up_to_date(app.store, library) as index:
        [found] = suggest(library, index, library.story("2024-10-10/lead"), day=date(2024, 10, 10))
    assert (found.story, found.questions) == ("2024-10-07/lead", ("open",))


# -- the morning -------------------------------------------------------------------------------------------------------


def test_a_new_issue_opens_with_what_is_owed_and_left(
    app: App, newsroom: Newsroom, day: Callable[..., None], send_row: Callable[..., None]
) -> None:
    day("2024-10-08", asks("troops", promised_by="2024-10-09") + asks("done", "Is it done?"))
    day("2024-10-09", answers("done"))
    newsroom.story("2024-10-09/left")
    newsroom.story("_inbox/used")
    newsroom.story("_inbox/wire", 'title = "# A \\\\ “title” [[blocks]]"')
    send_row(
        "2024-10-08", handed_over=datetime(2024, 10, 8, 11, tzinfo=UTC), stories=["2024-10-08/lead", "_inbox/used"]
    )

    with up_to_date(app.store, Library(app.workspace.issues)) as index:
        found = morning(Library(app.workspace.issues), index, "daily", zone=ZONE, day=date(2024, 10, 10))
    assert [asked.id for asked in found.open] == ["troops"]
    assert [entry.story for entry in found.leftovers] == ["2024-10-09/left"]
    assert [entry.story for entry in found.inbox] == ["_inbox/wire"]

    done = CliRunner().invoke(cli, ["--workspace", str(newsroom.root), "new", "2024-10-10"], catch_exceptions=False)
    assert done.exit_code == 0
    definition, document = Library(app.workspace.issues).definition("2024-10-10")
    assert [block.type for block in definition.blocks] == ["lead"]
    assert '#   question = "troops"' in document.text
    assert "promised by 2024-10-09: overdue" in document.text


def test_without_anything_owed_a_new_issue_has_no_such_comments(app: App, newsroom: Newsroom) -> None:
    with up_to_date(app.store, Library(app.workspace.issues)) as index:
        desk = morning(Library(app.workspace.issues), index, "daily", zone=ZONE, day=date(2024, 10, 10))
    assert desk.comments() == ""
