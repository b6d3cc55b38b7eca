"""`newsletter init`: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.root import cli
from newsletter.cli.show import plain, say


@cli.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make it in.")],
    sample: Annotated[bool, typer.Option("--sample", help="Bring the three sample issues along.")] = False,
) -> None:
    """Make a workspace: settings, keys, a database, a folder for issues."""
    from newsletter.app import make_workspace

    app = make_workspace(folder.resolve(), sample=sample)
    root = app.workspace.root
    say(f"Made a workspace in [bold]{plain(root)}[/bold].")
    say("  config.toml    the settings: put your newsroom's name and address in")
    say("  secrets.toml   its keys: keep a backup, never share it")
    say("  issues/        one folder an issue" + (", with three samples" if sample else ""))
    say("")
    say("Next:")
    say(f"  cd {plain(folder)}")
    say("  newsletter subscriber import READERS.csv --source 'where they signed up' --basis express")
    say("  newsletter check 2024-10-10" if sample else "  newsletter check ISSUE")
