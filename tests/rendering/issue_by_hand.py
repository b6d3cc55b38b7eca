"""Issues for tests, resolved by hand: what rendering gets when selection and time words are not the question."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from newsletter.config import Workspace, open_workspace
from newsletter.editorial.definition import CorrectionBlock, FollowUpBlock, PollBlock, Previously
from newsletter.editorial.library import Library
from newsletter.editorial.polls import Poll
from newsletter.editorial.resolve import FollowUp, ResolvedBlock, ResolvedIssue
from newsletter.editorial.resolved import Corrected, Earlier
from newsletter.editorial.story import Story
from newsletter.rendering.build import Build
from newsletter.rendering.render import build_issue

ISSUE = "2024-10-10"
HEAD = """\
newsletter = "daily"
date = 2024-10-10
subject = "The subject"
preheader = "The preheader"
"""
STORY = """\
+++
title = "A wall at home"
+++

Its *first* paragraph.

Its second, with a [link](https://example.org/second).
"""
HOUSE = '[[blocks]]\ntype = "intro"\ntitle = "Of the house"\nbody = "Words that many issues have."\n'
ASKED = FollowUp(
    question_id="nk-troops",
    question="Are they really there?",
    lead_in="Yesterday we asked",
    answer_label="Today",
    answer="Apparently **yes**.",
    status="answered",
    asked_in="2024-10-09",
    asked_on=date(2024, 10, 9),
    asking_story="2024-10-09/really",
    answering_story="2024-10-10/walls",
)
CLOSES = datetime(2024, 10, 17, 18, tzinfo=ZoneInfo("America/New_York"))
CORRECTED = Corrected("2024-10-09", date(2024, 10, 9), went_out=True)


def make_issue(
    root: Path, blocks: str, stories: Mapping[str, str] | None = None, *, head: str = HEAD, asked: FollowUp = ASKED
) -> ResolvedIssue:
    """Write an issue's files into the workspace and find the stories its blocks name."""
    folder = root / "issues" / ISSUE
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (stories or {}).items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (root / "issues" / "_shared").mkdir(exist_ok=True)
    (root / "issues" / "_shared" / "house.toml").write_text(HOUSE, encoding="utf-8")
    (folder / "issue.toml").write_text(head + blocks, encoding="utf-8")
    return resolve_by_hand(root, ISSUE, asked=asked)


def resolve_by_hand(root: Path, issue: str, *, asked: FollowUp = ASKED) -> ResolvedIssue:
    library = Library(root / "issues")
    definition, document = library.definition(issue)
    name, source = library.definition_source(issue)
    sources = {name: source, **library.shared_sources(issue)}
    blocks = []
    for index, block in enumerate(definition.blocks):
        stories = tuple(library.story(library.full_id(found, issue)) for found in _named(block))
        sources |= {story.path: story.source for story in stories}
        follow_up = asked if isinstance(block, FollowUpBlock) else None
        poll = Poll(block.id, block.question, block.options, CLOSES) if isinstance(block, PollBlock) else None
        corrected = CORRECTED if isinstance(block, CorrectionBlock) else None
        place = document.place(["blocks", index])
        told = tuple(Earlier(story, "2024-10-09", date(2024, 10, 9)) for story in stories)
        thread = told if isinstance(block, Previously) else ()
        shown = () if isinstance(block, Previously) else stories
        blocks.append(ResolvedBlock(block, place, shown, follow_up, poll=poll, corrected=corrected, thread=thread))
    return ResolvedIssue(issue, definition, document, tuple(blocks), sources)


def build(root: Path, blocks: str, stories: Mapping[str, str] | None = None, **more: object) -> Build:
    """The build of such an issue."""
    return build_issue(open_workspace(root), make_issue(root, blocks, stories, **more))  # type: ignore[arg-type]


def workspace_of(root: Path) -> Workspace:
    return open_workspace(root)


def _named(block: object) -> tuple[str, ...]:
    one = getattr(block, "story", None)
    found = getattr(block, "stories", ()) or ((one,) if one else ())
    return () if isinstance(block, FollowUpBlock) else tuple(found)


__all__ = ["ASKED", "HEAD", "ISSUE", "STORY", "Story", "build", "make_issue", "resolve_by_hand", "workspace_of"]
