"""`newsletter preview`: an issue as readers will see it, while it is being written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.issue import Issue, chosen
from newsletter.cli.root import cli, place


@cli.command()
def preview(
    context: typer.Context,
    issue: Issue = None,
    port: Annotated[int, typer.Option(help="Where to listen on this machine; 0: any free port.", min=0, max=65535)] = 0,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write pictures of it into DIR with Chromium, and end.")
    ] = None,
) -> None:
    """Show an issue in the browser: widths, colours, text, headers, findings; it follows the files."""
    from newsletter.cli.show import counted, plain, say
    from newsletter.web.desk.draft import Drafts
    from newsletter.web.desk.serving import listening, photograph, show

    where = place(context)
    app = where.open()
    name = chosen(app, issue)
    drafts = Drafts(where.root, app.store, name, app.now)
    with listening(port) as (listener, url):
        if screenshot is not None:
            made = photograph(drafts, listener, url, screenshot)
            say(f"{counted(len(made), 'picture')} in {plain(screenshot)}: {', '.join(path.name for path in made)}.")
            return
        say(f"Issue [bold]{plain(name)}[/bold] at {url} (press Ctrl-C to stop). It follows the files.")
        show(drafts, listener)
    say("Stopped.")
