"""While a send goes on in the foreground what comes back counts: the breaker stops it, and nobody else has to run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from segmented import ISSUE, write_newsroom
from sending_rig import add_readers
from sqlalchemy import func, select
from typer.testing import CliRunner

from newsletter.app import open_app
from newsletter.cli.meanwhile import warnings_said
from newsletter.cli.root import cli
from newsletter.errors import Refused
from newsletter.feedback.apply import Applied
from newsletter.simulator.events import TOPIC
from newsletter.simulator.server import start
from newsletter.store.tables import suppressions
from newsletter.work.listening import listening

HALF_BOUNCE = "[account]\nrate = 60\n[recipients]\nbounces = 0.5\n"
SETTINGS = """
[ses]
endpoint_url = "{url}"
[feedback]
simulator_url = "{url}"
topics = ["{topic}"]
[newsletters.daily.breaker]
after = 10
"""


@pytest.mark.sqlite
def test_a_send_in_the_foreground_is_stopped_by_its_own_bounces(
    make_workspace: Callable[..., Path], tmp_path: Path
) -> None:
    script = tmp_path / "faults.toml"
    script.write_text(HALF_BOUNCE)
    with start(tmp_path / "simulator", keep_messages=False, faults=script) as simulator:
        root = make_workspace(SETTINGS.format(url=simulator.url, topic=TOPIC), transport="ses")
        app = open_app(root)
        write_newsroom(app)
        add_readers(app, 150)
        done = CliRunner().invoke(cli, ["--workspace", str(root), "send", ISSUE, "--waive", "DATE=old", "--as", "ann"])
    assert done.exit_code == 1
    assert "hard bounces among" in done.stdout
    assert "held" in done.stdout
    assert "newsletter sends resume" in done.stdout
    with app.store.read() as connection:
        assert (connection.scalar(select(func.count()).select_from(suppressions)) or 0) > 0
    app.store.close()


@dataclass
class Moody:
    """What is collected from: in trouble, then with a defect, then well."""

    configured: bool = True
    moods: list[Exception | None] = field(default_factory=lambda: [Refused("away"), KeyError("defect"), None])
    done: threading.Event = field(default_factory=threading.Event)

    def collect(self, **_: object) -> Applied:
        mood = self.moods.pop(0) if self.moods else None
        if not self.moods:
            self.done.set()
        if mood is not None:
            raise mood
        return Applied(received=1)


def heard_through(collector: Any) -> Any:
    with listening(collector, seconds=0) as heard:
        assert collector.done.wait(60)
    return heard


def test_trouble_with_what_comes_back_ends_neither_the_send_nor_the_listening() -> None:
    heard = heard_through(Moody())
    assert heard.applied.received >= 1
    assert heard.problem is None


def test_the_last_trouble_is_told() -> None:
    class Away(Moody):
        def collect(self, **_: object) -> Applied:
            self.done.set()
            raise Refused("The queue of events cannot be read.")

    assert heard_through(Away()).problem == "The queue of events cannot be read."


def test_where_nothing_is_configured_nobody_listens() -> None:
    deaf: Any = Moody(configured=False)
    with listening(deaf, seconds=0):
        assert threading.active_count() == len([t for t in threading.enumerate() if t.name != "listening"])
    assert len(deaf.moods) == 3


def test_a_warning_during_a_send_is_a_sentence_like_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("newsletter.feedback.breaker")
    with warnings_said():
        log.warning("Send %s: more than half of what the breaker allows:\n %s.", "abcdefgh", "[8 complaints]")
        log.info("nobody needs this")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Send abcdefgh: more than half of what the breaker allows: [8 complaints].\n")
