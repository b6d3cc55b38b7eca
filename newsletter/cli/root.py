"""The command line: every command, grouped as people think of them.

Commands parse, call one verb, and show. Whatever is heavy (boto3, SQLAlchemy, lxml, FastAPI) is imported inside the
command that needs it, so that `newsletter --help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from newsletter.app import App

cli = typer.Typer(
    name="newsletter",
    help="Compose a newsroom's daily email and send it to readers whose consent is on record.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass
class Place:
    """Which workspace the commands work in."""

    named: Path | None = None

    @property
    def root(self) -> Path:
        from newsletter.config import find_workspace

        return find_workspace(Path.cwd(), self.named)

    def open(self) -> App:
        """The workspace's app. Raises what `open_app` raises."""
        from newsletter.app import open_app

        return open_app(self.root)


@cli.callback()
def _choose_workspace(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help="The workspace's folder (default: the nearest with a config.toml)."),
    ] = None,
) -> None:
    context.obj = Place(workspace)


def place(context: typer.Context) -> Place:
    """The workspace this command was asked to work in."""
    found = context.find_object(Place)
    return found if found is not None else Place()


def group(name: str, help_text: str) -> typer.Typer:
    """A group of commands under one word."""
    app = typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="rich")
    cli.add_typer(app, name=name)
    return app


from newsletter.cli import (  # noqa: E402 - the commands register themselves on the app made above
    approve,
    audience,
    consent,
    correction,
    database,
    demo,
    feed,
    feedback,
    issue,
    poll,
    preview,
    question,
    rehearse,
    report,
    run,
    schedule,
    sends,
    serve,
    simulator,
    story,
    subscriber,
    suppression,
    test,
    worker,
    workspace,
)

__all__ = [
    "approve",
    "audience",
    "cli",
    "consent",
    "correction",
    "database",
    "demo",
    "feed",
    "feedback",
    "issue",
    "poll",
    "preview",
    "question",
    "rehearse",
    "report",
    "run",
    "schedule",
    "sends",
    "serve",
    "simulator",
    "story",
    "subscriber",
    "suppression",
    "test",
    "worker",
    "workspace",
]
