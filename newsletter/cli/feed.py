"""`newsletter feed`: stories from elsewhere into the inbox."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, err, plain, say
from newsletter.cli.story import show_repairs
from newsletter.errors import NotFound, Refused

if TYPE_CHECKING:
    from newsletter.editorial.incoming.pulling import Pulled

feeds = group("feed", "Stories from elsewhere into the inbox.")


@feeds.command()
def pull(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[FEED]...", help="Which (default: all).")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the new stories of the configured feeds into issues/_inbox."""
    from newsletter.documents import did_you_mean
    from newsletter.editorial.incoming.fetching import Fetcher
    from newsletter.editorial.incoming.pulling import MOST_BYTES
    from newsletter.editorial.incoming.pulling import pull as pull_feed

    app = place(context).open()
    known = app.settings.feeds
    for name in names or []:
        if name not in known:
            raise NotFound(f"There is no feed `{name}` in config.toml. {did_you_mean(name, known)}".rstrip())
    if not known:
        raise NotFound('No feeds are configured. Add one: feeds.wire = { url = "https://…" }')
    done: list[Pulled] = []
    failed: dict[str, str] = {}
    for name in names or known:
        try:
            fetcher = Fetcher(most_bytes=MOST_BYTES)
            done.append(pull_feed(app.store, app.workspace.issues, name, known[name], fetcher=fetcher, now=app.now()))
        except Refused as error:  # one feed that is down keeps no other from coming in
            failed[name] = str(error)
    if as_json:
        emit_json({"feeds": [asdict(each) for each in done], "failed": failed})
    else:
        for each in done:
            _show(each)
        for name, problem in failed.items():
            err.print(f"[red]{plain(name)}[/red]: {plain(problem)}")
    raise typer.Exit(1 if failed else 0)


def _show(done: Pulled) -> None:
    news = (
        f"{counted(len(done.new), 'new story', 'new stories')}, {len(done.updated)} updated, {done.unchanged} unchanged"
    )
    say(f"[bold]{plain(done.feed)}[/bold]: {'nothing new' if done.not_modified else news}.")
    for story in (*done.new, *done.updated):
        say(f"  {plain(story)}")
        show_repairs(done.repairs.get(story, ()))
    for story in done.kept:
        say(f"  [yellow]{plain(story)}[/yellow] was edited at its source; yours is kept.")
    for problem in done.problems:
        say(f"  [yellow]left out[/yellow] {plain(problem)}")
