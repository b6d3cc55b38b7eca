"""`newsletter send` and `newsletter sends`: an issue goes out, and who got it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from newsletter.cli.issue import AsJson, Issue, chosen
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import cli, group, place
from newsletter.cli.show import emit_json, err, plain, say, show_account, show_findings, table

sends = group("sends", "What went out, to whom, and what is still open.")

SendId = Annotated[str, typer.Argument(metavar="SEND", help="A send's id, as `sends list` shows it.")]


@cli.command()
def send(
    context: typer.Context,
    issue: Issue = None,
    waive: Annotated[list[str] | None, typer.Option(help='RULE="reason": send although this rule objects.')] = None,
    rest: Annotated[bool, typer.Option("--rest", help="Only those who have not had the issue.")] = False,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Build, check and send an issue; goes on with an unfinished send of it."""
    from newsletter.sending.order import Order, send_issue

    app = place(context).open()
    order = Order(chosen(app, issue), person_named(as_), tuple(waive or ()), rest=rest)
    with progress_bar(shown=not as_json) as progress:
        done = send_issue(app.store, app.workspace, app.keys, app.transport(), order, now=app.now, progress=progress)
    if done.findings and not as_json:
        show_findings(done.findings, done.waived)
    if done.report is None:
        say("Not sent: mend the errors above, or waive each by name with --waive RULE='why'.")
        raise typer.Exit(1)
    _show_report(done.report, as_json=as_json)
    raise typer.Exit(0 if done.settled else 1)


@contextmanager
def progress_bar(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of readers handed over, on standard error; calls say (done, of all)."""
    columns = (TextColumn("handing over"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not shown) as bar:
        task = bar.add_task("", total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update


def _show_report(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(report)
        return
    reason = f" ({report['state_reason']})" if report.get("state_reason") else ""
    say(
        f"Send [bold]{plain(report['send'])}[/bold] of build {plain(report['build'][:12])}: {plain(report['state'])}{plain(reason)}"
    )
    show_account(report["account"], report["excluded_by"])
    if report["account"]["uncertain"]:
        say(f"Some answers were lost. See who: newsletter sends uncertain {plain(report['send'])}")


@sends.command("list")
def list_sends(context: typer.Context, as_json: AsJson = False) -> None:
    """Every send, newest first."""
    from newsletter.sending.accounts import reports

    app = place(context).open()
    with app.store.read() as connection:
        found = reports(connection)
    if as_json:
        emit_json({"sends": found})
    elif found:
        rows = [
            (
                r["send"],
                r["issue"],
                r["state"],
                r["account"]["audience"],
                r["account"]["accepted"],
                r["account"]["uncertain"],
            )
            for r in found
        ]
        table(("send", "issue", "state", "audience", "accepted", "uncertain"), rows, right=(3, 4, 5))
    else:
        say("Nothing was sent yet.")


@sends.command("show")
def show_send(context: typer.Context, send: SendId, as_json: AsJson = False) -> None:
    """A send's account: everybody it was meant for, and where each of them stands."""
    from newsletter.sending.accounts import report

    app = place(context).open()
    with app.store.read() as connection:
        _show_report(report(connection, send), as_json=as_json)
