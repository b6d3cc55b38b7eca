"""Invariant 7: a build never fetches the network, and never reads outside the workspace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import newsletter
from newsletter.app import make_workspace

# Every file opened and every socket used, told by the interpreter itself (PEP 578). Loading the program's own code is
# over before the hook is set, but for what is imported late.
WATCHED_BUILD = """
import json, sys
from pathlib import Path
from newsletter.app import open_app
from newsletter.preflight.candidate import candidate

app = open_app(Path(sys.argv[1]))
seen = []

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        seen.append(["open", str(arguments[0])])
    elif event.startswith("socket.") or event in {"subprocess.Popen", "os.system", "urllib.Request"}:
        seen.append([event, ""])

sys.addaudithook(watch)
candidate(app.workspace, app.store, "2024-10-10", now=app.now())
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    root = tmp_path_factory.mktemp("isolated") / "newsroom"
    make_workspace(root, sample=True).store.close()
    story = root / "issues" / "2024-10-10" / "walls.md"
    trap = "\n\n<link rel=stylesheet href=http://127.0.0.1:9/x.css>\n\n<style>@import url(file:///etc/passwd)</style>\n"
    story.write_text(story.read_text(encoding="utf-8") + trap, encoding="utf-8")
    command = [sys.executable, "-c", WATCHED_BUILD, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return root, json.loads(done.stdout)


def test_a_build_touches_no_network_and_starts_no_program(watched: tuple[Path, list[list[str]]]) -> None:
    _, seen = watched
    assert [event for event, _ in seen if event != "open"] == []


def test_a_build_reads_only_the_workspace_and_the_program(watched: tuple[Path, list[list[str]]]) -> None:
    root, seen = watched
    program = [
        Path(newsletter.__file__).parents[1],
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path("/usr/share/zoneinfo"),
    ]
    allowed = [os.path.realpath(folder) for folder in (root, *program)]
    opened = {os.path.realpath(name) for event, name in seen if event == "open"}
    assert any(name.startswith(os.path.realpath(root)) for name in opened)  # the hook does see what is opened
    assert {name for name in opened if not name.startswith(tuple(allowed))} == set()
