"""`newsletter consent`: a reader's ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import emit_json, plain, say, table

consent = group("consent", "What readers agreed to, as it is on record.")


@consent.command()
def show(
    context: typer.Context, email: Annotated[str, typer.Argument(metavar="EMAIL")], as_json: AsJson = False
) -> None:
    """Everything on record about a reader's consent, oldest first."""
    from newsletter.audience.explain import timeline

    app = place(context).open()
    found = timeline(app.store, app.keys, email)
    if as_json:
        entries = [{"at": m.at.isoformat(), "newsletter": m.newsletter, "what": m.words} for m in found]
        emit_json({"address": email, "entries": entries})
        return
    if not found:
        say(f"Nothing is on record about {plain(email)}.")
        return
    say(f"[bold]{plain(email)}[/bold]")
    table(("when (UTC)", "newsletter", "what"), [(f"{m.at:%Y-%m-%d %H:%M}", m.newsletter, m.words) for m in found])
