"""What there is, at a glance: issues, an issue's blocks, stories. For lists people look at, not for building."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TypedDict

from sqlalchemy import select

from newsletter.editorial.index import Index, IssueEntry, Sought
from newsletter.editorial.library import INBOX
from newsletter.editorial.resolved import ResolvedBlock, ResolvedIssue
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


def list_issues(index: Index) -> list[IssueRow]:
    """Every issue, newest first."""
    newest = select(sends.c.issue, sends.c.state).order_by(sends.c.created_at)
    states = {row.issue: row.state for row in index.connection.execute(newest)}
    rows = [_row(entry, states.get(entry.issue, "not sent")) for entry in index.issues()]
    return sorted(rows, key=lambda row: (row.date, row.issue), reverse=True)


def _row(entry: IssueEntry, state: str) -> IssueRow:
    if entry.problem is not None or entry.date is None:
        return IssueRow(entry.issue, "", "", state, entry.problem or "")
    return IssueRow(entry.issue, entry.date.isoformat(), entry.newsletter or "", state, entry.subject)


class BlockRow(TypedDict):
    """A block of an issue: where it stands, what it shows, which stories it found."""

    line: int | None
    type: str
    file: str
    title: str
    stories: list[str]
    shown: bool  # whether readers get it: a query may choose nothing, a thread begin here
    left_out: dict[str, int]  # what its query passed over, by reason


def outline(resolved: ResolvedIssue) -> list[BlockRow]:
    """An issue's blocks in order."""
    shown = {id(found.block): found for found in resolved.blocks}
    rows: list[BlockRow] = []
    for index, block in enumerate(resolved.definition.blocks):
        found = shown.get(id(block)) or ResolvedBlock(block, resolved.document.place(["blocks", index]))
        rows.append(
            {
                "line": found.place.line,
                "type": block.type,
                "file": found.place.file,
                "title": _title(found),
                "stories": [story.id for story in found.stories],
                "shown": id(block) in shown,
                "left_out": dict(resolved.chosen[index].left_out) if index in resolved.chosen else {},
            }
        )
    return rows


def _title(found: ResolvedBlock) -> str:
    if found.follow_up:
        return f"{found.follow_up.lead_in}: {found.follow_up.question}"
    if found.readers_said:
        return f"{found.readers_said.lead_in}: {found.readers_said.poll.question}"
    return found.block.title or (found.stories[0].meta.title if found.stories else "")


@dataclass(frozen=True)
class StoryRow:
    """A story in a list. A broken one is listed too, with what is wrong in place of its title."""

    story: str
    title: str
    tags: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def list_stories(index: Index, folder: str | None) -> list[StoryRow]:
    """The stories of one issue, or all of them: by id, the inbox last."""
    sought = Sought(folders=None if folder is None else [folder], broken_too=True)
    found = sorted(index.stories(sought), key=lambda entry: (entry.folder == INBOX, entry.story))
    return [StoryRow(entry.story, entry.problem or entry.title, entry.tags) for entry in found]
