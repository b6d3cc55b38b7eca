"""`newsletter test`: an issue to colleagues, as a reader would get it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from newsletter.cli.issue import AsJson, Issue, chosen
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import cli, place
from newsletter.cli.show import counted, emit_json, finding_json, plain, say, show_findings


@cli.command("test")
def mail_a_test(
    context: typer.Context,
    issue: Issue = None,
    to: Annotated[list[str] | None, typer.Option(help="Whom to mail it to; may be repeated, 20 at most.")] = None,
    variant: Annotated[str, typer.Option(help="Which variant of the issue.")] = "default",
    reader_name: Annotated[str, typer.Option(help="The first name it is addressed to.")] = "",
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Mail an issue to colleagues, marked as a test; its errors are shown and do not stop it."""
    from newsletter.preflight.candidate import candidate
    from newsletter.rendering.freeze import freeze
    from newsletter.sending.trial import Trial, send_tests

    app = place(context).open()
    name = chosen(app, issue)
    found = candidate(app.workspace, app.store, name, now=app.now())
    freeze(app.store, app.workspace, found.build, now=app.now())
    trial = Trial(found.build, variant, reader_name, person_named(as_))
    done = send_tests(app.store, app.workspace, app.keys, app.post(), trial, addresses=tuple(to or ()), now=app.now())
    accepted = sum(outcome.state == "accepted" for outcome in done)
    if as_json:
        findings = [finding_json(finding) for finding in found.findings]
        mails = [asdict(outcome) for outcome in done]
        emit_json({"issue": name, "build": found.build.hash, "mails": mails, "findings": findings})
    else:
        show_findings(found.findings)
        say("")
        for outcome in done:
            why = f": {plain(outcome.reason)}" if outcome.reason else ""
            say(f"{plain(outcome.address)}: {outcome.state}{why}")
        say(f"Issue [bold]{plain(name)}[/bold]: {counted(accepted, 'test mail')} handed over.")
    raise typer.Exit(0 if accepted == len(done) else 1)
