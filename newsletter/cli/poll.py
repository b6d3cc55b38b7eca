"""`newsletter poll`: what readers were asked, and how they voted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, plain, say, table
from newsletter.errors import NotFound

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.editorial.results import Asked
    from newsletter.editorial.votes import Tally

polls = group("poll", "What readers were asked, and how they voted.")

Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Only this one's.")]


@polls.command("list")
def list_polls(context: typer.Context, newsletter: Newsletter = None, as_json: AsJson = False) -> None:
    """Every poll that went out: whether it is open, until when, and how many voted."""
    app = place(context).open()
    name = app.workspace.newsletter(newsletter)[0] if newsletter else None
    found = _polls(app, name)
    if as_json:
        emit_json({"polls": [_json(asked, tally, app.now()) for asked, tally in found]})
    elif found:
        rows = [
            (asked.name, asked.poll.question, _standing(asked, app.now()), _closes(app, asked), f"{tally.total:,}")
            for asked, tally in found
        ]
        table(("poll", "", "", "closes", "votes"), rows, right=(4,))
    else:
        say("No issue that went out had a poll.")


@polls.command()
def show(
    context: typer.Context,
    poll: Annotated[str, typer.Argument(metavar="ISSUE/ID", help="Such as 2024-10-09/ask-next.")],
    as_json: AsJson = False,
) -> None:
    """One poll: the votes for each option, as they stand or as they closed."""
    from newsletter.documents import did_you_mean

    app = place(context).open()
    found = {asked.name: (asked, tally) for asked, tally in _polls(app, None)}
    if poll not in found:
        raise NotFound(f"No issue that went out had the poll `{poll}`. {did_you_mean(poll, found)}".rstrip())
    asked, tally = found[poll]
    if as_json:
        emit_json(_json(asked, tally, app.now()))
        return
    say(f"[bold]{plain(asked.poll.question)}[/bold]  {plain(_standing(asked, app.now()))}")
    say(f"  asked in {plain(asked.issue)}; {_closed(asked, app.now())} {_closes(app, asked)}")
    rows = [(share.option, f"{share.percent} %", f"{share.votes:,}") for share in tally.shares(asked.poll)]
    table(("option", "share", "votes"), rows, right=(1, 2))
    say(f"{counted(tally.total, 'vote')}.")
    if tally.left_out:
        say(f"Left out, because they look automatic: {tally.left_out:,}.")
    say(f'Tell readers: a block with type = "follow-up" and poll = "{plain(asked.name)}".')


def _polls(app: App, newsletter: str | None) -> list[tuple[Asked, Tally]]:
    """The polls with their votes; those that have closed are counted for good first."""
    from newsletter.editorial.results import asked_polls, freeze_closed, tally_of

    freeze_closed(app.store, app.now())
    with app.store.read() as connection:
        found = [each for each in asked_polls(connection) if newsletter in (None, each.newsletter)]
        return [(each, tally_of(connection, each.issue, each.poll)) for each in found]


def _standing(asked: Asked, now: datetime) -> str:
    return "open" if asked.poll.is_open(now) else "closed"


def _closed(asked: Asked, now: datetime) -> str:
    return "closes" if asked.poll.is_open(now) else "closed"


def _closes(app: App, asked: Asked) -> str:
    settings = app.settings.newsletters.get(asked.newsletter)
    there = asked.poll.closes.astimezone(settings.zone) if settings else asked.poll.closes
    return f"{there:%Y-%m-%d %H:%M %Z}"


def _json(asked: Asked, tally: Tally, now: datetime) -> dict[str, Any]:
    return {
        "poll": asked.name,
        "issue": asked.issue,
        "id": asked.poll.id,
        "newsletter": asked.newsletter,
        "question": asked.poll.question,
        "open": asked.poll.is_open(now),
        "closes": asked.poll.closes.isoformat(),
        "final": tally.final,
        "votes": tally.total,
        "left_out": tally.left_out,
        "options": [{"option": s.option, "votes": s.votes, "percent": s.percent} for s in tally.shares(asked.poll)],
    }
