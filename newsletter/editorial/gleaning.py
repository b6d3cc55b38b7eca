"""What one file tells the index: enough to find it by, and to list it. The file itself stays the truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from newsletter.editorial.definition import FollowUpBlock, IssueDefinition, Stories, placed_names
from newsletter.editorial.fields import name_key
from newsletter.editorial.include import included
from newsletter.editorial.library import Library, heading_in
from newsletter.editorial.reading import parse_story, read_bytes
from newsletter.editorial.relevance import copy_terms, label_terms, title_terms
from newsletter.editorial.story import Story, authors, copy_key
from newsletter.errors import InputError, NotFound, shown_path

_LONGEST_PROBLEM = 500

Name = tuple[str, str]  # what kind of name, and the name


@dataclass(frozen=True)
class IssueGlean:
    """An issue's definition. Without a date it is no issue that others can see."""

    issue: str
    sha256: str
    newsletter: str | None = None
    date: date | None = None
    subject: str = ""
    selects: bool = False
    data: str = "{}"
    names: frozenset[Name] = frozenset()
    problem: str | None = None


@dataclass(frozen=True)
class StoryGlean:
    """A story. A broken one has a problem, and nothing it could be found by."""

    story: str
    sha256: str
    title: str = ""
    day: date | None = None
    data: str = "{}"
    names: frozenset[Name] = frozenset()
    problem: str | None = None
    title_terms: tuple[str, ...] = ()
    label_terms: tuple[str, ...] = ()
    copy_terms: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return self.story.partition("/")[0]


def glean_issue(library: Library, issue: str, known_sha256: str | None) -> IssueGlean | None:
    """What an issue's definition tells; None when its bytes are still those of that hash."""
    try:
        path = library.definition_path(issue)
        name = shown_path(path, library.root.parent)
        source = read_bytes(path, name)
    except (InputError, NotFound) as error:
        return _unless(IssueGlean(issue, _hash(str(error).encode()), problem=_first_line(error)), known_sha256)
    sha256 = _hash(source)
    if sha256 == known_sha256:
        return None
    heading = heading_in(source, issue)
    day, newsletter = (heading.date, heading.newsletter) if heading else (None, None)
    shared = {("includes", file) for file in included(source)}
    try:
        definition = library.parsed(source, name).definition
    except InputError as error:
        return IssueGlean(issue, sha256, newsletter, day, names=frozenset(shared), problem=_first_line(error))
    blocks = [block for block in definition.blocks if isinstance(block, FollowUpBlock)]
    replies = [(block.question, block.answer) for block in blocks if block.question]
    return IssueGlean(
        issue,
        sha256,
        newsletter,
        day,
        subject=definition.subject,
        selects=any(isinstance(block, Stories) and block.select for block in definition.blocks),
        data=json.dumps({"replies": replies}, ensure_ascii=False),
        names=frozenset({*shared, *_issue_names(library, issue, definition)}),
    )


def _issue_names(library: Library, issue: str, definition: IssueDefinition) -> Iterable[Name]:
    yield from (("places", library.full_id(name, issue)) for name in placed_names(definition))
    for block in definition.blocks:
        if isinstance(block, FollowUpBlock) and block.question:
            yield "replies", block.question


def glean_story(library: Library, story_id: str, known_sha256: str | None) -> StoryGlean | None:
    """What a story's file tells; None when its bytes are still those of that hash."""
    try:
        path = library.story_path(story_id)
        name = shown_path(path, library.root.parent)
        source = read_bytes(path, name)
    except InputError as error:
        return _unless(StoryGlean(story_id, _hash(str(error).encode()), problem=_first_line(error)), known_sha256)
    sha256 = _hash(source)
    if sha256 == known_sha256:
        return None
    try:
        story = parse_story(source, path, name)
    except InputError as error:
        return StoryGlean(story_id, sha256, problem=_first_line(error))
    return _gleaned(story, story_id, sha256)


def _gleaned(story: Story, story_id: str, sha256: str) -> StoryGlean:
    meta, folder = story.meta, story_id.partition("/")[0]
    follows = [name if "/" in name else f"{folder}/{name}" for name in meta.follows]
    names = {
        *(("tag", name_key(tag)) for tag in meta.tags),
        ("section", name_key(meta.section)),
        ("source", name_key(meta.source)),
        *(("author", name_key(name)) for name in authors(meta.byline)),
        *(("copy", key) for key in copy_key(story.body)),
        *(("asks", asks.id) for asks in meta.asks),
        *(("answers", answers.question) for answers in meta.answers),
        *(("follows", name) for name in follows),
    }
    data = {
        "tags": meta.tags,
        "follows": follows,
        "asks": [
            {"id": asks.id, "question": asks.question, "promised_by": asks.promised_by and str(asks.promised_by)}
            for asks in meta.asks
        ],
        "answers": [
            {"question": said.question, "status": said.status, "text": said.answer or meta.dek} for said in meta.answers
        ],
    }
    return StoryGlean(
        story_id,
        sha256,
        title=meta.title,
        day=meta.date,
        data=json.dumps(data, ensure_ascii=False),
        names=frozenset(names),
        title_terms=tuple(title_terms(story)),
        label_terms=tuple(label_terms(story)),
        copy_terms=tuple(copy_terms(story)),
    )


_Glean = TypeVar("_Glean", IssueGlean, StoryGlean)


def _unless(gleaned: _Glean, known_sha256: str | None) -> _Glean | None:
    return None if gleaned.sha256 == known_sha256 else gleaned


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:_LONGEST_PROBLEM].encode("utf-8", "replace").decode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
