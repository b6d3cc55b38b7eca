"""`newsletter stops` and `newsletter subscriber sync-suppressions`: what came back, and what a person does about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, plain, say, table
from newsletter.cli.subscriber import subscribers

stops = group("stops", "Newsletters that too many bounces or complaints have stopped.")


@stops.command("list")
def list_stops(context: typer.Context, as_json: AsJson = False) -> None:
    """Every stop there was, newest first; those that nobody lifted are in force."""
    from newsletter.sending.stops import all_stops

    with place(context).open().store.read() as connection:
        found = all_stops(connection)
    if as_json:
        emit_json({"stops": [asdict(each) for each in found]})
    elif found:
        rows = [
            (
                each.newsletter,
                f"{each.at:%Y-%m-%d %H:%M} UTC",
                each.reason,
                f"lifted by {each.lifted_by}: {each.why}" if each.lifted_at else "in force",
            )
            for each in found
        ]
        table(("newsletter", "since", "because of", ""), rows)
    else:
        say("No newsletter was ever stopped.")


@stops.command("lift")
def lift(
    context: typer.Context,
    newsletter: Annotated[str, typer.Argument(metavar="NEWSLETTER", help="Which newsletter may go on.")],
    why: Annotated[str, typer.Option(help="What was found, and done about it; it is kept on record.")],
    as_: AsPerson = None,
) -> None:
    """Let a newsletter go on after a person has looked."""
    from newsletter.sending.stops import lift_stop

    app = place(context).open()
    name, _ = app.workspace.newsletter(newsletter)
    if not lift_stop(app.store, name, person=person_named(as_), why=why, now=app.now()):
        say(f"Newsletter {plain(name)} is not stopped.")
        raise typer.Exit(1)
    say(f"Newsletter {plain(name)} may go on. A send that was held goes on with: newsletter sends resume SEND")


@subscribers.command("sync-suppressions")
def sync_suppressions(context: typer.Context, as_json: AsJson = False) -> None:
    """Suppress here whom Amazon SES itself has suppressed since the last time; the clock does it every day."""
    from newsletter.errors import Refused
    from newsletter.feedback.account_list import sync

    app = place(context).open()
    if app.settings.transport.kind != "ses":
        raise Refused('Only Amazon SES keeps such a list, and [transport] kind is not "ses".')
    found = sync(app.store, app.settings, app.keys, now=app.now())
    if as_json:
        emit_json(asdict(found))
    else:
        say(f"Amazon SES lists {counted(found.listed, 'address', 'addresses')} more; {found.new:,} were new here.")
