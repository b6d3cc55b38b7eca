"""`newsletter correction`: what an issue that went out had wrong, and how its readers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import group, place
from newsletter.cli.show import emit_json, err, plain, say, table

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.app import App
    from newsletter.editorial.corrections import Correction

corrections = group("correction", "What an issue that went out had wrong, and what is right.")

SentIssue = Annotated[str, typer.Argument(metavar="ISSUE", help="An issue that went out.")]


@corrections.command()
def add(
    context: typer.Context,
    issue: SentIssue,
    was: Annotated[str, typer.Option(help="What the issue said.")],
    is_: Annotated[str, typer.Option("--is", help="What is right.")],
    name: Annotated[
        str | None, typer.Option("--issue", metavar="NAME", help="Make an issue of it at once, under this name.")
    ] = None,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Put a mistake on record: its note stands in the archive at once, and a block in the next new issue."""
    from newsletter.editorial.starting import require_new
    from newsletter.sending.corrections import add_correction, said_in

    app = place(context).open()
    if name is not None:
        require_new(app.workspace.issues, name)  # nothing is put on record for an issue that cannot be made
    made = add_correction(app.store, issue, was=was, is_=is_, person=person_named(as_), now=app.now())
    about = "those words do not stand in the issue as it went out; readers will see them quoted."
    warning = None if said_in(app.store, app.workspace, made) else about
    folder = _issue_made(app, issue, name) if name is not None else None
    if as_json:
        emit_json(_json(made, None) | {"made": folder.name if folder else None, "warning": warning})
        return
    say(f"Correction {made.id} of issue {plain(issue)} is on record, and on top of its page in the archive.")
    if warning is not None:
        err.print(f"[yellow]warning[/yellow] {warning}")
    if folder is not None:
        _say_made(folder, issue)
    else:
        say("`newsletter new` opens the next issue with a block for it. To those who had it, by itself:")
        say(f"  newsletter correction send {plain(issue)}")


@corrections.command("list")
def list_corrections(
    context: typer.Context,
    issue: Annotated[str | None, typer.Argument(metavar="ISSUE", help="Default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """What was wrong, who said so, and which issue has told readers."""
    from newsletter.sending.corrections import record

    found = record(place(context).open().store, issue)
    if as_json:
        emit_json({"corrections": [_json(each, carried) for each, carried in found]})
    elif found:
        rows = [(c.id, c.issue, c.was, c.is_, carried or "no issue yet", c.person) for c, carried in found]
        table(("", "issue", "was", "is", "told in", "by"), rows, right=(0,))
    else:
        say(f"No correction{f' of {plain(issue)}' if issue else ''} is on record.")


@corrections.command()
def send(
    context: typer.Context,
    issue: SentIssue,
    name: Annotated[str | None, typer.Option("--issue", metavar="NAME", help="Default: ISSUE-correction.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an issue that puts this one right, to check and send to just those who had it. Nothing is sent yet."""
    folder = _issue_made(place(context).open(), issue, name)
    if as_json:
        emit_json({"issue": folder.name, "corrects": issue, "path": str(folder)})
    else:
        _say_made(folder, issue)


def _issue_made(app: App, issue: str, name: str | None) -> Path:
    from newsletter.sending.corrections import correction_issue

    return correction_issue(app.store, app.workspace, issue, name=name, now=app.now())


def _say_made(folder: Path, issue: str) -> None:
    say(f"Made {plain(folder)}. Look at it, and send it to just those who had issue {plain(issue)}:")
    say(f"  newsletter check {plain(folder.name)}")
    say(f"  newsletter send {plain(folder.name)}")


def _json(found: Correction, carried: str | None) -> dict[str, object]:
    return {
        "id": found.id,
        "issue": found.issue,
        "was": found.was,
        "is": found.is_,
        "person": found.person,
        "at": found.at.isoformat(),
        "carried_in": carried,
    }
