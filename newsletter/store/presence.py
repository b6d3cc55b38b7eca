"""The SQLite file a process opened must stay the one at its path: a database that went away is not made anew unasked.

SQLite makes a file wherever it finds none, and goes on writing to one that was moved away. Either would be a second,
empty ledger beside the true one, and whoever was mailed could be mailed again.
"""

from __future__ import annotations

import os
from pathlib import Path

from newsletter.errors import StoreError


class Presence:
    """Watches over one path."""

    def __init__(self, path: Path, *, make: bool) -> None:
        """Raises StoreError when no file is there; with `make` an empty one, and its folder, are made."""
        self.path = path
        self._opened: tuple[int, int] | None = None
        if make:
            _make(path)
        elif not path.exists():
            raise StoreError(
                f"The database {path} is not there: put it back, or restore your backup of it; or make an empty one "
                "with: newsletter db upgrade"
            )

    def opened(self) -> None:
        """Somebody has just opened it: the first time says which file it is."""
        if self._opened is None:
            self._opened = self._found()
        self.check()

    def check(self) -> None:
        """Raises StoreError when the file is gone, or another is in its place. It costs no more than a look."""
        if self._opened not in (None, self._found()):
            raise StoreError(
                f"The database {self.path} is another file than the one that was opened: put that one back, or end "
                "this program and start it again."
            )

    def _found(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            gone = isinstance(error, FileNotFoundError | NotADirectoryError)
            said = "is not there any more: put it back" if gone else f"cannot be reached: {error.strerror}"
            raise StoreError(f"The database {self.path} {said}.") from None
        return found.st_dev, found.st_ino


def _make(path: Path) -> None:
    """Readers' addresses and their mails lie in its folder: nobody else on the machine may look in."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder {path.parent} for the database cannot be made: {error.strerror}.") from None
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise StoreError(f"The database {path} cannot be made: {error.strerror}.") from None
