"""How results look in a terminal: one place for colours, tables, counts and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from newsletter.preflight.findings import Finding

# A subject may say ":fire:" and mean it.
out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

_COPIED = frozenset({"issue", "send", "story", "import", "date"})  # columns of names for the next command
_LONGEST_COPIED = 40
_NO_TAG = "[none][/none]"  # markup that does nothing: a bracket before it begins no tag, a backslash escapes none
_MEANT = re.compile(r"(\\*)(\[|\Z)")
_COLOUR = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def emit_json(value: object) -> None:
    """One JSON object on standard output, for other programs."""
    print(json.dumps(value, ensure_ascii=False, default=str))  # noqa: T201 - rich would wrap and colour it


def error_line(text: str) -> None:
    """One line of an error, on standard error."""
    err.print(Text.assemble(("error: ", "bold red"), text))


def say(text: str) -> None:
    """A sentence; may hold rich markup. Values from outside must go through `plain` first."""
    out.print(text)


def plain(value: object) -> str:
    """A value from outside, made safe for rich markup and free of terminal control characters."""
    text = "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in str(value))
    return _MEANT.sub(_apart, text)


def _apart(found: re.Match[str]) -> str:
    """rich's own `escape` goes by what comes behind: a backslash at the end would take the next tag with it."""
    backslashes, bracket = found[1] * 2, found[2]
    return f"{backslashes}{_NO_TAG}[{_NO_TAG}" if bracket else f"{backslashes}{_NO_TAG}" if backslashes else ""


def step(text: str) -> None:
    """A stage of a longer piece of work has begun."""
    out.print(f"[bold]›[/bold] {text}")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """A plain table; the columns numbered in `right` are right-aligned. Names people copy stay on one line."""
    cells = [[str(cell) for cell in row] for row in rows]
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        whole = column in _COPIED and max((len(row[index]) for row in cells), default=0) <= _LONGEST_COPIED
        justify: Literal["right", "left"] = "right" if index in right else "left"
        shown.add_column(column, justify=justify, overflow="fold", no_wrap=whole)
    for row in cells:
        shown.add_row(*map(plain, row))
    out.print(shown)


def finding_json(finding: Finding) -> dict[str, object]:
    """A finding as other scripts read it."""
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "file": finding.place.file,
        "line": finding.place.line,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def show_findings(findings: Sequence[Finding], waived: Iterable[str] = ()) -> None:
    """Findings as a good linter prints them: place, severity and rule, message, remedy; then the counts."""
    names = set(waived)
    for finding in findings:
        severity = str(finding.severity)
        colour = _COLOUR[severity]
        mark = " (waived)" if finding.rule in names else ""
        out.print(f"[bold]{plain(finding.place)}[/bold]: [{colour}]{severity} {finding.rule}[/{colour}]{mark}")
        out.print(f"    {plain(finding.message)}")
        if finding.remedy:
            out.print(f"    [dim]→ {plain(finding.remedy)}[/dim]")
    standing = [finding for finding in findings if not (finding.severity == "error" and finding.rule in names)]
    errors = sum(finding.severity == "error" for finding in standing)
    warnings = sum(finding.severity == "warning" for finding in standing)
    waived = f"; {len(findings) - len(standing)} waived" if len(standing) < len(findings) else ""
    notes = len(standing) - errors - warnings
    out.print(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}, {counted(notes, 'note')}{waived}.")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 error`, `2 errors`, `48,112 readers`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


_PARTS = ("excluded", "accepted", "refused", "uncertain", "in_flight", "pending")


def show_account(account: Mapping[str, int], excluded_by: Mapping[str, int]) -> None:
    """The account of a send, as a sum that adds up."""
    rows: list[tuple[str, str, str]] = [("audience", f"{account['audience']:,}", "")]
    for part in _PARTS:
        if account[part] == 0 and part == "in_flight":
            continue
        sign = "=" if part == "excluded" else "+"
        rows.append((f"{sign} {part.replace('_', ' ')}", f"{account[part]:,}", ""))
        if part == "excluded":
            rows += [("", f"{count:,}", reason) for reason, count in sorted(excluded_by.items())]
    shown = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column()
    shown.add_column(justify="right")
    shown.add_column()
    for label, number, note in rows:
        style = "dim" if note else ("bold" if label == "audience" else "")
        shown.add_row(label, number, note, style=style)
    out.print(shown)
