"""The issue as its files have it at this moment: built anew whenever one of them changes.

Nothing is frozen or stored. What cannot be built keeps the build before it on the screen, and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Condition, Event

from watchfiles import watch

from newsletter.config import Workspace, open_workspace
from newsletter.errors import InputError, NewsletterError, NotFound, Place
from newsletter.preflight.candidate import candidate
from newsletter.preflight.check import source_findings
from newsletter.preflight.findings import Finding, Severity
from newsletter.rendering.build import Build
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store

_SETTLED_MS = 60  # an editor's program writes a file in several steps
_LOOK_AGAIN_MS = 500


@dataclass(frozen=True)
class Draft:
    """One state of the files. `build` is None until they could be built once."""

    number: int
    findings: tuple[Finding, ...] = ()
    build: Build | None = None
    settings: NewsletterSettings | None = None
    stale: bool = False  # `build` is of the files as they were before

    @property
    def errors(self) -> int:
        return sum(finding.severity is Severity.ERROR for finding in self.findings)


class Drafts:
    """The draft of one issue, and who waits for the next. Raises NotFound when there is no such issue."""

    def __init__(self, root: Path, store: Store, issue: str, now: Callable[[], datetime]) -> None:
        self.root, self.store, self.issue, self._now = root, store, issue, now
        self._changed = Condition()
        self._ended = False
        self.current = self._built(Draft(0))

    def refresh(self) -> None:
        """Build anew and tell everybody who waits."""
        following = self._built(self.current)
        with self._changed:
            self.current = following
            self._changed.notify_all()

    def beyond(self, number: int, *, seconds: float) -> int:
        """The number of the present draft, after waiting a while for a newer one than `number`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self.current.number > number, timeout=seconds)
            return self.current.number

    def end(self) -> None:
        """Nobody waits any longer."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def follow(self, stop: Event) -> None:
        """Build anew after every change of a file, until told to stop."""
        for _ in watch(
            *self._watched(),
            debounce=_SETTLED_MS,
            step=_SETTLED_MS // 2,
            rust_timeout=_LOOK_AGAIN_MS,
            stop_event=stop,
            raise_interrupt=False,
        ):
            self.refresh()

    def workspace(self) -> Workspace:
        """The settings as they are now. Raises what `open_workspace` raises."""
        return open_workspace(self.root)

    def _watched(self) -> list[Path]:
        """The editors' files, the theme, the segments and the settings; never what we write ourselves."""
        places = (self.root / name for name in ("issues", "templates", "segments", "config.toml"))
        return [place for place in places if place.exists()]

    def _built(self, before: Draft) -> Draft:
        number = before.number + 1
        try:
            workspace = self.workspace()
            found = candidate(workspace, self.store, self.issue, now=self._now())
            _, settings = workspace.newsletter(found.build.newsletter)
        except InputError as error:
            return replace(before, number=number, findings=tuple(source_findings(error)), stale=True)
        except NewsletterError as error:
            if before.number == 0 and isinstance(error, NotFound):
                raise  # no such issue: there is nothing to wait for
            return replace(before, number=number, findings=(self._whole(str(error)),), stale=True)
        return Draft(number, found.findings, found.build, settings)

    def _whole(self, message: str) -> Finding:
        return Finding("BUILD", Severity.ERROR, Place(f"issues/{self.issue}"), message, "")
