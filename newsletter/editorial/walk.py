"""A walk through `issues/`: which files there are, and a stamp that changes whenever one of them is written.

Nothing is opened. A stamp holds size, times and inode. One that is younger than two seconds proves nothing, because a
file written again within the same tick of its clock keeps it; neither does one that could not be taken.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from newsletter.editorial.include import SHARED
from newsletter.editorial.library import DEFINITION, NO_ISSUES, SUFFIX, Library, is_story_file

ABSENT = "absent"
UNKNOWN = ""
YOUNG_NS = 2_000_000_000  # the coarsest clock of a file system there is


@dataclass
class Walk:
    """What was seen: the stamp of each issue's definition, by issue, and of each story; and which prove nothing.

    `shared` is one stamp for all files of shared blocks.
    """

    at: int
    stamps: dict[str, str] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    shared: str = ABSENT


def walk(library: Library, *, at: int) -> Walk:
    """Look at every file once; `at` is the moment it begins, in nanoseconds since 1970."""
    seen = Walk(at)
    closed = _closed(library)
    seen.shared = shared_stamp(library, at=at)
    for folder in (*library.issue_ids(), *NO_ISSUES):
        if folder not in NO_ISSUES:
            seen.stamps[folder] = UNKNOWN if folder in closed else ABSENT
        for entry, name in _files(library, folder) if folder not in closed else ():
            stamp, touched = _stamp(entry)
            seen.stamps[name] = stamp
            if stamp == UNKNOWN or touched > at - YOUNG_NS:
                seen.doubtful.add(name)
    return seen


def stamp_of(path: Path) -> str:
    """The stamp of a file as it is now."""
    return _stamp(path)[0]


def shared_stamp(library: Library, *, at: int) -> str:
    """One stamp for all files of shared blocks as they are now; UNKNOWN when it would prove nothing."""
    try:
        with os.scandir(library.root / SHARED) as entries:
            found = sorted((entry.name, *_stamp(entry)) for entry in entries if entry.name.endswith(".toml"))
    except OSError:
        return ABSENT
    if any(stamp == UNKNOWN or touched > at - YOUNG_NS for _, stamp, touched in found):
        return UNKNOWN
    return hashlib.sha256("".join(f"{name}\n{stamp}\n" for name, stamp, _ in found).encode()).hexdigest()


def _closed(library: Library) -> frozenset[str]:
    """The folders that are links and lead out of `issues/`."""
    try:
        with os.scandir(library.root) as entries:
            linked = [entry.name for entry in entries if entry.is_symlink()]
    except OSError:
        return frozenset()
    return frozenset(name for name in linked if not library.is_inside(library.root / name))


def _files(library: Library, folder: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """The files that count, each with its name in the walk: the issue's for its definition, else the story's."""
    try:
        with os.scandir(os.path.join(library.root, folder)) as entries:  # noqa: PTH118 - ten thousand times
            for entry in entries:
                if entry.name == DEFINITION and folder not in NO_ISSUES:
                    yield entry, folder
                elif is_story_file(entry.name):
                    yield entry, f"{folder}/{entry.name.removesuffix(SUFFIX)}"
    except OSError:  # gone since, or closed to us: whoever names it is told
        return


def _stamp(file: os.DirEntry[str] | Path) -> tuple[str, int]:
    try:
        found = file.stat()
    except OSError:
        return UNKNOWN, 0
    stamp = f"{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}.{found.st_ino}.{found.st_dev}"
    return stamp, max(found.st_mtime_ns, found.st_ctime_ns)
