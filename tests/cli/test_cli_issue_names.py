"""The name of an issue as a script may give it: an empty one never stands for another issue."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from newsletter.cli.root import cli
from newsletter.errors import InputError


@pytest.mark.parametrize("command", ["check", "build", "send", "approve", "preview"])
@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_refused_and_no_other_issue_is_taken_for_it(workspace: Path, command: str, name: str) -> None:
    done = CliRunner().invoke(cli, ["--workspace", str(workspace), command, name])
    assert isinstance(done.exception, InputError)
    assert "the issue's name is empty. Name one, or leave the argument out" in str(done.exception)
