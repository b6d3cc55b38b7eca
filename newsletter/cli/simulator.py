"""`newsletter simulator`: a local Amazon SES for trying things out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.root import cli


@cli.command()
def simulator(
    port: Annotated[
        int, typer.Option(help="Where to listen on loopback; 0 picks a free one.", min=0, max=65535)
    ] = 8005,
    data: Annotated[Path, typer.Option(help="Where received mails are kept.")] = Path("var/simulator"),
    rate: Annotated[float, typer.Option(help="Recipients a second the account allows.", min=1)] = 1_000,
    daily: Annotated[int, typer.Option(help="Recipients a day the account allows.", min=1)] = 1_000_000,
) -> None:
    """Run a local Amazon SES that mails nobody, keeps every message and publishes events."""
    from newsletter.simulator.server import run

    run(port=port, data=data, rate=rate, daily=daily)
