"""`newsletter story`: the stories there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, plain, say, table
from newsletter.errors import InputError, Place, Problem

if TYPE_CHECKING:
    from newsletter.editorial.incoming.repairs import Repair
    from newsletter.editorial.search import Passage

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
    from newsletter.editorial.refresh import up_to_date

    app = place(context).open()
    with up_to_date(app.store, Library(app.workspace.issues)) as index:
        rows = overview(index, issue)
    if as_json:
        emit_json({"stories": [row.as_json() for row in rows]})
    elif rows:
        table(("story", "title", "tags"), [(row.story, row.title, ", ".join(row.tags)) for row in rows])
    else:
        say("No stories yet: a story is a Markdown file with front matter, in an issue's folder.")


@stories.command("search")
def search_stories(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="All of them; `minist*` begins a word.")],
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only with this tag.")] = None,
    since: Annotated[str | None, typer.Option(help="Dated on this day or later: 2024-10-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Dated on this day or earlier.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Stories with these words, the best first."""
    from newsletter.editorial.index import Sought
    from newsletter.editorial.library import Library
    from newsletter.editorial.refresh import up_to_date
    from newsletter.editorial.search import search

    narrowed = Sought(tuple(tag or ()), since=_day("--since", since), until=_day("--until", until))
    app = place(context).open()
    library = Library(app.workspace.issues)
    with up_to_date(app.store, library) as index:
        found = search(library, index, " ".join(words), narrowed=narrowed, limit=limit)
    if as_json:
        emit_json({"stories": [hit.as_json() for hit in found]})
        return
    if not found:
        say("No story has these words.")
    for hit in found:
        say(f"[bold]{plain(hit.title)}[/bold]  {plain(hit.story)}{f', {hit.day.isoformat()}' if hit.day else ''}")
        say(f"  {_marked(hit.passage)}")


def _marked(passage: Passage) -> str:
    shown, at = "", 0
    for start, end in passage.marks:
        shown += f"{plain(passage.text[at:start])}[bold]{plain(passage.text[start:end])}[/bold]"
        at = end
    return shown + plain(passage.text[at:])


def _day(option: str, written: str | None) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise InputError([Problem(Place(option), f'"{written}" is not a date.', "Write it as 2024-10-10.")]) from None


@stories.command()
def new(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The headline.")],
    to: Annotated[str, typer.Option("--to", help="The issue it goes into (default: the inbox).")] = "_inbox",
    name: Annotated[str | None, typer.Option(help="The file's name without .md (default: from the title).")] = None,
) -> None:
    """Begin a story; what it seems to continue stands in it as comments."""
    from newsletter.editorial.incoming.intake import write_story
    from newsletter.editorial.library import Library
    from newsletter.editorial.reading import parse_story
    from newsletter.editorial.refresh import up_to_date
    from newsletter.editorial.starting import draft_story
    from newsletter.editorial.suggesting import suggest

    app = place(context).open()
    library = Library(app.workspace.issues)
    bare = parse_story(draft_story(title).file.encode(), library.root / to / "draft.md", "the new story")
    with up_to_date(app.store, library) as index:
        day = index.days.get(to) or app.now().date()
        found = suggest(library, index, bare, day=day)[:3]
    path = write_story(library.root, draft_story(title, found), folder=to, name=name)
    say(f"Made {plain(path)}.")
    for each in found:
        say(f"  It seems to continue {plain(each.story)}: {plain(each.title)}")


@stories.command("suggest")
def suggest_threads(
    context: typer.Context,
    story: Annotated[str, typer.Argument(metavar="STORY", help="Its id, 2024-10-10/walls, or the path of its file.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many.")] = 5,
    as_json: AsJson = False,
) -> None:
    """The earlier stories a story seems to continue, and the questions it may answer."""
    from newsletter.editorial.library import Library
    from newsletter.editorial.refresh import up_to_date
    from newsletter.editorial.suggesting import suggest

    app = place(context).open()
    library = Library(app.workspace.issues)
    found = library.story("/".join(Path(story).parts[-2:]).removesuffix(".md"))
    with up_to_date(app.store, library) as index:
        day = index.days.get(found.issue) or found.meta.date or app.now().date()
        suggested = suggest(library, index, found, day=day)[:limit]
    if as_json:
        emit_json({"story": found.id, "suggestions": [each.as_json() for each in suggested]})
    elif not suggested:
        say("No earlier story is like it.")
    for each in suggested if not as_json else ():
        say(f"[bold]{plain(each.title)}[/bold]  {plain(each.story)}, {each.day.isoformat()}")
        if each.shared:
            say(f"  both have {plain(', '.join(each.shared))}")
        if each.questions:
            say(f"  it asks {plain(', '.join(each.questions))}")
        say(f'  [dim]follows = \\["{plain(each.story)}"][/dim]')


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
