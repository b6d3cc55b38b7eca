"""`newsletter sends report | who | why`: a send in numbers, its readers by name, and what became of one of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import place
from newsletter.cli.sends import SendId, sends
from newsletter.cli.show import counted, emit_json, plain, say, table

if TYPE_CHECKING:
    from newsletter.app import App

SHOWN = 50


@sends.command("report")
def report_on(
    context: typer.Context,
    send: SendId,
    as_json: AsJson = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as a table to this new file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """What went out, what came back, and what readers did with it."""
    from newsletter.audience.export import new_file
    from newsletter.cli.report_view import show_report, write_csv
    from newsletter.feedback.report import report

    app = _stock_taken(context, send)
    with app.store.read() as connection:
        found = report(connection, send, app.settings)
    if csv is not None:
        with new_file(csv, force=force) as out:
            rows = write_csv(found, out)
        say(f"Wrote {counted(rows, 'row')} to {plain(csv)}.")
    elif as_json:
        emit_json(found)
    else:
        settings = app.settings.newsletters.get(found["newsletter"])
        show_report(found, zone=settings.zone if settings else app.now().tzinfo)


@sends.command("who")
def who(
    context: typer.Context,
    send: SendId,
    state: Annotated[
        str | None, typer.Option(help="excluded, pending, in_flight, uncertain, accepted or refused.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Only for this reason, as `sends show` names it.")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="none, delayed, delivered, rejected, bounced or complained.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="All of them as a table, on standard output.")] = False,
    as_json: AsJson = False,
) -> None:
    """The readers of a send by name: all, or those in one state, for one reason, with one outcome."""
    from newsletter.feedback.by_name import COLUMNS, Chosen, how_many, named

    chosen = Chosen(state, reason, outcome)
    app = _stock_taken(context, send)
    with app.store.read() as connection:
        if csv:
            from newsletter.cli.report_view import write_rows

            write_rows(sys.stdout, COLUMNS, (reader.cells() for reader in named(connection, send, chosen)))
            return
        total = how_many(connection, send, chosen)
        if as_json:
            everybody = [dict(zip(COLUMNS, reader.cells(), strict=True)) for reader in named(connection, send, chosen)]
            emit_json({"send": send, "readers": total, "who": everybody})
            return
        shown = list(named(connection, send, chosen, most=SHOWN))
    if shown:
        rows = [(r.name, r.state, r.reason or "", r.outcome, r.outcome_detail or "") for r in shown]
        table(("address", "state", "reason", "outcome", "what was said"), rows)
    more = f", of whom {len(shown)} are shown: --csv gives all" if total > len(shown) else ""
    say(f"{counted(total, 'reader')}{more}.")


@sends.command("why")
def why(
    context: typer.Context,
    send: SendId,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="A reader's address.")],
    as_json: AsJson = False,
) -> None:
    """What became of one reader in this send, and how that is known."""
    from newsletter.feedback.one_reader import fate

    app = _stock_taken(context, send)
    found = fate(app.store, app.workspace, app.keys, send, email, now=app.now())
    if as_json:
        emit_json(found.as_json())
        return
    from newsletter.cli.report_view import show_fate

    settings = app.settings.newsletters.get(found.send.newsletter)
    show_fate(found, zone=settings.zone if settings else app.now().tzinfo)


def _stock_taken(context: typer.Context, send: str) -> App:
    """The workspace's app, after seeing to what a killed process left in flight in this send."""
    from newsletter.sending.control import take_stock

    app = place(context).open()
    take_stock(app.store, app.workspace.locks, send, now=app.now())
    return app
