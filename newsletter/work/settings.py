"""The newsletters' settings as they stand: what runs for months looks whether config.toml has changed.

What it says of the newsletters holds from the next look on. The rest (the store, the way out, keys, addresses) is what
this process was made of: that is said, and holds when it is started again. A file that cannot be used changes nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from newsletter.config import CONFIG_NAME, Workspace, open_workspace
from newsletter.errors import NewsletterError
from newsletter.settings import Settings

log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int] | None  # None: there is no such file


@dataclass
class Standing:
    """A workspace whose newsletters' settings are those of its config.toml now."""

    workspace: Workspace
    _stamp: _Stamp = field(init=False)

    def __post_init__(self) -> None:
        self._stamp = _stamp(self.workspace.root / CONFIG_NAME)

    def look(self) -> Workspace:
        """The workspace as it stands; what is wrong with a changed file, or waits for a start, is logged once."""
        stamp = _stamp(self.workspace.root / CONFIG_NAME)  # before reading: a change meanwhile is seen the next time
        if stamp != self._stamp:
            self._stamp = stamp
            self._read()
        return self.workspace

    def _read(self) -> None:
        before = self.workspace.settings
        try:
            found = open_workspace(self.workspace.root).settings
        except (NewsletterError, OSError) as error:
            log.error("%s The settings stay as they were.", " ".join(str(error).split()))
            return
        if waiting := _others(before, found):
            log.warning("%s: %s changed, which holds from the next start on.", CONFIG_NAME, ", ".join(waiting))
        self.workspace = replace(self.workspace, settings=before.model_copy(update={"newsletters": found.newsletters}))


def _others(before: Settings, found: Settings) -> list[str]:
    """The tables besides the newsletters' that are different."""
    names = [name for name in Settings.model_fields if name != "newsletters"]
    return [name for name in names if getattr(before, name) != getattr(found, name)]


def _stamp(path: Path) -> _Stamp:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
