"""How results look in a terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

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


@given(st.text("\\[]/ab#@=: "), st.text("\\[]/ab "))
def test_a_value_is_shown_as_it_is_whatever_tag_or_value_stands_beside_it(one: str, other: str) -> None:
    """A path with backslashes, and one that ends with it, take no tag away and lose nothing."""
    markup = f"[bold]{show.plain(one)}[/bold]{show.plain(other)} {show.plain(one)}] [dim]→ {show.plain(other)}[/dim]"
    said = Text.from_markup(markup, emoji=show.out._emoji)
    assert said.plain == f"{one}{other} {one}] → {other}"
    styles = {span.style: said.plain[span.start : span.end] for span in said.spans if span.style != "none" and span}
    assert styles == {style: text for style, text in (("bold", one), ("dim", f"→ {other}")) if text}


def test_a_path_of_windows_stands_in_a_table_and_in_a_sentence_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    for name in ("out", "err"):
        assert not getattr(show, name)._emoji
    monkeypatch.setattr(show, "out", Console(file=said, width=60, highlight=False, soft_wrap=True))
    show.table(("file",), [("C:\\desk\\[bold]\\",)])
    show.say(f"[bold]{show.plain('C:' + chr(92) * 2)}[/bold] [dim]end[/dim]")
    assert [line.strip() for line in said.getvalue().splitlines()] == [
        "file",
        "C:\\desk\\[bold]\\",
        "C:\\\\ end",
    ]
