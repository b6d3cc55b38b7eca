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
    faults: Annotated[
        Path | None, typer.Option(help="A fault script: what goes wrong, and when (docs/simulator.md).")
    ] = None,
    sns: Annotated[
        list[str] | None, typer.Option(help="Push events, signed, to this address of this machine; may be repeated.")
    ] = None,
    sqs: Annotated[str | None, typer.Option(help="Send events to this SQS queue of a server on this machine.")] = None,
    sqs_endpoint: Annotated[str, typer.Option(help="That server's address, if the queue's does not say.")] = "",
) -> None:
    """Run a local Amazon SES that mails nobody, keeps every message and publishes events; its inbox is at /."""
    from newsletter.simulator.script import read_script
    from newsletter.simulator.server import Subscribers, run

    script = read_script(faults) if faults else None
    subscribers = Subscribers(tuple(sns or ()), sqs, sqs_endpoint)
    run(port=port, data=data, rate=rate, daily=daily, script=script, subscribers=subscribers)
