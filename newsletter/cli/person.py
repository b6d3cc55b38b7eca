"""Who is typing: recorded with approvals, waivers and imports."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

AsPerson = Annotated[str | None, typer.Option("--as", help="Who you are (default: your login name); it is recorded.")]


def person_named(given: str | None) -> str:
    """The person to record: the one named, else the login name."""
    if given and given.strip():
        return given.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
