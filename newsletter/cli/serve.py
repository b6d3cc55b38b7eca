"""`newsletter serve`: the readers' pages."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.root import cli, place


@cli.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Where to listen (default: \\[web] host).")] = None,
    port: Annotated[int | None, typer.Option(help="Where to listen (default: \\[web] port).", min=0, max=65535)] = None,
) -> None:
    """Serve the readers' pages. The mails they ask for go out with `newsletter run` or `newsletter clock`."""
    from newsletter.cli.show import say
    from newsletter.web.serve import serve as run

    app = place(context).open()
    web = app.settings.web
    say("Mails readers ask for go out with `newsletter run` instead, or `newsletter clock` beside this.")
    run(app, host or web.host, web.port if port is None else port)
    say("Stopped.")
