"""How results look in a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from newsletter.cli import show


def shown(monkeypatch: pytest.MonkeyPatch, columns: tuple[str, ...], row: tuple[str, ...]) -> list[str]:
    said = io.StringIO()
    monkeypatch.setattr(show, "out", Console(file=said, width=60, highlight=False, soft_wrap=True))
    show.table(columns, [row])
    return said.getvalue().splitlines()


def test_a_name_for_the_next_command_stays_on_one_line_beside_a_long_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    issue = "2024-10-10-breaking-evening"
    lines = shown(monkeypatch, ("issue", "subject"), (issue, "What happened in the long night of the council " * 3))
    assert any(line.startswith(issue) for line in lines)
    assert max(map(len, lines)) <= 60


def test_a_name_as_long_as_a_page_is_folded_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    issue = "x" * 200
    lines = shown(monkeypatch, ("issue", "subject"), (issue, "News"))
    assert "".join(lines).count("x") == 200
