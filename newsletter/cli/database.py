"""`newsletter db`: the database's version."""

from __future__ import annotations

import typer

from newsletter.cli.root import group, place
from newsletter.cli.show import plain, say

db = group("db", "The database.")


@db.command()
def upgrade(context: typer.Context) -> None:
    """Bring the database to this program's version."""
    from newsletter.config import open_workspace
    from newsletter.store.engine import Store
    from newsletter.store.schema import is_current
    from newsletter.store.schema import upgrade as run_migrations

    store = Store(open_workspace(place(context).root).store_url)
    if is_current(store):
        say(f"{plain(store.url)} is up to date.")
        return
    run_migrations(store)
    say(f"Upgraded {plain(store.url)}.")
