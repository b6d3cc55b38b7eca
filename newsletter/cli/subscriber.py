"""`newsletter subscriber`: readers come in, are looked up, leave, and are taken out into a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    from newsletter.audience.batches import Batch
    from newsletter.audience.import_csv import ImportReport, Row
    from newsletter.audience.undo import UndoReport

subscribers = group("subscriber", "Readers: import, export, add, show, unsubscribe.")

Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Which one (default: the only one).")]
Email = Annotated[str, typer.Argument(metavar="EMAIL")]
SHOWN_PROBLEMS = 50


class Basis(StrEnum):
    """What a reader's consent rests on."""

    EXPRESS = "express"
    SOFT_OPT_IN = "soft-opt-in"
    IMPLIED = "implied"


class Status(StrEnum):
    """What the readers of a file are."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"


class DateOrder(StrEnum):
    """Which comes first in dates such as 03/04/2024."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


@subscribers.command("import")
def import_readers(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file, or what another program exported.")],
    source: Annotated[str | None, typer.Option(help="Where these people signed up; kept as evidence.")] = None,
    basis: Annotated[Basis | None, typer.Option(help="What their consent rests on.")] = None,
    newsletter: Newsletter = None,
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="When they agreed (default: today).")
    ] = None,
    status: Annotated[Status | None, typer.Option(help="What all of them are, whatever the file says.")] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Which program wrote it (default: told by its columns).")
    ] = None,
    date_format: Annotated[DateOrder | None, typer.Option(help="For dates such as 03/04/2024.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="field=Column, for other column names.")] = None,
    encoding: Annotated[str | None, typer.Option(help="The file's encoding (default: UTF-8).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Keep the good rows of a file with bad ones.")] = False,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Import readers from a file: all of it, or nothing."""
    from newsletter.audience import cells, claims, consent
    from newsletter.audience.import_csv import import_csv

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    with _progress(shown=not as_json) as progress:
        report = import_csv(
            app.store,
            app.keys,
            file,
            newsletter=name,
            settings=settings,
            source=source,
            basis=consent.Basis(basis) if basis else None,
            date=date.date() if date else None,
            status=claims.Status(status) if status else None,
            mapping=_columns(mapping or []),
            encoding=encoding,
            format_name=format_name,
            date_order=cells.DateOrder(date_format) if date_format else None,
            dry_run=dry_run,
            partial=partial,
            proof_days=app.settings.retention.proof_days,
            progress=progress,
            actor=person_named(as_),
            now=app.now(),
        )
    kept = report.batch is not None
    if as_json:
        emit_json(report.as_json())
    else:
        _show_import(report, dry_run=dry_run)
    raise typer.Exit(0 if kept or (dry_run and not report.refused) else 1)


def _columns(mapping: list[str]) -> dict[str, str]:
    """`--map first_name=Vorname` as a mapping from our field to the file's column."""
    for pair in mapping:
        if "=" not in pair:
            raise typer.BadParameter(f"{pair}: say --map field=Column, such as --map email=E-Mail")
    return {field.strip(): column.strip() for field, _, column in (pair.partition("=") for pair in mapping)}


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[str, int], None] | None]:
    """Two counters on a terminal, rows checked and rows written; elsewhere nothing."""
    if not shown or not err.is_terminal:
        yield None
        return
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    looks = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*looks, console=err, transient=True) as bar:
        tasks = {"check": bar.add_task("rows checked", total=None)}

        def step(stage: str, rows: int) -> None:
            if stage not in tasks:  # what was checked is now written
                tasks[stage] = bar.add_task("rows written", total=bar.tasks[0].completed or None)
            bar.advance(tasks[stage], rows)

        yield step


def _show_import(report: ImportReport, *, dry_run: bool) -> None:
    say(f"Read as {plain(report.read_as)}.{' ' if report.note else ''}{plain(report.note)}")
    kept = report.batch is not None
    if dry_run:
        _show_reasons(report)
    else:
        _show_problems(report.problems)
    verb = "Would import" if dry_run else "Imported" if kept else "Nothing was imported; found"
    say(
        f"{verb}: {report.new:,} new, {report.changed:,} changed, {report.unchanged:,} unchanged, "
        f"{report.blocked:,} blocked, {report.refused:,} refused"
        + (f", {report.skipped:,} skipped: nothing to import in them." if report.skipped else ".")
    )
    if kept:
        say(f"This is import {report.batch}; to take it back: newsletter subscriber undo {report.batch}")
    elif report.refused and dry_run:
        say("But as it is, nothing: mend the refused rows, or keep the good ones with --partial.")
    elif report.refused:
        say("Mend the rows above, or keep the good ones with --partial.")


