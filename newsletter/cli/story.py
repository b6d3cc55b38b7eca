"""`newsletter story`: the stories there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, plain, say, table
from newsletter.errors import InputError, Place, Problem

if TYPE_CHECKING:
    from newsletter.editorial.incoming.repairs import Repair

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


@stories.command("import")
def import_story(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="HTML, Markdown or pasted text; - reads standard input.")],
    to: Annotated[str, typer.Option("--to", help="The issue it goes into (default: the inbox).")] = "_inbox",
    name: Annotated[str | None, typer.Option(help="The file's name without .md (default: from the title).")] = None,
    title: Annotated[str, typer.Option(help="The headline (default: the copy's own).")] = "",
    source: Annotated[str, typer.Option(help="Who published it.")] = "",
    url: Annotated[str, typer.Option(help="Where it was published.")] = "",
    as_html: Annotated[bool | None, typer.Option("--html/--text", help="What it is (default: by its look).")] = None,
    refuse: Annotated[
        list[str] | None, typer.Option(help="A repair to leave out: its kind, or kind:line as listed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the story and its repairs; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring copy in from elsewhere, as clean Markdown. Every repair is listed, and can be refused."""
    from newsletter.editorial.incoming.intake import Origin, take_in, write_story

    app = place(context).open()
    copy = _read(file)
    origin = Origin("standard input" if file == "-" else Path(file).name, title=title, source=source, url=url)
    intake = take_in(copy, origin, is_html=as_html, refuse=frozenset(refuse or []))
    path = None if dry_run else write_story(app.workspace.issues, intake, folder=to, name=name)
    if as_json:
        made = None if path is None else f"{path.parent.name}/{path.stem}"
        repairs = [{"kind": r.kind, "line": r.line, "before": r.before, "after": r.after} for r in intake.repairs]
        emit_json({"story": made, "title": intake.title, "repairs": repairs})
        return
    show_repairs(intake.repairs)
    say(plain(intake.file) if path is None else f"Made {plain(path)}: {plain(intake.title)}")


def _read(file: str) -> str:
    """The copy as text. Raises InputError for a file that cannot be read as that."""
    import sys

    where = Place("standard input" if file == "-" else file)
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InputError([Problem(where, f"cannot be read: {error.strerror}.")]) from None
    except UnicodeDecodeError:
        raise InputError([Problem(where, "is not UTF-8 text.", "Save it as UTF-8.")]) from None


def show_repairs(repairs: Sequence[Repair]) -> None:
    """Every repair with what stood there and what stands there now, and what was found and left."""
    from newsletter.editorial.incoming.symptoms import IN_WORDS

    done = [repair for repair in repairs if repair.after is not None]
    left = [repair for repair in repairs if repair.after is None]
    for repair in done:
        say(f"[bold]{repair.kind}:{repair.line}[/bold] {IN_WORDS[repair.kind]}")
        say(f"  [red]-[/red] {plain(repair.before)}")
        say(f"  [green]+[/green] {plain(repair.after or '')}")
    for repair in left:
        say(f"[yellow]{repair.kind}:{repair.line}[/yellow] {IN_WORDS[repair.kind]}: {plain(repair.before)}")
    if done:
        say(f"{counted(len(done), 'repair')}. To leave one out: --refuse {done[0].kind}:{done[0].line}")
