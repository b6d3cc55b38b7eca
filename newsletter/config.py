"""The one reader of configuration and environment.

Settings come from `config.toml`, then `secrets.toml`, then the environment (`NEWSLETTER_TRANSPORT__KIND=ses`), the
later winning. They are read once, checked at the start, frozen, and passed in. Keys and passwords are refused in
`config.toml`: that file is shared, `secrets.toml` (mode 0600, git-ignored) is not.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings.exceptions import SettingsError

from newsletter.documents import Document, did_you_mean, problems_of, read_toml
from newsletter.errors import InputError, NotFound, Place, Problem
from newsletter.settings import ENVIRONMENT_PREFIX, NewsletterSettings, Settings

WORKSPACE_VARIABLE = "NEWSLETTER_WORKSPACE"
CONFIG_NAME = "config.toml"
SECRETS_NAME = "secrets.toml"
_OWN = ("issues", "segments", "templates")  # folders of the editors


@dataclass(frozen=True)
class Workspace:
    """A newsroom's folder: its settings and where its things lie."""

    root: Path
    settings: Settings

    @property
    def issues(self) -> Path:
        return self.root / "issues"

    @property
    def segments(self) -> Path:
        return self.root / "segments"

    @property
    def segment_names(self) -> tuple[str, ...]:
        """The segments there are: one file each."""
        return tuple(sorted(path.stem for path in self.segments.glob("*.toml")))

    @property
    def builds(self) -> Path:
        return self.root / "var" / "builds"

    @property
    def outbox(self) -> Path:
        return self.root / self.settings.outbox.path

    @property
    def locks(self) -> Path:
        """Locks that a killed process releases: who owns an in-flight batch.

        They lie beside an SQLite database, so that all who share it see the same ones, from whichever workspace.
        """
        file = self.store_url.removeprefix("sqlite:///")
        return Path(file).resolve().parent / "locks" if file != self.store_url else self.root / "var" / "locks"

    @cached_property
    def store_url(self) -> str:
        """The database address as SQLAlchemy wants it, a relative SQLite path made absolute."""
        if self.settings.store.url.startswith("postgresql://"):
            return self.settings.store.url.replace("postgresql://", "postgresql+psycopg://", 1)
        path = self.settings.store.url.removeprefix("sqlite:///")
        return f"sqlite:///{self.root / path}"

    def theme(self, name: str) -> Path:
        """The folder of a theme: the workspace's own, or the shipped one. Raises NotFound."""
        for folder in (self.root / "templates" / name, shipped("templates") / name):
            if folder.is_dir():
                return folder
        known = {path.name for base in (self.root / "templates", shipped("templates")) for path in base.glob("*/")}
        raise NotFound(f"There is no theme `{name}` in templates/. {did_you_mean(name, known)}")

    def newsletter(self, name: str | None = None) -> tuple[str, NewsletterSettings]:
        """The newsletter of that name; without a name the only one there is. Raises NotFound."""
        known = self.settings.newsletters
        if name is None:
            if len(known) == 1:
                return next(iter(known.items()))
            raise NotFound(f"Which newsletter? Say --newsletter {' | '.join(known)}.")
        if name not in known:
            raise NotFound(f"There is no newsletter `{name}` in {CONFIG_NAME}. {did_you_mean(name, known)}")
        return name, known[name]


def shipped(name: str) -> Path:
    """A file or folder that comes with the program: `templates`, `issues`, `config.example.toml`."""
    package = Path(__file__).parent
    installed = package / "shipped" / name
    return installed if installed.exists() else package.parent / name


def find_workspace(start: Path, named: Path | None = None) -> Path:
    """The workspace's folder: the named one, else the nearest upwards with a config.toml, else `start`."""
    chosen = named or (Path(os.environ[WORKSPACE_VARIABLE]) if os.environ.get(WORKSPACE_VARIABLE) else None)
    if chosen is not None:
        return chosen.resolve()
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder
    return start


def open_workspace(root: Path) -> Workspace:
    """Read and check a workspace's settings. Raises NotFound without a config.toml, InputError for what is wrong."""
    path = root / CONFIG_NAME
    if path.is_dir():
        raise NotFound(
            f"{path} is a folder, and must be the file with the settings. Move it away, then write that file."
        )
    if not path.is_file():
        raise NotFound(f"There is no {CONFIG_NAME} in {root}. Make a workspace with: newsletter init DIR")
    config = _read(path)
    if "keys" in config.data:
        remedy = f"Move [keys] to {SECRETS_NAME} (mode 0600, never committed)."
        raise InputError([Problem(config.place(["keys"]), f"secrets do not belong in {CONFIG_NAME}.", remedy)])
    if isinstance(smtp := config.data.get("smtp"), dict) and "password" in smtp:
        remedy = f"Move it to [smtp] of {SECRETS_NAME}, or set NEWSLETTER_SMTP__PASSWORD."
        raise InputError([Problem(config.place(["smtp", "password"]), "a password does not belong here.", remedy)])
    if isinstance(store := config.data.get("store"), dict) and _has_password(str(store.get("url", ""))):
        remedy = f"Put `url` into [store] of {SECRETS_NAME}, or set NEWSLETTER_STORE__URL or PGPASSWORD."
        raise InputError([Problem(config.place(["store", "url"]), "a password does not belong here.", remedy)])
    secrets_path = root / SECRETS_NAME
    secrets = _read(secrets_path) if secrets_path.is_file() else None
    if secrets:
        _check_secrets(secrets, secrets_path)
    return Workspace(root, _settings(config, secrets, root))


