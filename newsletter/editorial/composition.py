"""What makes a definition an issue rather than a heap of blocks. Each rule looks at the definition alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from newsletter.documents import Document, did_you_mean
from newsletter.editorial.definition import IssueDefinition, Sponsor, TableBlock, story_names
from newsletter.errors import Place, Problem


def composition_problems(
    definition: IssueDefinition, document: Document, issue_id: str, *, segments: Collection[str]
) -> list[Problem]:
    """Everything that is wrong with the blocks beside each other; `segments` are the names there are."""
    rules = (_opening, _run_dates, _rows, _block_ids)
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


def _run_dates(definition: IssueDefinition, document: Document) -> Iterator[Problem]:
    """A sponsor's last day is not before its first. Whether the issue lies between them is the rule SPONSOR."""
    for index, block in enumerate(definition.blocks):
        if isinstance(block, Sponsor) and block.from_ and block.until and block.until < block.from_:
            place = document.place(["blocks", index, "until"])
            yield Problem(place, f'sponsor "{block.name}" ends on {block.until}, before it begins on {block.from_}.')


def _rows(definition: IssueDefinition, document: Document) -> Iterator[Problem]:
    """A table's rows have a cell for each of its columns."""
    for index, block in enumerate(definition.blocks):
        for number, row in enumerate(block.rows if isinstance(block, TableBlock) else ()):
            wanted = len(block.columns) if isinstance(block, TableBlock) else 0
            if len(row) != wanted:
                place = document.place(["blocks", index, "rows", number])
                message = f"row {number + 1} of the table has {len(row)} cells; it has {wanted} columns."
                yield Problem(place, message, 'Write "" for a cell that is empty.')


def _block_ids(definition: IssueDefinition, document: Document) -> Iterator[Problem]:
    ids = [block.id for block in definition.blocks]
    for index, name in enumerate(ids):
        if name is not None and name in ids[:index]:
            place = document.place(["blocks", index, "id"])
            first = _beside(document.place(["blocks", ids.index(name), "id"]), place)
            yield Problem(place, f'the id "{name}" stands {first} too.', "Give each block its own.")


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
    places: dict[str, Place] = {}
    for index, block in enumerate(definition.blocks):
        for path, name in story_names(block):
            place = document.place(["blocks", index, *path])
            short = name.removeprefix(f"{issue_id}/")
            if short in places:
                first = _beside(places[short], place)
                yield Problem(place, f'story "{name}" is in this issue already, {first}.', "Keep one.")
            places.setdefault(short, place)


def _beside(other: Place, here: Place) -> str:
    """Where the other stands, said to somebody who looks here."""
    return f"on line {other.line}" if other.file == here.file else f"in {other}"
