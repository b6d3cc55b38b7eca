"""`newsletter demo`: everything once, on this machine, mailing nobody.

It imports the sample readers, builds and checks the sample issue, sends it through boto3 to a local Amazon SES
simulator, takes the simulator's events back, and prints the account.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.root import cli
from newsletter.cli.sends import progress_bar
from newsletter.cli.show import counted, plain, say, show_account, show_findings, step

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.sending.send import Report

ISSUE = "2024-10-10"
READERS = "_readers/subscribers.csv"
MARK = ".newsletter-demo"


@cli.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to play.")] = Path("newsletter-demo"),
) -> None:
    """Everything once, locally: import, build, check, send through boto3 to a simulator, settle, account."""
    from newsletter.simulator.server import start

    root = folder.resolve()
    app = _fresh_workspace(root)
    _import_readers(app)
    with start(root / "var" / "simulator") as simulator:
        step(f"Started a local Amazon SES simulator on {simulator.url}; it mails nobody")
        app = _through(app, simulator.url)
        sent = _send(app)
        _take_events_back(app)
    _tell(app, sent)


def _fresh_workspace(root: Path) -> App:
    """A new workspace; of an earlier demo the editors' files stay, what was sent is forgotten."""
    from newsletter.app import make_workspace, open_app
    from newsletter.errors import Refused

    if (root / MARK).exists():
        shutil.rmtree(root / "var", ignore_errors=True)
        step(f"Using the demo workspace {plain(root)}; what was sent before is forgotten")
        return open_app(root, make=True)
    if root.exists() and any(root.iterdir()):
        raise Refused(f"{root} is not empty and not a demo's folder. Name another: newsletter demo DIR")
    app = make_workspace(root, sample=True)
    (root / MARK).touch()
    step(f"Made a workspace in {plain(root)} with three sample issues")
    return app


def _import_readers(app: App) -> None:
    from newsletter.audience.explain import count
    from newsletter.audience.import_csv import import_csv
    from newsletter.config import shipped

    name, settings = app.workspace.newsletter()
    report = import_csv(
        app.store,
        app.keys,
        shipped("issues") / READERS,
        newsletter=name,
        settings=settings,
        source="sample readers",
        actor="demo",
        now=app.now(),
    )
    with app.store.read() as connection:
        found = count(connection, name, settings=settings, at=app.now())
    step(f"Imported {counted(report.new, 'sample reader')}: {found['mailable']:,} may be mailed")


def _through(app: App, url: str) -> App:
    """The app with Amazon SES as its way out, at the simulator's address."""
    from newsletter.simulator.events import TOPIC

    old = app.settings
    settings = old.model_copy(
        update={
            "transport": old.transport.model_copy(update={"kind": "ses"}),
            "ses": old.ses.model_copy(update={"endpoint_url": url, "configuration_set": "newsletter"}),
            "feedback": old.feedback.model_copy(update={"simulator_url": url, "topics": (TOPIC,)}),
        }
    )
    return dataclasses.replace(app, workspace=dataclasses.replace(app.workspace, settings=settings))


def _send(app: App) -> Report:
    from newsletter.sending.order import Order, fulfil

    step(f"Building, checking and sending issue {ISSUE} through boto3")
    old = "rehearsal of an old issue"
    order = Order(ISSUE, "demo", (f"DATE={old}", f"POLL-OVER={old}"), rest=False)
    with progress_bar(shown=True) as progress:
        done = fulfil(app.store, app.workspace, app.keys, app.transport(), order, now=app.now, progress=progress)
    show_findings(done.findings, done.waived)
    if done.report is None:
        raise typer.Exit(1)
    say("  This rehearses an old issue: its date is not today's, so the rule DATE was waived by name.")
    return done.report


def _take_events_back(app: App) -> None:
    from newsletter.feedback.collect import collect

    found = collect(app.store, app.settings, app.keys, now=app.now)
    what = f"{counted(found.suppressed, 'reader')} suppressed"
    step(f"Took back {counted(found.received, 'event')} from the simulator: {what}")


def _tell(app: App, sent: Report) -> None:
    from newsletter.sending.accounts import outcomes, report

    with app.store.read() as connection:
        final = report(connection, sent.send.id)
        came_back = outcomes(connection, sent.send.id)
    say("")
    say(f"[bold]Send {plain(final['send'])}: {plain(final['state'])}[/bold]")
    show_account(final["account"], final["excluded_by"])
    shown = ", ".join(f"{number:,} {outcome}" for outcome, number in came_back.items())
    say(f"What came back of the accepted: {plain(shown)}.")
    say("")
    say(f"The frozen build  {plain(app.workspace.builds / final['build'])}")
    say(f"The mails         {plain(app.workspace.root / 'var' / 'simulator' / 'messages')}")
    say("")
    say("Next:")
    program, root = plain(_program()), plain(os.path.relpath(app.workspace.root))
    say(f"  {program} -w {root} serve     [dim]then the links in the mails work[/dim]")
    say(f"  {program} -w {root} audience explain bounce+reader5@simulator.amazonses.com")
    say(f"  {program} -w {root} check 2024-10-10")
    say(f"  {program} init my-newsroom --sample     [dim]a workspace of your own[/dim]")


def _program() -> str:
    """How the person can type this program's name: plainly where it is on the path, else by where it lies."""
    return "newsletter" if shutil.which("newsletter") else os.path.relpath(sys.argv[0])
