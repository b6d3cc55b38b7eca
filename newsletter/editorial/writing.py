"""How the program writes editors' files: whole or not at all, and never over words it has not read.

A new file never takes the place of another. A changed one takes the place of exactly the bytes that were read: when
somebody wrote to it meanwhile, nothing is changed and the three versions are shown. Where the system can exchange two
files in one step, there is no moment at which an edit could fall between the look and the change.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter.editorial.merging import merge_view
from newsletter.errors import Refused

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


class EditedMeanwhile(Refused):
    """Somebody wrote to the file since it was read; `view` shows the three versions merged, conflicts marked."""

    def __init__(self, path: Path, view: str) -> None:
        self.path, self.view = path, view
        super().__init__(f"{path} was edited meanwhile; nothing was changed. Both versions:\n{view}")


def write_new(path: Path, data: bytes) -> None:
    """Make a file that is not there yet. Raises FileExistsError, or Refused when it cannot be written."""
    with _beside(path, data) as draft:
        try:
            os.link(draft, path)
        except PermissionError:  # a file system without hard links
            if os.path.lexists(path):
                raise FileExistsError(path) from None
            draft.rename(path)


def write_over(path: Path, data: bytes, *, read: bytes) -> None:
    """Put `data` in the place of the bytes that were read. Raises EditedMeanwhile, or Refused."""
    with _beside(path, data) as draft, _alone_in(path.parent):
        now = _bytes(path)
        if now == read:
            draft.chmod(path.stat().st_mode & 0o7777)
            if not _exchange(draft, path):
                draft.replace(path)
                return
            now = _bytes(draft)  # what the new file took the place of
            if now == read:
                return
            _exchange(draft, path)  # written between the look and the exchange: put back
        raise EditedMeanwhile(path, merge_view(read, ours=data, theirs=now or b""))


@contextmanager
def _beside(path: Path, data: bytes) -> Iterator[Path]:
    """The data in a hidden file beside the path, on the disk; gone afterwards."""
    draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    except FileExistsError:
        raise
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other process of this program changes a file of the folder meanwhile."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _exchange(one: Path, other: Path) -> bool:
    """Let two files change places in one step; False where the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0
