"""`newsletter run`: the readers' pages, the clock and the sender in one process; `newsletter clock`: no pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.root import cli, place

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.work.clock import Clock


@cli.command()
def run(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Where to listen (default: \\[web] host).")] = None,
    port: Annotated[int | None, typer.Option(help="Where to listen (default: \\[web] port).", min=0, max=65535)] = None,
) -> None:
    """Serve the readers' pages and send what they ask for: everything in one process."""
    from newsletter.cli.show import say
    from newsletter.sending.interrupts import on_stop_signal
    from newsletter.web.serve import serve

    app = place(context).open()
    web = app.settings.web
    # The server handles the first signal itself and passes it on when it has ended; then the clock ends in its turn.
    with on_stop_signal(lambda: None), _clock(app) as clock:
        at = host or web.host, web.port if port is None else port
        serve(app, *at, after_post=clock.wake, workspace=lambda: clock.desk.standing.workspace)
    say("Stopped.")


@cli.command()
def clock(context: typer.Context) -> None:
    """Send what readers ask for and what was detached, without the pages: beside `newsletter serve`."""
    from queue import SimpleQueue

    from newsletter.cli.show import say
    from newsletter.sending.interrupts import on_stop_signal

    app = place(context).open()
    stopped: SimpleQueue[None] = SimpleQueue()  # its `put` may be called from a signal handler
    with on_stop_signal(lambda: stopped.put(None)), _clock(app):
        say("The clock runs: mails readers ask for and detached sends go out (press Ctrl-C to stop).")
        stopped.get()
    say("Stopped.")


def _clock(app: App) -> Clock:
    import logging

    from newsletter.work.clock import Clock
    from newsletter.work.rings import Desk

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    return Clock(Desk(app.store, app.workspace, app.keys, app.post(), app.transport(), app.now))
