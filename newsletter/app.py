"""The composition root: builds the one `App` that every command, page and test gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.config import Settings, Workspace, open_workspace
from newsletter.errors import StoreError
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing, check_keys, read_keys
from newsletter.store.schema import is_current, upgrade

if TYPE_CHECKING:
    from newsletter.transports.mail import Transport


def system_clock() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class App:
    """What a verb may need: the workspace, the store, the keys and the clock."""

    workspace: Workspace
    store: Store
    keys: KeyRing
    now: Callable[[], datetime] = system_clock

    @property
    def settings(self) -> Settings:
        return self.workspace.settings

    def transport(self) -> Transport:
        """The configured way out. Imported here so that reading commands never load boto3."""
        if self.settings.transport.kind == "ses":
            from newsletter.transports.ses import SesTransport

            return SesTransport(self.settings.ses)
        from newsletter.transports.outbox import OutboxTransport

        return OutboxTransport(self.workspace.outbox)


def open_app(root: Path, *, now: Callable[[], datetime] = system_clock) -> App:
    """Open a workspace for work. A new database is made; an old one is refused until `db upgrade` was run.

    Raises NotFound, InputError, KeyMismatch or StoreError.
    """
    workspace = open_workspace(root)
    ring = read_keys(workspace.settings.keys)
    fresh = not Path(workspace.store_url.removeprefix("sqlite:///")).exists()
    store = Store(workspace.store_url)
    if fresh:
        upgrade(store)
    elif not is_current(store):
        raise StoreError("The database is not of this version. Run: newsletter db upgrade")
    check_keys(store, ring, now())
    return App(workspace, store, ring, now)
