"""What makes a definition an issue rather than a heap of blocks. Each rule looks at the definition alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from newsletter.documents import Document, did_you_mean
from newsletter.editorial.definition import IssueDefinition, Sponsor, story_names
from newsletter.errors import Problem

MOST_SPONSORS = 2


def composition_problems(
    definition: IssueDefinition, document: Document, issue_id: str, *, segments: Collection[str]
) -> list[Problem]:
    """Everything that is wrong with the blocks beside each other; `segments` are the names there are."""
    rules = (_opening, _sponsors, _run_dates, _block_ids)
    found = [problem for rule in rules for problem in rule(definition, document)]
    found += _audiences(definition, document, segments)
    return [*found, *_placed_once(definition, document, issue_id)]


def _opening(definition: IssueDefinition, document: Document) -> Iterator[Problem]:
    """An issue opens with one lead or one intro, or has one of each."""
    for kind in ("lead", "intro"):
        found = [index for index, block in enumerate(definition.blocks) if block.type == kind]
        for index in found[1:]:
            place = document.place(["blocks", index, "type"])
            yield Problem(place, f"this is a second `{kind}` block.", "An issue has one; make it a `story`.")
    if not any(block.type in {"lead", "intro"} for block in definition.blocks):
        yield Problem(document.place(["blocks"]), "the issue has neither a `lead` nor an `intro` block.", "Add one.")


def _sponsors(definition: IssueDefinition, document: Document) -> Iterator[Problem]:
    found = [index for index, block in enumerate(definition.blocks) if isinstance(block, Sponsor)]
    for index in found[MOST_SPONSORS:]:
        place = document.place(["blocks", index, "type"])
        yield Problem(place, f"this is one `sponsor` block too many; an issue has at most {MOST_SPONSORS}.")


def _run_dates(definition: IssueDefinition, document: Document) -> Iterator[Problem]:
    """A sponsor runs from its first to its last day, by the issue's date."""
    for index, block in enumerate(definition.blocks):
        if not isinstance(block, Sponsor):
            continue
        first, last, day = block.from_, block.until, definition.date
        if first and last and last < first:
            place = document.place(["blocks", index, "until"])
            yield Problem(place, f'sponsor "{block.name}" ends on {last}, before it begins on {first}.')
        elif first and day < first:
            place = document.place(["blocks", index, "from"])
            yield Problem(place, f'sponsor "{block.name}" runs from {first}; the issue is dated {day}.', "Remove it.")
        elif last and day > last:
            place = document.place(["blocks", index, "until"])
            yield Problem(place, f'sponsor "{block.name}" ran until {last}; the issue is dated {day}.', "Remove it.")


def _block_ids(definition: IssueDefinition, document: Document) -> Iterator[Problem]:
    ids = [block.id for block in definition.blocks]
    for index, name in enumerate(ids):
        if name is not None and name in ids[:index]:
            first = document.place(["blocks", ids.index(name), "id"]).line
            place = document.place(["blocks", index, "id"])
            yield Problem(place, f'the id "{name}" stands on line {first} too.', "Give each block its own.")


def _audiences(definition: IssueDefinition, document: Document, segments: Collection[str]) -> Iterator[Problem]:
    """A block goes to everybody, or to a segment there is."""
    for index, block in enumerate(definition.blocks):
        name = block.audience
        if name is not None and name not in segments:
            place = document.place(["blocks", index, "audience"])
            remedy = did_you_mean(name, segments) or "Make one (docs/segments.md), or remove `audience`."
            yield Problem(place, f'there is no segment "{name}" in segments/.', remedy)


def _placed_once(definition: IssueDefinition, document: Document, issue_id: str) -> Iterator[Problem]:
    """A story stands in an issue once. A follow-up quotes its story and does not count."""
    lines: dict[str, int | None] = {}
    for index, block in enumerate(definition.blocks):
        for path, name in story_names(block):
            place = document.place(["blocks", index, *path])
            short = name.removeprefix(f"{issue_id}/")
            if short in lines:
                yield Problem(place, f'story "{name}" is in this issue already, on line {lines[short]}.', "Keep one.")
            lines.setdefault(short, place.line)
