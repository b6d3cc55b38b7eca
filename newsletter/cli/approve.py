"""What a second pair of eyes types: approve an issue as it is, and see what changed since it was approved before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson, Issue, chosen, issues
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import cli, place
from newsletter.cli.show import counted, emit_json, finding_json, out, plain, say, show_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.rendering.difference import Difference
    from newsletter.sending.signing import Signed, Unapproved

Waive = Annotated[list[str] | None, typer.Option(help='RULE="reason": although this rule objects.')]


@cli.command()
def approve(
    context: typer.Context, issue: Issue = None, waive: Waive = None, as_: AsPerson = None, as_json: AsJson = False
) -> None:
    """Build and check an issue, and say yes to that very build; any edit makes another one."""
    from newsletter.sending.signing import approve_issue

    app = place(context).open()
    name, person = chosen(app, issue), person_named(as_)
    signed = approve_issue(app.store, app.workspace, name, person=person, waive=waive or (), now=app.now())
    if as_json:
        emit_json(_as_json(name, signed))
    else:
        show_findings(signed.findings, signed.waived)
        if signed.approval is None:
            say("Not approved: mend the errors above, or waive each by name with --waive RULE='why'.")
        else:
            say(f"Issue {plain(name)}: [bold]{plain(signed.build.subject or '(no subject yet)')}[/bold]")
            say(plain(signed.approval.in_words))
            if signed.unapproved is not None:
                show_changed(signed.unapproved)
    raise typer.Exit(0 if signed.approval is not None else 1)


def _as_json(issue: str, signed: Signed) -> dict[str, object]:
    approval = signed.approval
    return {
        "issue": issue,
        "build": signed.build.hash,
        "approved_by": approval.people if approval else [],
        "enough": bool(approval and approval.enough),
        "approval": signed.unapproved.as_json() if signed.unapproved else None,
        "findings": [finding_json(finding) for finding in signed.findings],
    }


@issues.command("diff")
def diff(
    context: typer.Context,
    issue: Issue = None,
    build: Annotated[
        str | None, typer.Option(help="A build's first digits (default: the scheduled, else the last approved).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What an issue's files have different from a frozen build of it."""
    from newsletter.sending.signing import compare

    app = place(context).open()
    name = chosen(app, issue)
    found = compare(app.store, app.workspace, name, build=build, now=app.now())
    if as_json:
        changes = [difference.as_json() for difference in found.differences]
        emit_json({"issue": name, "frozen": found.frozen, "now": found.now, "differences": changes})
    elif found.differences:
        say(f"Since build [bold]{found.frozen[:12]}[/bold]; the files now give {found.now[:12]}.")
        show_differences(found.differences)
    else:
        say(f"The files give build [bold]{found.now[:12]}[/bold], the same.")


def show_changed(missing: Unapproved) -> None:
    """What changed since the build that was approved before."""
    if missing.since is not None:
        say(f"Since build [bold]{missing.since[:12]}[/bold], which was approved before:")
        show_differences(missing.differences)


def show_differences(differences: Sequence[Difference]) -> None:
    """As a patch is shown: what went in red, what came in green."""
    for found in differences:
        out.print(f"[bold]{plain(found.what)}[/bold]")
        if found.before is not None:
            out.print(f"  [red]- {plain(found.before)}[/red]")
        if found.after is not None:
            out.print(f"  [green]+ {plain(found.after)}[/green]")
        for line in found.lines:
            colour = {"-": "red", "+": "green"}.get(line[:1], "dim")
            out.print(f"  [{colour}]{plain(line)}[/{colour}]")
        if found.left_off:
            out.print(f"  [dim]… {counted(found.left_off, 'line')} more[/dim]")
