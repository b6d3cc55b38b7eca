"""Every broken file in tests/broken gives exactly the message beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from newsletter.app import App
from newsletter.editorial.reading import read_story
from newsletter.editorial.resolve import resolve
from newsletter.errors import InputError

BROKEN = Path(__file__).parent.parent / "broken"
STORIES = sorted((BROKEN / "stories").glob("*.md"))
ISSUES = sorted((BROKEN / "issues").iterdir())

# Yesterday's issue in every case: who asked, and a story whose name may be mistaken for today's.
YESTERDAY = {
    "issue.toml": 'newsletter = "daily"\ndate = 2024-10-09\n[[blocks]]\ntype = "lead"\nstory = "really"\n',
    "really.md": (
        '+++\ntitle = "Really?"\n'
        '[[asks]]\nid = "nk-troops"\nquestion = "Really?"\n[[asks]]\nid = "twice"\nquestion = "One?"\n+++\nText.\n'
    ),
    "recruits.md": '+++\ntitle = "Recruits"\n[[asks]]\nid = "twice"\nquestion = "Two?"\n+++\nText.\n',
}


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_a_broken_story_gives_exactly_its_message(story: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_story(story, BROKEN)

    assert str(caught.value) + "\n" == story.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ISSUES, ids=lambda path: path.name)
def test_a_broken_issue_gives_exactly_its_message(case: Path, app: App) -> None:
    issues = app.workspace.issues
    shutil.copytree(case, issues / "2024-10-10")
    (issues / "2024-10-09").mkdir()
    for name, text in YESTERDAY.items():
        (issues / "2024-10-09" / name).write_text(text, encoding="utf-8")

    with pytest.raises(InputError) as caught:
        resolve(app.workspace, app.store, "2024-10-10")

    assert str(caught.value) + "\n" == (case / "expected.txt").read_text(encoding="utf-8")


def test_no_message_speaks_like_a_program() -> None:
    """Editors read these: no words of Python's, pydantic's or a parser's."""
    jargon = ("tuple", "dict", "NoneType", "Input should", "str ", "None", "Traceback", "regex", "pattern", "token")
    messages = [path.read_text(encoding="utf-8") for path in BROKEN.rglob("*.txt")]

    assert [(word, text) for text in messages for word in jargon if word in text] == []


def test_there_is_a_message_for_every_broken_file() -> None:
    assert len(STORIES) + len(ISSUES) >= 25
    assert all(path.with_suffix(".txt").is_file() for path in STORIES)
    assert all((path / "expected.txt").is_file() for path in ISSUES)
