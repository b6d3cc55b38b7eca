"""The library: the issues and stories of a workspace, found by name.

Nothing is read before it is asked for, and nothing parsed twice: opening one issue costs that issue. A folder named
`_…` is not an issue; `_inbox` holds stories that are in none yet, `_shared` what many have. Whatever a name says, only
files that really lie inside `issues/` are opened.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from newsletter.documents import Document, decode, did_you_mean, nearest, read_toml, validate
from newsletter.editorial.definition import IssueDefinition
from newsletter.editorial.fields import NAME
from newsletter.editorial.include import SHARED, Whole, include
from newsletter.editorial.reading import read_bytes, read_story
from newsletter.editorial.story import Story
from newsletter.errors import InputError, NotFound, Place, Problem, shown_path

DEFINITION = "issue.toml"
INBOX = "_inbox"
NO_ISSUES = (INBOX, SHARED)  # folders that are looked into and are none
SUFFIX = ".md"
LATELY = 30  # so many issues are searched for a name like a mistyped one
_NAMING = "Use letters, digits, `.`, `_` and `-` without accents or spaces."


@dataclass(frozen=True, order=True)
class Heading:
    """What a glance at an issue.toml tells. Sorts by date, then by id."""

    date: date
    issue: str
    newsletter: str


@dataclass(frozen=True)
class _Definition:
    whole: Whole
    source: bytes


class Library:
    """The workspace's `issues/` folder, as it was when first asked: make a new one to see changes."""

    def __init__(self, root: Path) -> None:
        """`root` is the `issues/` folder itself; paths are shown relative to the folder above it."""
        self.root = root
        self._definitions: dict[str, _Definition | InputError] = {}
        self._stories: dict[str, Story | InputError] = {}
        self._folders: dict[str, tuple[str, ...]] = {}
        self._headings: dict[str, Heading | None] = {}

    # -- issues --------------------------------------------------------------------------------------------------------

    @cached_property
    def _folder_names(self) -> tuple[str, ...]:
        try:
            with os.scandir(self.root) as entries:
                return tuple(sorted(entry.name for entry in entries if entry.is_dir() and NAME.fullmatch(entry.name)))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def issue_ids(self) -> tuple[str, ...]:
        """Every issue, by name."""
        return self._issue_ids

    @cached_property
    def _issue_ids(self) -> tuple[str, ...]:
        return tuple(name for name in self._folder_names if not name.startswith("_"))

    @cached_property
    def _known(self) -> frozenset[str]:
        """The folders that are looked into: every issue, the inbox, and what issues share."""
        return frozenset({*self._issue_ids, INBOX, SHARED} & {*self._folder_names})

    def definition(self, issue_id: str) -> tuple[IssueDefinition, Document]:
        """An issue's definition, shared blocks in place. Raises NotFound, or InputError with every problem of it."""
        found = self._definition(issue_id).whole
        return found.definition, found.document

    def definition_source(self, issue_id: str) -> tuple[str, bytes]:
        """The definition's file as shown to people, and its bytes. Raises as `definition` does."""
        found = self._definition(issue_id)
        return found.whole.document.name, found.source

    def shared_sources(self, issue_id: str) -> Mapping[str, bytes]:
        """The files of the shared blocks in it: names as shown to people, and bytes. Raises as `definition` does."""
        return self._definition(issue_id).whole.shared

    def _definition(self, issue_id: str) -> _Definition:
        if issue_id not in self._definitions:
            path = self.definition_path(issue_id)
            try:
                source = read_bytes(path, self._shown(path))
                self._definitions[issue_id] = _Definition(self.parsed(source, self._shown(path)), source)
            except InputError as error:
                self._definitions[issue_id] = error
        found = self._definitions[issue_id]
        if isinstance(found, InputError):
            raise found
        return found

    def parsed(self, source: bytes, name: str) -> Whole:
        """The definition in these bytes, shared blocks in place. Raises InputError with every problem."""
        document = read_toml(decode(source, name), name)
        return include(validate(IssueDefinition, document), document, self._shared)

    def _shared(self, name: str) -> tuple[str, bytes]:
        path = self.root / SHARED / f"{name}.toml"
        if path.name not in self.file_names(SHARED):
            known = [file for file in self.file_names(SHARED) if file.endswith(".toml")]
            remedy = did_you_mean(path.name, known) or "There are none in it."
            raise NotFound(f"there is no file `{path.name}` in {self._shown(path.parent)}/. {remedy}")
        self._keep_inside(path)
        return self._shown(path), read_bytes(path, self._shown(path))

    def definition_path(self, issue_id: str) -> Path:
        """Where an issue's definition lies. Raises NotFound, or InputError for a link that leads elsewhere."""
        if issue_id not in self._known or issue_id in NO_ISSUES:
            remedy = did_you_mean(issue_id, self.issue_ids()) or "Make one with: newsletter new ISSUE"
            raise NotFound(f"There is no issue `{issue_id}` in {self._shown(self.root)}/. {remedy}")
        path = self.root / issue_id / DEFINITION
        self._keep_inside(path)
        if not path.is_file():
            raise NotFound(f"There is no {DEFINITION} in {self._shown(path.parent)}/.")
        return path

    def heading(self, issue_id: str) -> Heading | None:
        """The issue's date and newsletter at a glance; None where issue.toml is missing or cannot be read."""
        if issue_id not in self._headings:
            self._headings[issue_id] = self._glance(issue_id)
        return self._headings[issue_id]

    def _glance(self, issue_id: str) -> Heading | None:
        try:
            path = self.definition_path(issue_id)
            return heading_in(read_bytes(path, self._shown(path)), issue_id)
        except (NotFound, InputError):
            return None

    # -- stories -------------------------------------------------------------------------------------------------------

    def story_ids(self, folder: str | None = None) -> tuple[str, ...]:
        """The stories of one issue (or of `_inbox`, `_shared`); without a name of every issue and the inbox."""
        if folder is None:
            return tuple(story for name in (*self.issue_ids(), INBOX) for story in self.story_ids(name))
        return tuple(f"{folder}/{name.removesuffix(SUFFIX)}" for name in self.file_names(folder) if is_story_file(name))

    def file_names(self, folder: str) -> tuple[str, ...]:
        """What lies in an issue's folder; nothing for a folder that is neither an issue nor the inbox."""
        if folder not in self._folders:
            path = self.root / folder
            listed = folder in self._known and self.is_inside(path)
            self._folders[folder] = tuple(sorted(file.name for file in path.iterdir())) if listed else ()
        return self._folders[folder]

    def misnamed(self, folder: str) -> list[Problem]:
        """Markdown files whose names cannot be a story's: better said than silently left out."""
        return [
            Problem(Place(self._shown(self.root / folder / name)), "cannot be a story by this name.", _NAMING)
            for name in self.file_names(folder)
            if name.endswith(SUFFIX) and not name.startswith(".") and not NAME.fullmatch(name.removesuffix(SUFFIX))
        ]

    def full_id(self, name: str, issue_id: str) -> str:
        """`walls` inside issue 2024-10-10 means `2024-10-10/walls`."""
        return name if "/" in name else f"{issue_id}/{name}"

    def has_story(self, story_id: str) -> bool:
        """Whether there is such a file; compared with the folder's listing, so that capitals count on every machine."""
        folder, _, name = story_id.partition("/")
        return f"{name}{SUFFIX}" in self.file_names(folder) and NAME.fullmatch(name) is not None

    def story(self, story_id: str) -> Story:
        """A story by its full id. Raises NotFound, or InputError with every problem of its file."""
        if not self.has_story(story_id):
            raise NotFound(f"There is no story `{story_id}`. {self.nearest_story(story_id)}".rstrip())
        if story_id not in self._stories:
            try:
                self._stories[story_id] = read_story(self.story_path(story_id), self.root.parent)
            except InputError as error:
                self._stories[story_id] = error
        found = self._stories[story_id]
        if isinstance(found, InputError):
            raise found
        return found

    def stories(self, folder: str | None = None) -> Iterator[Story]:
        """The stories of one issue, or all, read one by one as they are taken. Raises InputError at a broken one."""
        return (self.story(story_id) for story_id in self.story_ids(folder))

    def mentions(self, story_id: str, word: str) -> bool:
        """Whether a story's file has this word in it at all: spares parsing the many that do not."""
        path = self.story_path(story_id)
        return word.encode() in read_bytes(path, self._shown(path))

    def nearest_story(self, story_id: str) -> str:
        """What to do about a story that is not there: the one probably meant, here or in another issue."""
        folder, _, name = story_id.rpartition("/")
        here = {found.rpartition("/")[2] for found in self.story_ids(folder)}
        close = nearest(name.removesuffix(SUFFIX), here)
        if close:
            return f"Did you mean `{close}`?"
        elsewhere = [other for other in (*reversed(self.issue_ids()), INBOX) if self.has_story(f"{other}/{name}")]
        if elsewhere:
            return f"Did you mean `{elsewhere[0]}/{name}`?"
        if folder not in self._known:
            return did_you_mean(folder, self.issue_ids())
        lately = (story for other in (*self.issue_ids()[-LATELY:], INBOX) for story in self.story_ids(other))
        similar = {story.rpartition("/")[2]: story for story in lately}
        close = nearest(name, similar)
        if close:
            return f"Did you mean `{similar[close]}`?"
        return did_you_mean(name, here) or f"There are no stories in {self._shown(self.root / folder)}/."

    def story_path(self, story_id: str) -> Path:
        """Where a story's file lies. Raises InputError for what is no file, or a link that leads elsewhere."""
        path = self.root / f"{story_id}{SUFFIX}"
        self._keep_inside(path)
        if not path.is_file():
            raise InputError([Problem(Place(self._shown(path)), "is not a file.")])
        return path

    # -- images --------------------------------------------------------------------------------------------------------

    def image(self, folder: str, name: str) -> Path:
        """The image of that name beside an issue or a story. Raises NotFound with the nearest, or InputError."""
        if name not in self.file_names(folder):
            images = [file for file in self.file_names(folder) if not file.endswith((SUFFIX, ".toml"))]
            remedy = did_you_mean(name, images) or "There are no images in it."
            raise NotFound(f"There is no image `{name}` in {self._shown(self.root / folder)}/. {remedy}")
        path = self.root / folder / name
        self._keep_inside(path)
        if not path.is_file():
            raise NotFound(f"{self._shown(path)} is not a file.")
        return path

    # -- keeping inside ------------------------------------------------------------------------------------------------

    @cached_property
    def _real_root(self) -> Path:
        return Path(os.path.realpath(self.root.parent)) / self.root.name

    def is_inside(self, path: Path) -> bool:
        """Whether the path, links followed, lies in `issues/`."""
        return Path(os.path.realpath(path)).is_relative_to(self._real_root)

    def _keep_inside(self, path: Path) -> None:
        """Refuse a link that leads out of `issues/`: what is there is not editors' copy. Raises InputError."""
        if not self.is_inside(path):
            place = Place(self._shown(path))
            raise InputError([Problem(place, "is a link that leads out of issues/.", "Put the file itself there.")])

    def _shown(self, path: Path) -> str:
        return shown_path(path, self.root.parent)


