"""`newsletter subscriber`: readers come in, are looked up, and leave."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, err, plain, say

if TYPE_CHECKING:
    from newsletter.audience.import_csv import ImportReport

subscribers = group("subscriber", "Readers: import, add, show, unsubscribe.")

Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Which one (default: the only one).")]
Email = Annotated[str, typer.Argument(metavar="EMAIL")]
SHOWN_PROBLEMS = 50


class Basis(StrEnum):
    """What a reader's consent rests on."""

    EXPRESS = "express"
    SOFT_OPT_IN = "soft-opt-in"
    IMPLIED = "implied"


@subscribers.command("import")
def import_readers(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with an `email` column.")],
    source: Annotated[str, typer.Option(help="Where these people signed up; kept as evidence.")],
    basis: Annotated[Basis, typer.Option(help="What their consent rests on.")],
    newsletter: Newsletter = None,
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="When they agreed (default: today).")
    ] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="field=Column, for other column names.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Keep the good rows of a file with bad ones.")] = False,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Import readers from a CSV file: all of it, or nothing."""
    from newsletter.audience.import_csv import import_csv

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    report = import_csv(
        app.store,
        app.keys,
        file,
        newsletter=name,
        settings=settings,
        source=source,
        basis=str(basis),
        date=date.date() if date else None,
        mapping=mapping or (),
        dry_run=dry_run,
        partial=partial,
        actor=person_named(as_),
        now=app.now(),
    )
    if as_json:
        emit_json(report.as_json())
    else:
        _show_import(report, dry_run=dry_run)
    raise typer.Exit(0 if report.stored or (dry_run and not report.problems) else 1)


def _show_import(report: ImportReport, *, dry_run: bool) -> None:
    for problem in report.problems[:SHOWN_PROBLEMS]:
        err.print(
            f"[bold]row {problem.row}[/bold]: {plain(problem.address or '(no address)')}: {plain(problem.reason)}"
        )
    if len(report.problems) > SHOWN_PROBLEMS:
        err.print(f"… and {counted(len(report.problems) - SHOWN_PROBLEMS, 'more row')} (all of them with --json).")
    verb = "Would import" if dry_run else "Imported" if report.stored else "Nothing was imported; the file has"
    say(
        f"{verb}: {report.new:,} new, {report.changed:,} changed, {report.unchanged:,} unchanged, "
        f"{report.blocked:,} blocked, {report.refused:,} refused."
    )
    if not report.stored and not dry_run:
        say("Mend the rows above, or keep the good ones with --partial.")


@subscribers.command()
def add(
    context: typer.Context,
    email: Email,
    source: Annotated[str, typer.Option(help="Where they signed up; kept as evidence.")],
    basis: Annotated[Basis, typer.Option(help="What their consent rests on.")] = Basis.EXPRESS,
    first_name: Annotated[str | None, typer.Option(help="For {{first_name|…}}.")] = None,
    newsletter: Newsletter = None,
    as_: AsPerson = None,
) -> None:
    """Add one reader by hand."""
    from newsletter.audience.add import add_subscriber

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    outcome = add_subscriber(
        app.store,
        app.keys,
        email,
        newsletter=name,
        settings=settings,
        source=source,
        basis=str(basis),
        first_name=first_name,
        actor=person_named(as_),
        now=app.now(),
    )
    say(plain(outcome))


@subscribers.command()
def show(context: typer.Context, email: Email, newsletter: Newsletter = None, as_json: AsJson = False) -> None:
    """Whether a reader gets a newsletter, and why."""
    from newsletter.cli.audience import show_explanation

    show_explanation(context, email, newsletter=newsletter, as_json=as_json)


@subscribers.command()
def unsubscribe(context: typer.Context, email: Email, newsletter: Newsletter = None, as_: AsPerson = None) -> None:
    """Unsubscribe a reader, at once."""
    from newsletter.audience.unsubscribe import unsubscribe_address

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    outcome = unsubscribe_address(
        app.store, app.keys, email, newsletter=name, settings=settings, actor=person_named(as_), now=app.now()
    )
    say(plain(outcome))
