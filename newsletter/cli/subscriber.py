"""`newsletter subscriber`: readers come in, are looked up, and leave."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, err, plain, say, table

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
    encoding: Annotated[str | None, typer.Option(help="The file's encoding (default: UTF-8).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Keep the good rows of a file with bad ones.")] = False,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Import readers from a CSV file: all of it, or nothing."""
    from newsletter.audience.consent import Basis as ConsentBasis
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
        basis=ConsentBasis(basis),
        date=date.date() if date else None,
        mapping=_columns(mapping or []),
        encoding=encoding,
        dry_run=dry_run,
        partial=partial,
        actor=person_named(as_),
        now=app.now(),
    )
    kept = report.batch is not None
    if as_json:
        emit_json({"batch": report.batch, **report.counts, "problems": [asdict(row) for row in report.problems]})
    else:
        _show_import(report, verb="Would import" if dry_run else "Imported" if kept else "Nothing was imported; found")
        if not kept and not dry_run:
            say("Mend the rows above, or keep the good ones with --partial.")
    raise typer.Exit(0 if kept or (dry_run and not report.refused) else 1)


def _columns(mapping: list[str]) -> dict[str, str]:
    """`--map first_name=Vorname` as a mapping from our field to the file's column."""
    for pair in mapping:
        if "=" not in pair:
            raise typer.BadParameter(f"{pair}: say --map field=Column, such as --map email=E-Mail")
    return {field.strip(): column.strip() for field, _, column in (pair.partition("=") for pair in mapping)}


def _show_import(report: ImportReport, *, verb: str) -> None:
    for problem in report.problems[:SHOWN_PROBLEMS]:
        err.print(
            f"[bold]row {problem.row}[/bold]: {plain(problem.address or '(no address)')}: {plain(problem.reason)}"
        )
    if len(report.problems) > SHOWN_PROBLEMS:
        err.print(f"… and {counted(len(report.problems) - SHOWN_PROBLEMS, 'more row')} (all of them with --json).")
    say(
        f"{verb}: {report.new:,} new, {report.changed:,} changed, {report.unchanged:,} unchanged, "
        f"{report.blocked:,} blocked, {report.refused:,} refused."
    )


@subscribers.command()
def add(
    context: typer.Context,
    email: Email,
    source: Annotated[str, typer.Option(help="Where they signed up; kept as evidence.")],
    basis: Annotated[Basis, typer.Option(help="What their consent rests on.")] = Basis.EXPRESS,
    first_name: Annotated[str, typer.Option(help="For {{first_name|…}}.")] = "",
    newsletter: Newsletter = None,
    as_: AsPerson = None,
) -> None:
    """Add one reader by hand."""
    from newsletter.audience.consent import Basis as ConsentBasis
    from newsletter.audience.subscribers import add_subscriber

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    effect = add_subscriber(
        app.store,
        app.keys,
        email,
        newsletter=name,
        settings=settings,
        source=source,
        basis=ConsentBasis(basis),
        first_name=first_name,
        actor=person_named(as_),
        now=app.now(),
    )
    say(f"{plain(email)}: {plain(effect)} in {plain(settings.name)}.")


@subscribers.command()
def show(context: typer.Context, email: Email, as_json: AsJson = False) -> None:
    """A reader as on record, and which newsletters she gets."""
    from newsletter.audience.subscribers import show_subscriber

    app = place(context).open()
    found = show_subscriber(app.store, app.keys, email, newsletters=app.settings.newsletters, at=app.now())
    reader, listed = found.subscriber, [asdict(explained) for explained in found.newsletters]
    if as_json:
        emit_json({"address": reader.address, **asdict(reader.profile), "newsletters": listed})
        return
    say(f"[bold]{plain(reader.address)}[/bold]  {plain(reader.profile.first_name or '(no first name)')}")
    table(
        ("newsletter", "gets it", "why"),
        [(x["newsletter"], "yes" if x["mailable"] else "no", x["evidence"]) for x in listed],
    )


@subscribers.command()
def unsubscribe(context: typer.Context, email: Email, newsletter: Newsletter = None, as_: AsPerson = None) -> None:
    """Unsubscribe a reader, at once."""
    from newsletter.audience.unsubscribe import unsubscribe_address

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    outcome = unsubscribe_address(
        app.store, app.keys, email, newsletter=name, source="cli", actor=person_named(as_), now=app.now()
    )
    say(f"{plain(email)}, {plain(settings.name)}: {_UNSUBSCRIBED[outcome]}")
    raise typer.Exit(1 if outcome == "unknown" else 0)


_UNSUBSCRIBED = {
    "unsubscribed": "unsubscribed, from the next batch on.",
    "already": "was unsubscribed already.",
    "unknown": "nobody with this address is subscribed.",
}
