"""Brings the index of the library up to date: whatever changed in `issues/` since is read again, and nothing else.

Every verb that asks the index does this first, so that no answer depends on what was asked before. Each row is written
under the store's write lock, and only while its file still is as it was read: two processes that refresh at once can
never put an older state over a newer one. A tree is one `issues/` folder on one machine, read by one program: checkouts
that share a database do not see each other's files, and no program trusts what another one understood of a file.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from newsletter.editorial.carried import note_builds
from newsletter.editorial.gleaning import IssueGlean, StoryGlean, glean_issue, glean_story
from newsletter.editorial.index import Index
from newsletter.editorial.library import DEFINITION, SUFFIX, Library
from newsletter.editorial.walk import ABSENT, UNKNOWN, Walk, shared_stamp, stamp_of, walk
from newsletter.store.engine import Store
from newsletter.store.fulltext import Text, drop_texts, put_texts
from newsletter.store.tables import library_issues, library_names, library_stories, library_trees
from newsletter.store.upsert import upsert

AT_ONCE = 500  # files read, then written in one transaction: a send never waits long for the lock
UNUSED = timedelta(days=14)  # a tree nobody asks any more is dropped

_Known = Mapping[str, tuple[str | None, str | None]]  # stamp and hash by file


def refresh(store: Store, library: Library, *, clock: Callable[[], int] = time.time_ns) -> str:
    """Make the index agree with the files as they are now; gives the name of their tree.

    `clock` is the machine's, in nanoseconds since 1970: the one that files are stamped by.
    """
    tree, at = tree_of(library.root), clock()
    today = datetime.fromtimestamp(at / 1e9, UTC).date()
    seen = walk(library, at=at)
    with store.read() as connection:
        known = _known(connection, tree)
        used_on = connection.scalar(select(library_trees.c.used_on).where(library_trees.c.tree == tree))
        changes = _Changes(library, tree, seen, known, Index(connection, tree).including())
    stamps = ((file, changes.stamp(file)) for file in seen.stamps)
    changed = [file for file, stamp in stamps if stamp == UNKNOWN or known.get(file, ("",))[0] != stamp]
    gone = [file for file in known if file not in seen.stamps]
    for files in _batches(changed):
        _take(store, changes, files)
    for files in _batches(gone):
        with store.write() as connection:
            _forget(connection, tree, filter(changes.is_gone, files))
    if used_on != today:
        with store.write() as connection:
            _use(connection, tree, today)
    note_builds(store)
    return tree


@contextmanager
def up_to_date(store: Store, library: Library) -> Iterator[Index]:
    """The index, refreshed, for questions only."""
    tree = refresh(store, library)
    with store.read() as connection:
        yield Index(connection, tree)


@cache
def _program() -> str:
    """A hash of the code that understands files: it decides what the index holds."""
    package = Path(__file__).parents[1]
    sources = sorted(file for folder in ("documents", "editorial", "store") for file in (package / folder).glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()


def tree_of(root: Path) -> str:
    """The name under which the index keeps what lies in this folder."""
    place = f"{platform.node()}\n{os.path.realpath(root)}\n{_program()}"
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def forget_tree(connection: Connection, tree: str) -> None:
    """Drop the index of a tree; the next refresh reads every file again."""
    _drop_texts_of(connection, library_stories.c.tree == tree)
    for table in (library_names, library_stories, library_issues, library_trees):
        connection.execute(delete(table).where(table.c.tree == tree))


# -- what changed ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Changes:
    """A refresh under way. `including` are the issues that had shared blocks when they were read last."""

    library: Library
    tree: str
    seen: Walk
    known: _Known
    including: frozenset[str]

    def stamp(self, file: str) -> str:
        """Of an issue with shared blocks it changes with the shared files too."""
        return self._with_shared(self.seen.stamps[file]) if file in self.including else self.seen.stamps[file]

    def _with_shared(self, stamp: str) -> str:
        return f"{stamp}+{self.seen.shared}" if stamp != UNKNOWN != self.seen.shared else UNKNOWN

    def glean(self, file: str, *, unless_known: bool) -> IssueGlean | StoryGlean | None:
        """What the file tells; None when its bytes are those already known, and nothing of it lies elsewhere."""
        sha256 = self.known.get(file, (None, None))[1] if unless_known and file not in self.including else None
        return (glean_story if "/" in file else glean_issue)(self.library, file, sha256)

    def path(self, file: str) -> Path:
        return self.library.root / (f"{file}{SUFFIX}" if "/" in file else f"{file}/{DEFINITION}")

    def is_gone(self, file: str) -> bool:
        path = self.path(file)
        return not os.path.lexists(path if "/" in file else path.parent)

    def is_as_seen(self, file: str, told: IssueGlean | StoryGlean | None) -> bool:
        """Whether it is, under the lock, what the walk saw."""
        stamp = stamp_of(self.path(file))
        stamp = ABSENT if stamp == UNKNOWN and self.seen.stamps[file] == ABSENT else stamp
        if stamp != self.seen.stamps[file]:
            return False
        return not _shares(told) or shared_stamp(self.library, at=self.seen.at) == self.seen.shared != UNKNOWN

    def proof(self, file: str, told: IssueGlean | StoryGlean | None) -> str:
        """The stamp to keep: one by which a later walk may know that the file did not change."""
        if file in self.seen.doubtful:
            return UNKNOWN
        return self._with_shared(self.seen.stamps[file]) if _shares(told) else self.seen.stamps[file]


def _shares(told: IssueGlean | StoryGlean | None) -> bool:
    """Whether some of it lies in files of shared blocks."""
    return told is not None and any(kind == "includes" for kind, _ in told.names)


def _take(store: Store, changes: _Changes, files: Sequence[str]) -> None:
    """Read the files, then write down what they told."""
    told = {file: changes.glean(file, unless_known=True) for file in files}
    with store.write() as connection:
        stamps = {}
        for file in files:
            stamps[file] = changes.proof(file, told[file])
            if not changes.is_as_seen(file, told[file]):  # written meanwhile: read under the lock
                told[file], stamps[file] = changes.glean(file, unless_known=False), UNKNOWN
        gone = {file for file in files if changes.is_gone(file)}
        here = [file for file in files if file not in gone]
        _forget(connection, changes.tree, [*gone, *(file for file in here if told[file])])
        _restamp(connection, changes, {file: stamps[file] for file in here if told[file] is None})
        _insert(connection, changes.tree, [(found, stamps[file]) for file in here if (found := told[file])])


def _restamp(connection: Connection, changes: _Changes, stamps: Mapping[str, str]) -> None:
    """Keep newer stamps of files whose bytes are the same."""
    for table, column in ((library_stories, library_stories.c.story), (library_issues, library_issues.c.issue)):
        rows = [
            {"file": file, "its_stamp": stamp}
            for file, stamp in stamps.items()
            if ("/" in file) == (table is library_stories) and changes.known[file][0] != stamp
        ]
        where = (table.c.tree == changes.tree, column == bindparam("file"))
        if rows:
            connection.execute(update(table).where(*where).values(stamp=bindparam("its_stamp")), rows)


# -- rows --------------------------------------------------------------------------------------------------------------


def _known(connection: Connection, tree: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for table, column in ((library_stories, library_stories.c.story), (library_issues, library_issues.c.issue)):
        query = select(column, table.c.stamp, table.c.sha256).where(table.c.tree == tree)
        found.update((file, (stamp, sha256)) for file, stamp, sha256 in connection.execute(query).all())
    return found


def _insert(connection: Connection, tree: str, gleaned: Sequence[tuple[IssueGlean | StoryGlean, str]]) -> None:
    stories = {glean.story: (glean, stamp) for glean, stamp in gleaned if isinstance(glean, StoryGlean)}
    issues = [(glean, stamp) for glean, stamp in gleaned if isinstance(glean, IssueGlean)]
    if issues:
        connection.execute(insert(library_issues), [_issue_row(tree, *each) for each in issues])
    if stories:
        made = insert(library_stories).returning(library_stories.c.id, library_stories.c.story)
        ids = connection.execute(made, [_story_row(tree, *each) for each in stories.values()]).all()
        texts = ((story_id, stories[story][0]) for story_id, story in ids)
        put_texts(
            connection,
            [Text(key, each.title_terms, each.label_terms, each.copy_terms) for key, each in texts if not each.problem],
        )
    names = [
        {"tree": tree, "kind": kind, "name": name, "file": _file(glean)}
        for glean, _ in gleaned
        for kind, name in glean.names
    ]
    if names:
        connection.execute(insert(library_names), names)


def _file(glean: IssueGlean | StoryGlean) -> str:
    return glean.story if isinstance(glean, StoryGlean) else glean.issue


def _issue_row(tree: str, glean: IssueGlean, stamp: str) -> dict[str, Any]:
    return {
        "tree": tree,
        "issue": glean.issue,
        "stamp": stamp,
        "sha256": glean.sha256,
        "newsletter": glean.newsletter,
        "date": glean.date,
        "subject": glean.subject,
        "selects": glean.selects,
        "data": glean.data,
        "problem": glean.problem,
    }


def _story_row(tree: str, glean: StoryGlean, stamp: str) -> dict[str, Any]:
    return {
        "tree": tree,
        "story": glean.story,
        "folder": glean.folder,
        "stamp": stamp,
        "sha256": glean.sha256,
        "title": glean.title,
        "day": glean.day,
        "data": glean.data,
        "problem": glean.problem,
    }


def _forget(connection: Connection, tree: str, files: Iterable[str]) -> None:
    wanted = list(files)
    stories = library_stories.c
    issues = library_issues.c
    for some in _batches(wanted):
        _drop_texts_of(connection, stories.tree == tree, stories.story.in_(some))
        connection.execute(delete(library_stories).where(stories.tree == tree, stories.story.in_(some)))
        connection.execute(delete(library_issues).where(issues.tree == tree, issues.issue.in_(some)))
        connection.execute(delete(library_names).where(library_names.c.tree == tree, library_names.c.file.in_(some)))


def _drop_texts_of(connection: Connection, *where: ColumnElement[bool]) -> None:
    drop_texts(connection, list(connection.scalars(select(library_stories.c.id).where(*where))))


def _use(connection: Connection, tree: str, today: date) -> None:
    """Write down that the tree is in use, and drop those that are not."""
    row = {"tree": tree, "used_on": today}
    upsert(connection, library_trees, row, key=["tree"], changes={"used_on": today})
    for old in connection.scalars(select(library_trees.c.tree).where(library_trees.c.used_on < today - UNUSED)).all():
        forget_tree(connection, old)


def _batches(files: Sequence[str]) -> Iterator[Sequence[str]]:
    return (files[first : first + AT_ONCE] for first in range(0, len(files), AT_ONCE))
