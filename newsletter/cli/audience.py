"""`newsletter audience`: who would get a send now, who would not, and why; and who is in which segment."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, error_line, plain, say, table

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.audience.segment_sql import View

Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Which one (default: the only one).")]
SegmentName = Annotated[str | None, typer.Option("--segment", help="Only readers of this segment.")]
ReadersOf = Annotated[str | None, typer.Option(metavar="ISSUE", help="Only those who had that issue.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL")]

audience = group("audience", "Who may be mailed, and why.")


@audience.command()
def count(
    context: typer.Context,
    newsletter: Newsletter = None,
    segment: SegmentName = None,
    readers_of: ReadersOf = None,
    as_json: AsJson = False,
) -> None:
    """How many would get the newsletter now, and how many not, by reason."""
    from newsletter.audience.expiry import lapsing
    from newsletter.audience.explain import count as count_audience
    from newsletter.audience.membership import count_members, listed
    from newsletter.audience.segments import read_segment
    from newsletter.sending.readers import count_readers, require_readers

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    chosen = read_segment(app.workspace, segment) if segment is not None else None
    with app.store.read() as connection:
        if readers_of is not None:
            require_readers(connection, name, readers_of)
            found = count_readers(connection, readers_of, _view(app, name), segment=chosen)
            of_all = listed(connection, name)
            soon = None
        elif chosen is None:
            found = count_audience(connection, name, settings=settings, at=app.now())
            of_all = found["audience"]
            soon = lapsing(connection, name, settings, at=app.now())
        else:
            found = count_members(connection, chosen, _view(app, name))
            of_all = listed(connection, name)
            soon = None
    if as_json:
        ends = {"lapsing": dataclasses.asdict(soon)} if soon else {}
        named = {"segment": chosen.name, "title": chosen.title, "newsletter_audience": of_all} if chosen else {}
        if readers_of is not None:
            named |= {"readers_of": readers_of, "newsletter_audience": of_all}
        emit_json({"newsletter": name, **named, **found, **ends})
        return
    first = [("audience", f"{of_all:,}")]
    if chosen is not None:
        say(f"Segment [bold]{plain(chosen.name)}[/bold]: {plain(chosen.title)}")
        if readers_of is None:
            first.append(("in the segment", f"{found['audience']:,}"))
    if readers_of is not None:
        first.append((f"had {readers_of}{', in the segment' if chosen else ''}", f"{found['audience']:,}"))
    reasons = [(f"not: {reason}", f"{number:,}") for reason, number in sorted(found["excluded_by"].items())]
    table(("", "readers"), [*first, ("would get it", f"{found['mailable']:,}"), *reasons], right=(1,))
    this_month = soon.in_month(app.now().astimezone(settings.zone)) if soon else 0
    if this_month:
        say(f"{counted(this_month, 'reader')} {'lapses' if this_month == 1 else 'lapse'} this month.")


@audience.command()
def show(
    context: typer.Context,
    newsletter: Newsletter = None,
    segment: SegmentName = None,
    limit: Annotated[int, typer.Option(help="How many to show.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Some readers of the newsletter, or of a segment: who they are, and whether they would get it now."""
    from newsletter.audience.membership import sample
    from newsletter.audience.segments import read_segment

    app = place(context).open()
    name, _ = app.workspace.newsletter(newsletter)
    chosen = read_segment(app.workspace, segment) if segment is not None else None
    with app.store.read() as connection:
        found = sample(connection, chosen, _view(app, name), limit=limit)
    if as_json:
        emit_json({"newsletter": name, "segment": segment, "readers": [dataclasses.asdict(reader) for reader in found]})
    elif found:
        rows = [
            (
                r.address or f"(erased reader {r.subscriber_id})",
                r.first_name or "",
                "yes" if r.mailable else "no",
                r.words,
            )
            for r in found
        ]
        table(("address", "name", "gets it", "why"), rows)
    else:
        say("Nobody.")


@audience.command()
def segments(context: typer.Context, newsletter: Newsletter = None, as_json: AsJson = False) -> None:
    """The segments there are, and how many of the newsletter's readers are in each."""
    from newsletter.audience.membership import count_members
    from newsletter.audience.segments import read_segments

    app = place(context).open()
    name, _ = app.workspace.newsletter(newsletter)
    found, problems = read_segments(app.workspace)
    with app.store.read() as connection:
        counts = [(segment, count_members(connection, segment, _view(app, name))) for segment in found]
    if as_json:
        rows = [{"segment": s.name, "title": s.title, **number} for s, number in counts]
        emit_json({"newsletter": name, "segments": rows, "problems": [str(problem) for problem in problems]})
    elif counts:
        shown = [(s.name, s.title, f"{n['audience']:,}", f"{n['mailable']:,}") for s, n in counts]
        table(("segment", "title", "in it", "would get it"), shown, right=(2, 3))
    elif not problems:
        say("There are no segments yet: segments/NAME.toml makes one.")
    if problems:
        if not as_json:
            for problem in problems:
                error_line(str(problem))
        raise typer.Exit(1)


def _view(app: App, newsletter: str) -> View:
    """The newsletter's audience as of now."""
    from newsletter.audience.segment_sql import View

    known = app.settings.newsletters
    return View(newsletter, known[newsletter], app.now(), known)


@audience.command()
def explain(
    context: typer.Context,
    email: Email,
    newsletter: Newsletter = None,
    readers_of: ReadersOf = None,
    as_json: AsJson = False,
) -> None:
    """Whether this reader would get the newsletter now, why, and what that rests on."""
    show_explanation(context, email, newsletter=newsletter, readers_of=readers_of, as_json=as_json)


def show_explanation(
    context: typer.Context, email: str, *, newsletter: str | None, readers_of: str | None = None, as_json: bool
) -> None:
    """The answer of `audience explain` and `subscriber show`."""
    from newsletter.audience.explain import explain as explain_reader
    from newsletter.sending.readers import only_readers

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    found = explain_reader(app.store, app.keys, email, newsletter=name, settings=settings, at=app.now())
    if readers_of is not None:
        with app.store.read() as connection:
            found = only_readers(connection, app.keys, found, readers_of)
    if as_json:
        emit_json(dataclasses.asdict(found))
        return
    verdict = "[green]gets[/green]" if found.mailable else "[red]does not get[/red]"
    say(f"{plain(found.address)} {verdict} {plain(settings.name)}: {plain(found.reason)}.")
    say(f"  {plain(found.evidence)}")
