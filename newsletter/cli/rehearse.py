"""`newsletter rehearse`: the whole send against a simulator, from the real audience, mailing nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.issue import AsJson, Issue, chosen
from newsletter.cli.meanwhile import warnings_said
from newsletter.cli.root import cli, place
from newsletter.cli.sends import progress_bar
from newsletter.cli.show import counted, emit_json, finding_json, plain, say, show_account, show_findings, step

if TYPE_CHECKING:
    from newsletter.work.rehearsal import Rehearsed


@cli.command()
def rehearse(
    context: typer.Context,
    issue: Issue = None,
    faults: Annotated[
        Path | None, typer.Option(help="A fault script: what goes wrong, and when (docs/simulator.md).")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Recipients a second your account allows, for the forecast.", min=0.01)
    ] = None,
    readers_of: Annotated[
        str | None, typer.Option(metavar="ISSUE", help="Only those who had that issue: a correction.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send an issue to its real audience on a private simulator: nobody is mailed, and no record is touched."""
    from newsletter.work.rehearsal import rehearse as rehearse_issue

    app = place(context).open()
    name = chosen(app, issue)
    tell = (lambda sentence: None) if as_json else (lambda sentence: step(plain(sentence)))
    if not as_json:
        to = f", to those who had {plain(readers_of)}" if readers_of else ""
        say(f"Rehearsing issue [bold]{plain(name)}[/bold]{to}: nobody is mailed.")
    with _ended_by_signals(), warnings_said(), progress_bar(shown=not as_json) as progress:
        done = rehearse_issue(
            app.store,
            app.workspace,
            app.keys,
            name,
            now=app.now,
            faults=faults,
            rate=rate,
            readers_of=readers_of,
            say=tell,
            progress=progress,
        )
    if as_json:
        emit_json(_as_dict(done))
    else:
        _show(done)
    raise typer.Exit(0 if done.succeeded else 1)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, so that the copied audience is removed in either case."""
    from newsletter.sending.interrupts import on_stop_signal

    def end() -> None:
        raise KeyboardInterrupt

    with on_stop_signal(end):
        yield


def _show(done: Rehearsed) -> None:
    from newsletter.work.rehearsal import WAIVED

    show_findings(done.findings, WAIVED)
    if done.report is None:
        say("Not rehearsed: mend the errors above. A rehearsal waives DATE and nothing else.")
        return
    if any(finding.rule in WAIVED for finding in done.findings):
        say("A rehearsal waives DATE; sending would not.")
    found = done.report.as_dict()
    reason = f" ({plain(found['state_reason'])})" if found["state_reason"] else ""
    say("")
    say(f"[bold]Rehearsed: {plain(found['state'])}{reason}[/bold]")
    show_account(found["account"], found["excluded_by"])
    shown = ", ".join(f"{number:,} {outcome}" for outcome, number in done.outcomes.items())
    say(f"What came back of the accepted: {plain(shown or 'nothing')}.")
    if done.faults:
        met = ", ".join(f"{number:,} × {kind}" for kind, number in done.faults.items())
        say(f"Trouble met by sending calls: {plain(met)}.")
    say(
        f"{counted(done.tried_again, 'hand-over')} tried again, {done.settled:,} in doubt settled by events, "
        f"{counted(done.suppressed, 'reader')} suppressed."
    )
    for why, times in Counter(done.parked).items():
        say(f"Parked {counted(times, 'time')}, where the real send would have waited a while: {plain(why)}")
    took = ", ".join(f"{what} {seconds:,.1f} s" for what, seconds in done.seconds.items())
    say(f"It took: {took}.")
    say(_forecast(done))


def _forecast(done: Rehearsed) -> str:
    if done.forecast_seconds is None:
        return "How long the real send takes depends on your account's rate: say it with --rate."
    minutes, seconds = divmod(round(done.forecast_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"The real send takes at least {hours}:{minutes:02}:{seconds:02} at {done.forecast_rate:,.1f} readers a second."
    )


def _as_dict(done: Rehearsed) -> dict[str, Any]:
    report = done.report.as_dict() if done.report else None
    return {
        "rehearsed": report is not None,
        **(report or {"send": None}),
        "findings": [finding_json(finding) for finding in done.findings],
        "outcomes": dict(done.outcomes),
        "seconds": dict(done.seconds),
        "forecast_seconds": done.forecast_seconds,
        "faults": dict(done.faults),
        "tried_again": done.tried_again,
        "settled_by_events": done.settled,
        "suppressed": done.suppressed,
        "parked": list(done.parked),
    }
