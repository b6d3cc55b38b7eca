"""What every test may use: a workspace of its own, an app over it, and a clock that stands still."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import Database, database, parametrise, postgresql_server, sqlite_template
from hypothesis import settings

from newsletter.app import App, open_app
from newsletter.store.keys import new_key

__all__ = ["database", "postgresql_server", "sqlite_template"]  # fixtures

settings.register_profile("newsletter", deadline=None)  # a slow machine is no counter-example
settings.load_profile("newsletter")

# Many tests start processes of their own: compiled once, not once each, even where the environment says otherwise.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)

CONFIG = """\
public_url = "https://news.example.org"

[transport]
kind = "outbox"

[newsletters.daily]
name = "The Meridian"
tagline = "World news"
list_id = "daily.news.example.org"
from_name = "The Meridian"
from_address = "daily@news.example.org"
reply_to = "editors@news.example.org"
timezone = "America/New_York"
lang = "en"
organisation = "The Meridian"
postal_address = "1 Example Street, Springfield"
why_receiving = "You get this because you signed up for The Meridian."
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("NEWSLETTER_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def make_workspace(tmp_path: Path, database: Database) -> Callable[..., Path]:
    """Makes a workspace folder with a config.toml, keys and a database; `extra` is TOML put behind the config."""

    def make(extra: str = "", *, config: str = CONFIG, name: str = "workspace", transport: str = "outbox") -> Path:
        root = tmp_path / name
        (root / "issues").mkdir(parents=True)
        config = config.replace('kind = "outbox"', f'kind = "{transport}"')
        (root / "config.toml").write_text(config + extra + database.give(root), encoding="utf-8")
        secrets = root / "secrets.toml"
        secrets.write_text(f'[keys]\nhash = "{new_key("h1")}"\nsigning = ["{new_key("s1")}"]\n', encoding="utf-8")
        secrets.chmod(0o600)
        return root

    return make


@pytest.fixture
def workspace(make_workspace: Callable[..., Path]) -> Path:
    return make_workspace()


@pytest.fixture
def app(workspace: Path) -> Iterator[App]:
    """An app on a fresh database, on the morning of 10 October 2024."""
    app = open_app(workspace, now=lambda: NOW)
    yield app
    app.store.close()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite: is about SQLite; runs on no other database")
    config.addinivalue_line("markers", "node: needs Node and aws-ses-v2-local; skipped by name where it is absent")
    config.addinivalue_line("markers", "postgresql: is about PostgreSQL; runs on no other database")


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: two for each core, since many tests wait, for leases, browsers and other processes."""
    return 2 * (os.cpu_count() or 1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrise(metafunc)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With FAIL_ON_SKIP=1 a skipped test fails the run: on a machine that has everything, nothing may be left out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FAIL_ON_SKIP") == "1" and reporter and reporter.stats.get("skipped") and exitstatus == 0:
        reporter.write_line("FAIL_ON_SKIP: tests were skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that want a browser are skipped, by name, where there is none."""
    if shutil.which("chromium"):
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="needs Chromium (Debian package: chromium)"))
