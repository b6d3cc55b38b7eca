"""With real kills: an import that was killed at any moment counts for nothing, and made again it is whole.

`KILLS=40 pytest tests/audience/test_audience_import_kill.py` is the long form.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from newsletter.app import App, open_app
from newsletter.audience.batches import list_imports, somebody_importing
from newsletter.audience.consent import Basis
from newsletter.audience.explain import count
from newsletter.audience.import_csv import import_csv
from newsletter.store.tables import proofs, subscribers, subscriptions, suppressions

CHILD = Path(__file__).with_name("import_child.py")
KILLS = int(os.environ.get("KILLS", "3"))
READERS, TURN = 800, 40
STATUSES = ("subscribed", "subscribed", "unsubscribed", "bounced", "complained")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


class Importers:
    """Importing processes, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self.orders, self.news = process.stdin, process.stdout

    def run(self, order: str, *, kill_after: int | None = None, patience: float = 0.0) -> int:
        """Let one work; kill it so long after it has told of so many turns. Its exit code, negative for a signal."""
        self.orders.write(f"{order}\n")
        self.orders.flush()
        number, turns = 0, 0
        while True:
            kind, _, told = self.news.readline().strip().partition(" ")
            number = int(told) if kind == "begun" else number
            turns += kind == "turn"
            if kind == "ended":
                return os.waitstatus_to_exitcode(int(told))
            if number and turns == kill_after:
                time.sleep(patience)
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
                kill_after = None


@contextmanager
def importers(root: Path, file: Path) -> Iterator[Importers]:
    command = [sys.executable, str(CHILD), str(root), str(file), str(TURN)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Importers(process)


def rows(chosen: range, name: str) -> str:
    lines = (f"reader{n}@example.com,{name}{n},{STATUSES[n % len(STATUSES)]},198.51.100.{n % 250}" for n in chosen)
    return "\n".join(["email,first_name,status,ip", *lines, ""])


def brings(app: App, file: Path) -> Any:
    options = {"settings": app.settings.newsletters["daily"], "actor": "ann", "now": app.now(), "basis": Basis.EXPRESS}
    return import_csv(app.store, app.keys, file, newsletter="daily", source="site export", **options)


def counted(app: App) -> Any:
    with app.store.read() as connection:
        return count(connection, "daily", settings=app.settings.newsletters["daily"], at=app.now())


def state(app: App) -> Any:
    """What is kept of everyone beside the ledger, from which nothing is taken away."""
    with app.store.read() as connection:
        people = select(subscribers.c.address_hash, subscribers.c.first_name)
        return [
            sorted(map(str, connection.execute(people.where(subscribers.c.address.is_not(None))))),
            sorted(map(str, connection.execute(select(suppressions.c.address_hash, suppressions.c.reason)))),
            connection.scalar(select(func.count()).select_from(subscriptions)),
            connection.scalar(select(func.count()).select_from(proofs)),
            count(connection, "daily", settings=app.settings.newsletters["daily"], at=app.now()),
        ]


def gone(app: App) -> None:
    """PostgreSQL needs a moment to see that a killed process is no more."""
    deadline = time.monotonic() + 20
    while somebody_importing(app.store):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def newsroom(make_workspace: Callable[..., Path], tmp_path: Path) -> Iterator[tuple[App, Path]]:
    """Two hundred readers are there, half of them called otherwise; the file has them too."""
    app = open_app(make_workspace())
    (tmp_path / "some.csv").write_text("email,first_name\n" + "".join(f"reader{n}@example.com,A\n" for n in range(200)))
    brings(app, tmp_path / "some.csv")
    file = tmp_path / "all.csv"
    file.write_text(rows(range(READERS), "B"))
    yield app, file
    app.store.close()


def test_killed_at_random_moments_nothing_of_it_counts_and_made_again_it_is_whole(
    newsroom: tuple[App, Path], make_workspace: Callable[..., Path]
) -> None:
    app, file = newsroom
    chance = random.Random(f"import {KILLS}")
    before = counted(app)
    with importers(app.workspace.root, file) as importing:
        for _ in range(KILLS):
            code = importing.run(
                "import", kill_after=chance.randrange(READERS // TURN), patience=chance.random() * 0.02
            )
            assert code in {0, -signal.SIGKILL}
            if code == 0:
                break  # the kill came too late
            gone(app)
            assert counted(app) == before
        assert importing.run("import") == 0
    brought = [batch for batch in list_imports(app.store)[:-1] if batch.undone_at is None and batch.counts["new"]]
    assert len(brought) == 1
    alike = open_app(make_workspace(name="alike"))
    brings(alike, file.with_name("some.csv"))
    brings(alike, file)
    assert counted(app) == counted(alike)
    assert [len(part) if isinstance(part, list) else part for part in state(app)] == [
        len(part) if isinstance(part, list) else part for part in state(alike)
    ]
    again = brings(app, file)
    assert (again.new, again.changed) == (0, 0)
    alike.store.close()


def test_an_undo_killed_at_random_moments_is_gone_on_with_until_all_is_as_before(newsroom: tuple[App, Path]) -> None:
    app, file = newsroom
    chance = random.Random(f"undo {KILLS}")
    before = state(app)
    batch = brings(app, file).batch
    with importers(app.workspace.root, file) as undoing:
        for _ in range(KILLS):
            undoing.run(f"undo {batch}", kill_after=chance.randrange(READERS // TURN), patience=chance.random() * 0.02)
            gone(app)
            if list_imports(app.store)[0].undone:
                break
        else:
            assert undoing.run(f"undo {batch}") == 0
    assert list_imports(app.store)[0].undone
    assert state(app) == before
