"""What editors type: new, check, build, issue list, issue show."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.root import cli, group, place
from newsletter.cli.show import counted, emit_json, finding_json, plain, say, show_findings, table
from newsletter.errors import InputError, Place, Problem

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.editorial.overview import BlockRow, IssueRow
    from newsletter.sending.schedule import Schedule

issues = group("issue", "The issues and what is in them.")

Issue = Annotated[str | None, typer.Argument(metavar="ISSUE", help="A folder in issues/ (default: the next unsent).")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def chosen(app: App, issue: str | None) -> str:
    """The issue meant: the one named, else the next unsent one."""
    from newsletter.editorial.library import Library
    from newsletter.editorial.refresh import up_to_date
    from newsletter.editorial.sent import next_unsent

    if issue is not None:
        if not issue.strip():  # as an unset variable of a script gives it: never another issue by guess
            remedy = "Name one, or leave the argument out for the next unsent."
            raise InputError([Problem(Place("ISSUE"), "the issue's name is empty.", remedy)])
        return issue
    with up_to_date(app.store, Library(app.workspace.issues)) as index:
        return next_unsent(index)


def say_if_stale(app: App, issue: str, *, shown: bool) -> bool:
    """Whether the files differ from the build that is scheduled; said first of all, for that one goes out."""
    from newsletter.sending.signing import stale_schedule

    stale = stale_schedule(app.store, app.workspace, issue, now=app.now())
    if stale and shown:
        say(f"[yellow]{plain(stale)}[/yellow]")
    return stale is not None


def _stale_json(stale: bool) -> dict[str, bool]:
    return {"scheduled_differs": True} if stale else {}


@cli.command()
def check(context: typer.Context, issue: Issue = None, as_json: AsJson = False) -> None:
    """Check an issue as a good linter would: place, rule, message, remedy."""
    from newsletter.preflight.candidate import candidate
    from newsletter.preflight.check import source_findings

    app = place(context).open()
    name = chosen(app, issue)
    stale = say_if_stale(app, name, shown=not as_json)
    try:
        findings = candidate(app.workspace, app.store, name, now=app.now()).findings
    except InputError as error:
        findings = tuple(source_findings(error))
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = sum(finding.severity == "warning" for finding in findings)
    if as_json:
        shown = [finding_json(finding) for finding in findings]
        counts = {"errors": errors, "warnings": warnings}
        emit_json({"issue": name, "findings": shown, **counts, **_stale_json(stale)})
    else:
        show_findings(findings)
        say(f"Issue [bold]{plain(name)}[/bold] {'must not go out like this' if errors else 'may go out'}.")
    raise typer.Exit(1 if errors else 0)


@cli.command()
def build(context: typer.Context, issue: Issue = None, as_json: AsJson = False) -> None:
    """Render an issue and freeze it under the hash of what it is made of."""
    from newsletter.preflight.candidate import candidate
    from newsletter.rendering.freeze import freeze

    app = place(context).open()
    name = chosen(app, issue)
    found = candidate(app.workspace, app.store, name, now=app.now())
    path = freeze(app.store, app.workspace, found.build, now=app.now())
    made = found.build
    if as_json:
        emit_json(
            {
                "issue": name,
                "build": made.hash,
                "path": str(path),
                "subject": made.subject,
                "preheader": made.preheader,
                "html_bytes": len(made.files["body.html"]),
                "text_bytes": len(made.files["body.txt"]),
                "findings": [finding_json(finding) for finding in found.findings],
            }
        )
        return
    show_findings(found.findings)
    say("")
    say(f"Issue {plain(name)}: [bold]{plain(made.subject or '(no subject yet)')}[/bold]")
    say(f"{plain(made.preheader)}")
    html, text = len(made.files["body.html"]), len(made.files["body.txt"])
    say(f"HTML {html / 1000:,.1f} kB of the 102 kB Gmail shows, text {text / 1000:,.1f} kB.")
    for variant, segments in made.variants.items():
        if segments:
            size = len(made.seen_by(variant).files["body.html"])
            say(f"For readers in {plain(' and '.join(segments))}: HTML {size / 1000:,.1f} kB.")
    say(f"Build [bold]{made.hash[:12]}[/bold] frozen in {plain(path)}")


@cli.command()
def new(
    context: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="ISSUE", help="Its name, usually its date: 2024-10-10.")],
    newsletter: Annotated[str | None, typer.Option("--newsletter", "-n", help="Default: the only one.")] = None,
) -> None:
    """Open a new issue: a folder with a definition to fill, and what the desk still owes as comments in it."""
    from newsletter.editorial.corrections import waiting
    from newsletter.editorial.library import Library
    from newsletter.editorial.morning import morning
    from newsletter.editorial.refresh import up_to_date
    from newsletter.editorial.starting import start_issue

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    day = _day_named(issue) or app.now().astimezone(settings.zone).date()
    library = Library(app.workspace.issues)
    with up_to_date(app.store, library) as index:
        desk = morning(library, index, name, zone=settings.zone, day=day)
        owed = waiting(index.connection, name, by=day)
    comments, root = desk.comments(), app.workspace.issues
    folder = start_issue(root, issue, newsletter=name, day=day, comments=comments, corrections=owed)
    if owed:
        say(f"It puts right what is on record: {counted(len(owed), 'correction')}. Keep them, or move them elsewhere.")
    say(f"Made {plain(folder)} for {day:%A}, {day.isoformat()}. Then: newsletter check {plain(issue)}")


def _day_named(issue: str) -> date | None:
    """The date an issue's name begins with; None when it begins with none. Raises InputError for one that is no day."""
    if not re.match(r"\d{4}-\d\d-\d\d(?!\d)", issue):
        return None
    try:
        return date.fromisoformat(issue[:10])
    except ValueError:
        place = Place(f'issue "{issue}"')
        raise InputError([Problem(place, f"there is no day {issue[:10]}.", "Name it by a day there is.")]) from None


