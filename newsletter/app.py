"""The composition root: builds the one `App` that every command, page and test gets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.config import CONFIG_NAME, SECRETS_NAME, Workspace, open_workspace, shipped
from newsletter.errors import Refused, StoreError
from newsletter.settings import SesSettings, Settings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing, check_keys, new_key, read_keys
from newsletter.store.schema import is_current, is_empty, upgrade

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
        return self._transport(self.settings.ses)

    def post(self) -> Transport:
        """The same way out for service mail: one message a call, since each is one of its kind."""
        return self._transport(self.settings.ses.model_copy(update={"mode": "raw"}))

    def _transport(self, ses: SesSettings) -> Transport:
        if self.settings.transport.kind == "ses":
            from newsletter.transports.ses import SesTransport

            return SesTransport(ses)
        if self.settings.transport.kind == "smtp":
            from newsletter.transports.smtp import SmtpTransport

            return SmtpTransport(self.settings.smtp)
        from newsletter.transports.outbox import OutboxTransport

        return OutboxTransport(self.workspace.outbox)


def open_app(root: Path, *, now: Callable[[], datetime] = system_clock, make: bool = False) -> App:
    """Open a workspace for work. A database of an older version is refused until `db upgrade` was run.

    So is one that is missing or empty, unless it is to be made: it may have been moved away, and who was mailed would
    be forgotten. An empty PostgreSQL database, which somebody has just made by name, is made ready at first use.
    Raises NotFound, InputError, KeyMismatch or StoreError.
    """
    workspace = open_workspace(root)
    ring = read_keys(workspace.settings.keys)
    store = Store(workspace.store_url, make=make)
    if is_empty(store):
        if not (make or store.is_postgresql):
            raise StoreError(
                f"{store.url} holds nothing: put your database back, or restore your backup of it; or make it ready as "
                "a new one with: newsletter db upgrade"
            )
        upgrade(store)
    elif not is_current(store):
        raise StoreError("The database is not of this version. Run: newsletter db upgrade")
    check_keys(store, ring, now())
    return App(workspace, store, ring, now)


GITIGNORE = "# Written by `newsletter init`.\n/secrets.toml\n/var/\n"


def make_workspace(root: Path, *, sample: bool = False, now: Callable[[], datetime] = system_clock) -> App:
    """Make a workspace that works as it stands: config.toml, secrets.toml (mode 0600), .gitignore, issues/, the store.

    With `sample` the three sample issues come along. Nothing that exists is overwritten: a folder that already holds
    a config.toml or secrets.toml is refused. Raises Refused.
    """
    for name in (CONFIG_NAME, SECRETS_NAME):
        if (root / name).exists():
            raise Refused(f"{root / name} is there already: this is a workspace, and nothing was changed.")
    issues = root / "issues"
    try:
        issues.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"A workspace cannot be made in {root}: {error.strerror}. Name another folder.") from None
    if sample:
        from newsletter.editorial.include import SHARED

        for folder in sorted([*shipped("issues").glob("[!._]*"), shipped("issues") / SHARED]):
            shutil.copytree(folder, issues / folder.name, dirs_exist_ok=True)
    shutil.copyfile(shipped("config.example.toml"), root / CONFIG_NAME)
    secrets = f'# Keep a backup: without these keys old links cannot be checked.\n[keys]\nhash = "{new_key("h1")}"\n'
    secrets += f'signing = ["{new_key("s1")}"]\n'
    with os.fdopen(os.open(root / SECRETS_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets)
    ignore = root / ".gitignore"
    if not ignore.exists():
        ignore.write_text(GITIGNORE, encoding="utf-8")
    return open_app(root, now=now, make=True)