def is_story_file(name: str) -> bool:
    """Whether a file of this name is a story."""
    stem = name.removesuffix(SUFFIX)
    return stem != name and NAME.fullmatch(stem) is not None and not name.startswith("_")


def heading_in(source: bytes, issue_id: str) -> Heading | None:
    """The date and newsletter in a definition's bytes, at a glance."""
    head = _head(source)
    return Heading(head[1], issue_id, head[0]) if head else None


def _head(source: bytes) -> tuple[str, date] | None:
    """Newsletter and date, by the lines before the first table; the parser is asked where those could mislead."""
    head = re.split(rb"^\s*\[", source, maxsplit=1, flags=re.MULTILINE)[0].decode("utf-8-sig", errors="replace")
    day = re.search(r"^\s*date\s*=\s*[\"']?(\d{4}-\d\d-\d\d)\b", head, re.MULTILINE)
    newsletter = re.search(r"^\s*newsletter\s*=\s*[\"']([^\"'\\]*)[\"']", head, re.MULTILINE)
    try:
        if day and newsletter and '"""' not in head and "'''" not in head:
            return newsletter[1].strip(), date.fromisoformat(day[1])
        data = tomllib.loads(decode(source, DEFINITION))
        return str(data.get("newsletter", "")), date.fromisoformat(str(data.get("date")))
    except (ValueError, InputError, RecursionError):
        return None
