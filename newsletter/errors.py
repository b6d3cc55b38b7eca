"""One family of errors. Each says what is wrong, where, and what to do; the edge turns it into an exit code.

NewsletterError                 the base: `exit_code` 2
├── InputError                  a file, setting or argument cannot be used; carries every problem found
├── Refused                     the work was refused for a stated reason: `exit_code` 1
├── NotFound                    nothing has that name
├── BuildError                  rendering could not keep its promises
│   └── InlineError             inlining would have lost something
├── KeyMismatch                 a signing or hash key is missing or was swapped
└── StoreError                  the database cannot be used as it is
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where something stands: a file and, when known, a line counted from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one place of an input."""

    place: Place
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" {self.remedy}" if self.remedy else "")


class NewsletterError(Exception):
    """Something a person can put right; the text says what, where and how."""

    exit_code = 2


class InputError(NewsletterError):
    """A file, setting or argument cannot be used. Carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Refused(NewsletterError):
    """The work was refused for a stated reason."""

    exit_code = 1


class NotFound(NewsletterError):
    """Nothing has that name."""


class BuildError(NewsletterError):
    """Rendering could not keep its promises."""


class InlineError(BuildError):
    """Inlining CSS would have lost text, links, conditional comments or merge fields."""


class KeyMismatch(NewsletterError):
    """A signing or hash key is missing, or is not the one this store was made with."""


class StoreError(NewsletterError):
    """The database cannot be used as it is."""


def shown_path(path: Path, root: Path) -> str:
    """The path as a person would type it: relative to the workspace where it lies inside."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)
