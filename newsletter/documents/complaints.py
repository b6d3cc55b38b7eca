"""What a parser has to say about a syntax error, in the words of the person who wrote the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import yaml


class Complaint(NamedTuple):
    """One syntax error: the line of the text, counted from 1, what is wrong, and what to do."""

    line: int
    message: str
    remedy: str = ""


CONTROL = ("there is a control character that does not belong in text.", "Delete it.")


def toml_complaint(error: str, text: str) -> Complaint:
    """tomllib's message about `text`, put plainly."""
    from newsletter.documents.lines import toml_error_line

    lines = text.rstrip("\n").split("\n")
    reason = re.sub(r"\s*\(at [^()]*\)$", "", error)
    found = re.search(r"\(at line (\d+), column (\d+)\)$", error)
    line, column = (int(found[1]), int(found[2])) if found else (len(lines), 1)
    if reason.startswith(("Unclosed", "Unterminated")) or (not found and reason.startswith("Expected")):
        # It runs on to the end of the file; what helps is where it began.
        return Complaint(toml_error_line(text) or line, "the quote or bracket opened here is never closed.")
    written = lines[min(line, len(lines)) - 1]
    if reason == "Invalid value" and "=" in written[column - 1 :]:
        # A key where a value was due: a list above is still open.
        return Complaint(toml_error_line(text) or line, "the bracket opened here is never closed.")
    return Complaint(min(line, len(lines)), *_toml_reason(reason, written.strip(), rest=written[column - 1 :].strip()))


def _toml_reason(reason: str, written: str, *, rest: str) -> tuple[str, str]:
    key = written.split("=")[0].strip()
    value = written.partition("=")[2].strip()
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", written):
        return CONTROL
    if "overwrite" in reason or "Duplicate" in reason:
        return f"the key `{key}` is written twice.", "Keep one of them."
    if "twice" in reason or "Cannot mutate" in reason or "Cannot redefine" in reason:
        return f"the table `{written}` clashes with an earlier one.", "For one of several write [[name]], each time."
    if reason.startswith("Expected '=' after a key"):
        name = re.split(r"[:\s]", written)[0]
        return f"there is no `=` after `{name}`.", f"Write `{name} = …`; text goes in quotes."
    if reason.startswith("Illegal character '\\n'"):
        return "the quote opened on this line is not closed on it.", 'Text of several lines goes between """ and """.'
    if "Unescaped '\\'" in reason:
        return "a backslash cannot stand alone in quotes.", "Write two of them."
    return _unreadable(reason, key, value) if value or not rest else (f"this cannot be read: {written[:60]}", "")


def _unreadable(reason: str, key: str, value: str) -> tuple[str, str]:
    """A line that is not `key = value`, or whose value is of no kind TOML knows."""
    if "]" in reason or key.startswith("["):
        return f"`{key}` has no closing bracket.", ""
    if not value:
        return f"`{key}` has no value.", ""
    if value[0] in "“”„‘’«»":
        return f"{value[0]} cannot quote text here.", 'Use straight quotes: "…".'
    if re.match(r"\d{4}-\d\d?-\d\d?\b", value):
        return f"{value} is not a date.", "Write year-month-day, such as 2024-10-10."
    if value[0] == "{":
        return f"`{key}` cannot be read.", "What is in { } stands on one line."
    if not key:
        return "there is no key before the `=`.", ""
    return f"`{value[:60]}` is not a value `{key}` can have.", "Text goes in quotes."


def yaml_complaint(error: yaml.MarkedYAMLError, text: str) -> Complaint:
    """PyYAML's message about `text`, put plainly."""
    problem, context = error.problem or "this cannot be read", error.context or ""
    last = text.rstrip("\n").count("\n") + 1
    line, opened = (min(mark.line + 1, last) if mark else 1 for mark in (error.problem_mark, error.context_mark))
    if "quoted scalar" in context and "end of stream" in problem:
        return Complaint(opened, "the quote opened here is never closed.")
    if context.startswith("while parsing a flow"):
        return Complaint(opened, "a bracket is not closed, or a comma is missing.")
    if problem.startswith("mapping values are not allowed"):
        return Complaint(
            line, "there is a second `:` in the value, or the indentation is wrong.", "Put text in quotes."
        )
    if problem.startswith("could not find expected ':'"):
        return Complaint(opened, "there is no `:` after this key.", "Write `key: value`.")
    if problem.startswith("found character '\\t'"):
        return Complaint(line, "a tab cannot indent.", "Use spaces.")
    if problem.startswith("but found another document"):
        return Complaint(line, "a line `---` cannot stand here.")
    sign = re.match(r"found character '(.)' that cannot start", problem)
    if sign:
        return Complaint(line, f"text beginning with {sign[1]} needs quotes.")
    return Complaint(line, f"{problem}.")
