"""`newsletter audience`: who would get a send now, who would not, and why."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import emit_json, plain, say, table

Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Which one (default: the only one).")]
Email = Annotated[str, typer.Argument(metavar="EMAIL")]

audience = group("audience", "Who may be mailed, and why.")


@audience.command()
def count(context: typer.Context, newsletter: Newsletter = None, as_json: AsJson = False) -> None:
    """How many would get the newsletter now, and how many not, by reason."""
    from newsletter.audience.explain import count as count_audience

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    with app.store.read() as connection:
        found = count_audience(connection, name, settings=settings, at=app.now())
    if as_json:
        emit_json({"newsletter": name, **found})
        return
    table(
        ("", "readers"),
        [("audience", f"{found['audience']:,}"), ("would get it", f"{found['mailable']:,}")]
        + [(f"not: {reason}", f"{number:,}") for reason, number in sorted(found["excluded_by"].items())],
        right=(1,),
    )


@audience.command()
def explain(context: typer.Context, email: Email, newsletter: Newsletter = None, as_json: AsJson = False) -> None:
    """Whether this reader would get the newsletter now, why, and what that rests on."""
    show_explanation(context, email, newsletter=newsletter, as_json=as_json)


def show_explanation(context: typer.Context, email: str, *, newsletter: str | None, as_json: bool) -> None:
    """The answer of `audience explain` and `subscriber show`."""
    from newsletter.audience.explain import explain as explain_reader

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    found = explain_reader(app.store, app.keys, email, newsletter=name, settings=settings, at=app.now())
    if as_json:
        emit_json(dataclasses.asdict(found))
        return
    verdict = "[green]gets[/green]" if found.mailable else "[red]does not get[/red]"
    say(f"{plain(found.address)} {verdict} {plain(settings.name)}: {plain(found.reason)}.")
    say(f"  {plain(found.evidence)}")