@issues.command("list")
def list_issues(context: typer.Context, as_json: AsJson = False) -> None:
    """Every issue: its date, newsletter, subject, and whether it went out."""
    from newsletter.editorial.library import Library
    from newsletter.editorial.overview import list_issues as overview
    from newsletter.editorial.refresh import up_to_date
    from newsletter.sending.schedule import open_schedules

    app = place(context).open()
    with up_to_date(app.store, Library(app.workspace.issues)) as index:
        rows = overview(index)
    with app.store.read() as connection:
        planned = {schedule.issue: schedule for schedule in open_schedules(connection)}
    if as_json:
        emit_json({"issues": [row.as_json() | _planned_json(planned.get(row.issue)) for row in rows]})
        return
    if not rows:
        say("No issues yet. Make a folder in issues/ with an issue.toml; docs/writing.md shows how.")
        return
    table(
        ("issue", "date", "newsletter", "state", "subject"),
        [(r.issue, r.date, r.newsletter, _state(r, planned.get(r.issue)), r.subject) for r in rows],
    )


def _state(row: IssueRow, planned: Schedule | None) -> str:
    """What is still to come before what has been: of a scheduled issue the hour, and the day if it is another."""
    if planned is None:
        return row.state
    day, _, hour = planned.local_at.partition("T")
    when = hour if day == row.date else f"{day} {hour}"
    return f"{'held' if planned.state == 'held' else 'scheduled'} {'by ' if planned.done_by else ''}{when}"


def _planned_json(planned: Schedule | None) -> dict[str, str]:
    if planned is None:
        return {}
    return {"state": str(planned.state).replace("waiting", "scheduled"), "scheduled_at": planned.due_at.isoformat()}


@issues.command("show")
def show_issue(context: typer.Context, issue: Issue = None, as_json: AsJson = False) -> None:
    """An issue's blocks, and which stories each of them found."""
    from newsletter.editorial.overview import outline
    from newsletter.editorial.resolve import resolve

    app = place(context).open()
    resolved = resolve(app.workspace, app.store, chosen(app, issue), explain=True)
    rows = outline(resolved)
    stale = say_if_stale(app, resolved.id, shown=not as_json)
    if as_json:
        emit_json({"issue": resolved.id, "blocks": rows, **_stale_json(stale)})
        return
    definition = resolved.definition
    say(f"[bold]{plain(definition.subject or '(no subject yet)')}[/bold]")
    day = definition.date
    say(f"{plain(definition.newsletter)}, {day:%A} {day.isoformat()}, {counted(len(rows), 'block')}")
    say("")
    table(("line", "block", "title", "from"), [(_line(r, resolved.document.name), *_cells(r)) for r in rows])


def _line(row: BlockRow, definition: str) -> str:
    """Where it stands: a line of issue.toml, or of the shared file it comes from."""
    file = "" if row["file"] == definition else f"{row['file'].rpartition('/')[2]}:"
    return f"{file}{row['line'] or ''}"


def _cells(row: BlockRow) -> tuple[str, str, str]:
    found = ", ".join(row["stories"]) if row["shown"] else "nothing: left out"
    passed = ", ".join(f"{count} {reason}" for reason, count in row["left_out"].items())
    return row["type"], row["title"], f"{found} (passed over: {passed})" if passed else found