@dataclass(frozen=True)
class _Sources(Document):
    """Where each setting came from, so that an error names the file or the variable to mend."""

    secrets: Document | None = None

    def place(self, path: Sequence[str | int]) -> Place:
        for length in range(len(path), 0, -1):
            variable = ENVIRONMENT_PREFIX + "__".join(str(step) for step in path[:length]).upper()
            if variable in {name.upper() for name in os.environ}:
                return Place(f"environment variable {variable}")
        if self.secrets and path and path[0] in self.secrets.data:
            return self.secrets.place(path)
        return super().place(path)


def _has_password(url: str) -> bool:
    """By the look of it: what urlsplit makes of an address with # or / in its password hides it."""
    return re.search(r"://[^:/@]*:[^@]*@|[?&]password=", url) is not None


def _settings(config: Document, secrets: Document | None, root: Path) -> Settings:
    problems = _unknown_variables()
    merged = _merged(config.data, secrets.data if secrets else {})
    sources = _Sources(config.name, _with_variables(merged), config.text, "toml", secrets=secrets)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise InputError([*problems, *problems_of(error, sources, Settings)]) from None
    except SettingsError as error:
        raise InputError([*problems, *_unreadable_variables(str(error))]) from None
    if wrong := _no_outbox(root, settings.outbox.path):
        remedy = 'Name a folder that is for mails alone, such as path = "var/outbox".'
        problems.append(Problem(sources.place(["outbox", "path"]), f"`outbox.path`: {wrong}", remedy))
    if problems:
        raise InputError(problems)
    return settings


def _no_outbox(root: Path, path: str) -> str | None:
    """Why mails cannot be put there. It need not be inside the workspace, nor be there yet."""
    if path.startswith("~"):
        return "`~` stands for no folder here."
    home, folder = Path(os.path.realpath(root)), Path(os.path.realpath(root / path))
    ours = any(folder.is_relative_to(home / own) for own in _OWN) or folder == home / "var"
    if ours or home.is_relative_to(folder):
        return f"{folder} holds other things than mails."
    there = next(above for above in (folder, *folder.parents) if os.path.exists(above))  # noqa: PTH110 - never raises
    return None if os.path.isdir(there) else f"{there} is a file, not a folder."  # noqa: PTH112


def _merged(config: dict[str, Any], secrets: dict[str, Any]) -> dict[str, Any]:
    """A table that stands in both is one table, the secret keys winning."""
    both = {
        name: {**config[name], **table}
        for name, table in secrets.items()
        if isinstance(table, dict) and isinstance(config.get(name), dict)
    }
    return {**config, **secrets, **both}


def _with_variables(data: dict[str, Any]) -> dict[str, Any]:
    """The data with the keys that variables set, so that an error in one of them has a path."""
    full = copy.deepcopy(data)
    for variable in os.environ:
        if variable.upper().startswith(ENVIRONMENT_PREFIX):
            here = full
            for step in variable[len(ENVIRONMENT_PREFIX) :].lower().split("__"):
                here = here.setdefault(step, {})
                if not isinstance(here, dict):
                    break
    return full


def _unknown_variables() -> list[Problem]:
    """NEWSLETTER_ variables that set nothing: a typing error must not be silently without effect."""
    problems = []
    for variable in sorted(os.environ):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX) or variable == WORKSPACE_VARIABLE:
            continue
        first = variable[len(ENVIRONMENT_PREFIX) :].split("__")[0].lower()
        if first not in Settings.model_fields:
            remedy = did_you_mean(first, Settings.model_fields)
            problems.append(Problem(Place(f"environment variable {variable}"), f"unknown setting `{first}`.", remedy))
    return problems


def _unreadable_variables(said: str) -> list[Problem]:
    """The variable that was given a bare word where a table or a list belongs; the library names only the field."""
    found = re.search(r'field "(\w+)"', said)
    field = found[1] if found else ""
    variable = f"{ENVIRONMENT_PREFIX}{field.upper()}"
    if not field or variable not in {name.upper() for name in os.environ}:
        return [Problem(Place("environment"), f"{said}.")]
    key = {"transport": "KIND", "store": "URL", "newsletters": "DAILY__NAME"}.get(field, "KEY")
    remedy = f"Set one of its keys, such as {variable}__{key}, or write it as JSON."
    return [Problem(Place(f"environment variable {variable}"), f"`{field}` is a table, not a word.", remedy)]


def _check_secrets(secrets: Document, path: Path) -> None:
    problems = [
        Problem(secrets.place([key]), f"unknown key `{key}`.", "Known: keys, smtp, store.")
        for key in secrets.data
        if key not in ("keys", "smtp", "store")
    ]
    if os.name == "posix" and path.stat().st_mode & 0o077:
        problems.append(Problem(Place(secrets.name), "other users can read it.", f"Run: chmod 600 {path}"))
    if problems:
        raise InputError(problems)


def _read(path: Path) -> Document:
    try:
        return read_toml(path.read_text(encoding="utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError([Problem(Place(path.name, line), "is not UTF-8 text.", "Save the file as UTF-8.")]) from None
