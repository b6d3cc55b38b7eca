"""Who is typing: recorded with approvals, waivers and imports."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from newsletter.errors import InputError, Place, Problem

AsPerson = Annotated[str | None, typer.Option("--as", help="Who you are (default: your login name); it is recorded.")]


def person_named(given: str | None) -> str:
    """The person to record: the one named, else the login name. Raises InputError for a name that is not plain text."""
    if given and given.strip():
        if not given.strip().isprintable():
            raise InputError([Problem(Place("--as"), "holds a control character.", "Write a plain name.")])
        return given.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
