"""`newsletter worker`: hands over slices of sends, beside any number of others on any number of machines."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.root import cli, place


@cli.command()
def worker(
    context: typer.Context,
    concurrency: Annotated[int, typer.Option(help="Slices under way at once.", min=1, max=8)] = 2,
) -> None:
    """Hand over detached sends until told to stop; with PostgreSQL, on as many machines as you like."""
    import logging

    from newsletter.cli.show import say
    from newsletter.errors import NewsletterError

    app = place(context).open()
    if not app.store.is_postgresql:
        raise NewsletterError("With SQLite there are no workers: `newsletter run` hands over, all in one process.")
    from newsletter.work.worker import Worker

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    for name in ("procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said in our words
    say("The worker runs: sends go out (press Ctrl-C to stop).")
    Worker(app.store, app.workspace, app.keys, app.transport(), app.now, concurrency).run()
    say("Stopped.")