def _show_reasons(report: ImportReport) -> None:
    """What would become of the rows, by effect and reason, with the first rows of each."""
    rows: list[tuple[str, str, str, str]] = []
    for effect in report.counts:
        for kind, tally in report.by_reason.get(effect, {}).items():
            rows.append((effect, kind, f"{tally.count:,}", ""))
            rows += [("", "", "", f"row {x.row}: {x.address or '(no address)'} {x.reason}") for x in tally.samples]
    if rows:
        table(("", "reason", "rows", "for instance"), rows, right=(2,))


def _show_problems(problems: list[Row]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        err.print(
            f"[bold]row {problem.row}[/bold]: {plain(problem.address or '(no address)')}: {plain(problem.reason)}"
        )
    if len(problems) > SHOWN_PROBLEMS:
        err.print(f"… and {counted(len(problems) - SHOWN_PROBLEMS, 'more row')} (all of them with --json).")


@subscribers.command()
def imports(context: typer.Context, newsletter: Newsletter = None, as_json: AsJson = False) -> None:
    """Every import, the newest first: what it brought, who made it, and whether it was undone."""
    from newsletter.audience.batches import list_imports, somebody_importing

    app = place(context).open()
    name = app.workspace.newsletter(newsletter)[0] if newsletter else None
    found = list_imports(app.store, name)
    if as_json:
        emit_json({"imports": [asdict(batch) for batch in found]})
        return
    rows, living = [], any(not batch.settled for batch in found) and somebody_importing(app.store)
    for batch in found:
        parts = ("new", "changed", "unchanged", "blocked", "refused", "skipped")
        brought = ", ".join(f"{batch.counts[part]:,} {part}" for part in parts if batch.counts.get(part))
        rows.append(
            (
                batch.id,
                f"{batch.at:%Y-%m-%d}",
                batch.newsletter,
                batch.file_name,
                brought,
                batch.actor,
                _fate(batch, living=living),
            )
        )
    table(("import", "on", "newsletter", "file", "rows", "by", "undone"), rows, right=(0,))


def _fate(batch: Batch, *, living: bool) -> str:
    if batch.undone:
        return f"{batch.undone_at:%Y-%m-%d} by {batch.undone_by}"
    if batch.being_undone:
        return "being undone" if living else f"partly; to go on: newsletter subscriber undo {batch.id}"
    if batch.under_way:
        return "under way: does not count yet" if living else "broken off: does not count"
    return ""


@subscribers.command()
def undo(
    context: typer.Context,
    batch: Annotated[int, typer.Argument(metavar="IMPORT", help="Its number, from `subscriber imports`.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Take an import back, for every reader whom nothing else has touched since."""
    from newsletter.audience.undo import undo_import

    app = place(context).open()
    report = undo_import(app.store, batch, actor=person_named(as_), now=app.now(), dry_run=dry_run)
    if as_json:
        emit_json(asdict(report))
    else:
        _show_undo(report, dry_run=dry_run)


def _show_undo(report: UndoReport, *, dry_run: bool) -> None:
    for kept in report.readers_kept[:SHOWN_PROBLEMS]:
        err.print(f"kept: {plain(kept.address or '(erased)')}: {plain(kept.reason)}")
    if report.kept > SHOWN_PROBLEMS:
        err.print(f"… and {counted(report.kept - SHOWN_PROBLEMS, 'more reader')} (see --json).")
    say(
        f"Import {report.batch} {'would be' if dry_run else 'is'} undone for {counted(report.undone, 'reader')}; "
        f"{report.kept:,} {'would stay' if dry_run else 'stay'} as they are, touched by something else since."
    )


@subscribers.command("export")
def export_readers(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Where to write (default: standard output).")] = "-",
    newsletter: Annotated[str | None, typer.Option("--newsletter", "-n", help="Only this one (default: all).")] = None,
    segment: Annotated[str | None, typer.Option(help="Only readers of this segment.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write readers into a CSV file: who gets what, who does not and why, and what that rests on."""
    from newsletter.audience.export import export_readers as export
    from newsletter.audience.export import members_of, new_file

    app = place(context).open()
    chosen = dict([app.workspace.newsletter(newsletter)]) if newsletter else dict(app.settings.newsletters)
    at = app.now()
    members = members_of(app.workspace, segment, chosen, at) if segment else None
    if file == "-":
        export(app.store, sys.stdout, newsletters=chosen, at=at, chosen=members)
        return
    with new_file(Path(file), force=force) as out:
        counts = export(app.store, out, newsletters=chosen, at=at, chosen=members)
    if as_json:
        emit_json({"file": file, "readers": sum(counts.values()), "newsletters": counts})
    else:
        say(f"Wrote {counted(sum(counts.values()), 'row')} to {plain(file)}. It holds addresses: keep it safe.")


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
        erased = reader.erased_at.isoformat() if reader.erased_at else None
        emit_json({"address": reader.address, **asdict(reader.profile), "erased_at": erased, "newsletters": listed})
        return
    if reader.erased_at:
        say(f"[bold]{plain(email)}[/bold]  erased on {reader.erased_at:%Y-%m-%d}")
    else:
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
