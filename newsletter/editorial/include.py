"""Blocks shared between issues: an `include` block stands for the blocks of a file in `issues/_shared/`.

They are put in its place when the definition is read, so that everything after sees one list of blocks. Each keeps the
place it was written at. What a shared file names without a folder, stories and images, lies beside it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from newsletter.documents import Document, decode, read_toml, validate
from newsletter.editorial.definition import Block, Include, IssueDefinition, SharedBlocks
from newsletter.errors import InputError, NotFound, Place, Problem

SHARED = "_shared"

Read = Callable[[str], tuple[str, bytes]]  # the file of that name as shown to people, and its bytes


@dataclass(frozen=True)
class Spliced(Document):
    """An issue's definition with shared blocks in it; `origins` says of each block where it was written."""

    origins: tuple[tuple[Document, int], ...] = ()

    def place(self, path: Sequence[str | int]) -> Place:
        match path:
            case ["blocks", int(index), *rest] if index < len(self.origins):
                document, own = self.origins[index]
                return document.place(["blocks", own, *rest])
        return super().place(path)


@dataclass(frozen=True)
class Whole:
    """A definition with its shared blocks in place, and the files they come from: name as shown, bytes."""

    definition: IssueDefinition
    document: Document
    shared: Mapping[str, bytes] = field(default_factory=dict)


def include(definition: IssueDefinition, document: Document, read: Read) -> Whole:
    """Put shared blocks in the place of those that stand for them. Raises InputError with every problem.

    `read` raises NotFound for a file there is not, and InputError for one that cannot be read.
    """
    blocks: list[Block] = []
    origins: list[tuple[Document, int]] = []
    sources: dict[str, bytes] = {}
    problems: list[Problem] = []
    for index, block in enumerate(definition.blocks):
        if not isinstance(block, Include):
            blocks.append(block)
            origins.append((document, index))
            continue
        try:
            name, source = read(block.file)
            sources[name] = source
            found, its = _shared(name, source)
        except NotFound as error:
            problems.append(Problem(document.place(["blocks", index, "file"]), str(error)))
        except InputError as error:
            problems += error.problems
        else:
            blocks += [_beside(each, block.audience) for each in found.blocks]
            origins += [(its, own) for own in range(len(found.blocks))]
    if problems:
        raise InputError(problems)
    if not sources:
        return Whole(definition, document)
    spliced = Spliced(document.name, document.data, document.text, document.syntax, origins=tuple(origins))
    return Whole(definition.model_copy(update={"blocks": tuple(blocks)}), spliced, sources)


def included(source: bytes) -> frozenset[str]:
    """The shared files a definition names, however much else may be wrong with it."""
    if b"include" not in source:
        return frozenset()
    try:
        blocks = tomllib.loads(decode(source, "")).get("blocks", ())
    except (InputError, ValueError, RecursionError):
        return frozenset()
    written = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    files = [block.get("file") for block in written if block.get("type") == "include"]
    return frozenset(file.removesuffix(".toml") for file in files if isinstance(file, str))


def home_of(place: Place) -> str:
    """The folder whose images a block shows by name alone: `_shared`, or "" for that of its issue."""
    return SHARED if place.file.split("/")[-2:-1] == [SHARED] else ""


def _shared(name: str, source: bytes) -> tuple[SharedBlocks, Document]:
    document = read_toml(decode(source, name), name)
    found = validate(SharedBlocks, document)
    nested = [index for index, block in enumerate(found.blocks) if isinstance(block, Include)]
    if nested:
        message = "a shared file cannot include another."
        remedy = "Name that file in the issue itself."
        raise InputError([Problem(document.place(["blocks", index, "type"]), message, remedy) for index in nested])
    return found, document


def _beside(block: Block, audience: str | None) -> Block:
    """The block as seen from an issue: stories of the shared folder by their whole id, its readers those of both."""
    changes: dict[str, object] = {}
    if story := getattr(block, "story", None):
        changes["story"] = _full(story)
    if stories := getattr(block, "stories", ()):
        changes["stories"] = tuple(_full(each) for each in stories)
    if audience and block.audience is None:
        changes["audience"] = audience
    return block.model_copy(update=changes) if changes else block


def _full(story: str) -> str:
    return story if "/" in story else f"{SHARED}/{story}"
