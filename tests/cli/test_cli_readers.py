"""Bringing readers in, taking that back, and taking readers out, as people type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typed import Done, typed

FILE = "email,first_name\nalice@example.org,Alice\nbob@example.org,=Bob\n"


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli-readers") / "newsroom"
    assert typed("init", str(root)).returncode == 0
    (root / "readers.csv").write_text(FILE)
    return root


def at(root: Path, *words: str) -> Done:
    return typed("--workspace", str(root), *words, cwd=root)


def through_a_pipe(root: Path, *words: str, typing: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, which reads what another writes."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NEWSLETTER_")}
    command = [sys.executable, "-m", "newsletter", "--workspace", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, check=False, input=typing)


def test_a_file_is_looked_at_imported_listed_undone_and_exported(newsroom: Path) -> None:
    grounds = ("--source", "form", "--basis", "express")
    looked = at(newsroom, "subscriber", "import", "readers.csv", *grounds, "--dry-run")
    assert "Would import: 2 new" in looked.stdout, looked.stderr
    assert "Read as a generic CSV file." in looked.stdout
    assert at(newsroom, "subscriber", "imports").stdout.count("\n") == 1  # only the heading
    kept = at(newsroom, "subscriber", "import", "readers.csv", *grounds)
    assert "newsletter subscriber undo 1" in kept.stdout
    assert "\x1b" not in kept.stderr  # no progress bar where nobody watches
    assert "readers.csv" in at(newsroom, "subscriber", "imports").stdout
    out = at(newsroom, "subscriber", "export")
    assert out.stdout.splitlines()[2].startswith("bob@example.org,'=Bob,")
    undone = json.loads(at(newsroom, "subscriber", "undo", "1", "--json").stdout)
    assert (undone["undone"], undone["kept"]) == (2, 0)
    again = at(newsroom, "subscriber", "undo", "1")
    assert (again.returncode, "was undone already" in again.stderr) == (1, True)
    assert at(newsroom, "subscriber", "export", "-").stdout.count("\n") == 1


def test_an_export_never_replaces_a_file_unasked_and_is_private(newsroom: Path) -> None:
    words = ("subscriber", "export", "out.csv", "--json")
    done = at(newsroom, *words)
    assert json.loads(done.stdout)["file"] == "out.csv"
    assert (newsroom / "out.csv").stat().st_mode & 0o777 == 0o600
    refused = at(newsroom, *words)
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert at(newsroom, *words, "--force").returncode == 0


def test_what_comes_through_a_pipe_is_imported(newsroom: Path) -> None:
    words = ("subscriber", "import", "/dev/stdin", "--source", "form", "--basis", "express", "--dry-run", "--json")
    done = through_a_pipe(newsroom, *words, typing="email\ncarol@example.org\n")
    assert json.loads(done.stdout)["new"] == 1, done.stderr


def test_a_file_that_names_no_grounds_says_which_options_would(newsroom: Path) -> None:
    done = at(newsroom, "subscriber", "import", "readers.csv")
    assert done.returncode == 1
    assert "say --basis." in done.stderr
