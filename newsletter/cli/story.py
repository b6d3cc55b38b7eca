"""`newsletter story`: the stories there are."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import emit_json, say, table

stories = group("story", "The stories issues are made of.")


@stories.command("list")
def list_stories(
    context: typer.Context,
    issue: Annotated[str | None, typer.Argument(metavar="ISSUE", help="Only this issue's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every story: its id, title and tags."""
    from newsletter.editorial.library import Library
    from newsletter.editorial.overview import list_stories as overview

    rows = overview(Library(place(context).open().workspace.issues), issue)
    if as_json:
        emit_json({"stories": [row.as_json() for row in rows]})
    elif rows:
        table(("story", "title", "tags"), [(row.story, row.title, ", ".join(row.tags)) for row in rows])
    else:
        say("No stories yet: a story is a Markdown file with front matter, in an issue's folder.")
