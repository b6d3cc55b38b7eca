"""What there is, at a glance: issues, an issue's blocks, stories. For lists people look at, not for building."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TypedDict

from sqlalchemy import Connection, select

from newsletter.editorial.library import Library
from newsletter.editorial.resolve import ResolvedIssue
from newsletter.errors import InputError, NotFound
from newsletter.store.tables import sends


@dataclass(frozen=True)
class IssueRow:
    """An issue in a list. A broken one is listed too, with what is wrong in place of its subject."""

    issue: str
    date: str
    newsletter: str
    state: str  # of its newest send, or "not sent"
    subject: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def list_issues(connection: Connection, library: Library) -> list[IssueRow]:
    """Every issue, newest first."""
    newest = select(sends.c.issue, sends.c.state).order_by(sends.c.created_at)
    states = {row.issue: row.state for row in connection.execute(newest)}
    rows = [_row(library, issue, states.get(issue, "not sent")) for issue in library.issue_ids()]
    return sorted(rows, key=lambda row: (row.date, row.issue), reverse=True)


def _row(library: Library, issue: str, state: str) -> IssueRow:
    try:
        definition, _ = library.definition(issue)
    except (InputError, NotFound) as error:
        return IssueRow(issue, "", "", state, str(error).splitlines()[0])
    return IssueRow(issue, definition.date.isoformat(), definition.newsletter, state, definition.subject)


class BlockRow(TypedDict):
    """A block of an issue: where it stands, what it shows, which stories it found."""

    line: int | None
    type: str
    title: str
    stories: list[str]


def outline(resolved: ResolvedIssue) -> list[BlockRow]:
    """An issue's blocks in order."""
    rows: list[BlockRow] = []
    for found in resolved.blocks:
        title = found.block.title or (found.stories[0].meta.title if found.stories else "")
        if found.follow_up:
            title = f"{found.follow_up.lead_in}: {found.follow_up.question}"
        stories = [story.id for story in found.stories]
        rows.append({"line": found.place.line, "type": found.block.type, "title": title, "stories": stories})
    return rows


@dataclass(frozen=True)
class StoryRow:
    """A story in a list. A broken one is listed too, with what is wrong in place of its title."""

    story: str
    title: str
    tags: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def list_stories(library: Library, folder: str | None) -> list[StoryRow]:
    """The stories of one issue, or all of them."""
    rows = []
    for story_id in library.story_ids(folder):
        try:
            meta = library.story(story_id).meta
            rows.append(StoryRow(story_id, meta.title, meta.tags))
        except (InputError, NotFound) as error:
            rows.append(StoryRow(story_id, str(error).splitlines()[0], ()))
    return rows
