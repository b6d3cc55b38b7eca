"""When issues go out: `newsletter schedule ISSUE`, and `newsletter schedules` for what is set and the rhythm."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.approve import Waive, show_changed
from newsletter.cli.issue import AsJson, Issue, chosen, say_if_stale
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import cli, group, place
from newsletter.cli.show import emit_json, err, finding_json, plain, say, show_findings, table
from newsletter.errors import InputError, Place, Problem

if TYPE_CHECKING:
    from datetime import date

    from newsletter.app import App
    from newsletter.sending.planning import Planned
    from newsletter.sending.rhythm import Occurrence
    from newsletter.sending.schedule import Schedule

schedules = group("schedules", "What goes out when: the schedules that are set, and each newsletter's rhythm.")

Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Default: the only one.")]


@cli.command()
def schedule(
    context: typer.Context,
    issue: Issue = None,
    at: Annotated[
        str | None, typer.Option(help='"2024-10-10 06:30", or "06:30" on its date (default: by the rhythm).')
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Of that time (default: the newsletter's).")] = None,
    done_by: Annotated[bool, typer.Option("--done-by", help="The last reader should have it by then.")] = False,
    late_minutes: Annotated[int | None, typer.Option(help="Hold it when it is later (default: as set).", min=0)] = None,
    breaking: Annotated[bool, typer.Option("--breaking", help="Before all other sends.")] = False,
    segment: Annotated[str | None, typer.Option(help="Only readers in this segment.")] = None,
    readers_of: Annotated[
        str | None, typer.Option(metavar="ISSUE", help="Only those who had that issue: a correction.")
    ] = None,
    rest: Annotated[bool, typer.Option("--rest", help="Only those who have not had the issue.")] = False,
    waive: Waive = None,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Build, check and approve an issue, and let that build go out at its hour; files are not read then."""
    from newsletter.sending.planning import Plan, plan

    app = place(context).open()
    name = chosen(app, issue)
    say_if_stale(app, name, shown=not as_json)
    wanted = Plan(
        name,
        person_named(as_),
        at=at,
        zone=zone,
        done_by=done_by,
        late_minutes=late_minutes,
        waive=tuple(waive or ()),
        breaking=breaking,
        rest=rest,
        segment=segment,
        readers_of=readers_of,
    )
    planned = plan(app.store, app.workspace, app.transport(), wanted, now=app.now())
    if as_json:
        emit_json(_planned_json(name, planned))
    else:
        _show(app, planned)
    raise typer.Exit(0 if planned.schedule is not None else 1)


def _show(app: App, planned: Planned) -> None:
    show_findings(planned.findings, planned.waived)
    if planned.unapproved is not None:
        say(f"[bold red]Not scheduled.[/bold red] {plain(planned.unapproved.approval.in_words)}")
        show_changed(planned.unapproved)
        return
    made = planned.schedule
    if made is None:
        say("Not scheduled: mend the errors above, or waive each by name with --waive RULE='why'.")
        return
    say(f"Issue [bold]{plain(made.issue)}[/bold], build [bold]{made.build[:12]}[/bold]: {plain(made.in_words)}")
    if planned.forecast is not None:
        begins = "it should have begun already: it begins at once" if planned.at_once else f"it begins {_both(made)}"
        say(f"{planned.forecast.in_words} {begins}")
        if planned.forecast.warning:
            err.print(f"[yellow]warning[/yellow] {plain(planned.forecast.warning)}")
    else:
        say(f"It begins {_both(made)}")
    _say_clocks(made.set_for)
    if planned.replaced is not None:
        was = planned.replaced
        say(f"In place of build {was.build[:12]}, which was set for {plain(was.in_words)}.")
    _show_rhythm(app, made.newsletter)
    say("It goes out while `newsletter run` or `newsletter clock` runs.")


def _both(made: Schedule) -> str:
    """`06:05 on 2024-10-10 (10:05 UTC)`"""
    from zoneinfo import ZoneInfo

    there = made.due_at.astimezone(ZoneInfo(made.zone))
    return f"{there:%H:%M} on {there:%Y-%m-%d} ({made.due_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC)."


def _say_clocks(set_for: Occurrence) -> None:
    from newsletter.sending.rhythm import clock_change_near

    if words := clock_change_near(set_for):
        say(f"[yellow]{plain(words[0].upper() + words[1:])}.[/yellow]")


def _show_rhythm(app: App, newsletter: str) -> None:
    from newsletter.sending.planning import coming

    if app.settings.newsletters[newsletter].rhythm is not None:
        rhythm, found = coming(app.store, app.workspace, newsletter, now=app.now())
        say("")
        say(f"The next of {plain(newsletter)}, {plain(rhythm.in_words)}:")
        _show_next(found)


def _show_next(found: list[Occurrence]) -> None:
    from newsletter.sending.rhythm import clock_change_near

    rows = [(f"{o.local:%a %Y-%m-%d %H:%M}", f"{o.at:%Y-%m-%d %H:%M}", clock_change_near(o)) for o in found]
    table(("there", "UTC", ""), rows)


@schedules.command("next")
def next_(
    context: typer.Context,
    newsletter: Annotated[str | None, typer.Argument(metavar="NEWSLETTER", help="Default: the only one.")] = None,
    as_json: AsJson = False,
) -> None:
    """A newsletter's rhythm, and the next five times it goes out."""
    from newsletter.sending.planning import coming

    app = place(context).open()
    rhythm, found = coming(app.store, app.workspace, newsletter, now=app.now())
    if as_json:
        emit_json({"newsletter": rhythm.newsletter, "rhythm": rhythm.in_words, "next": [_next_json(o) for o in found]})
        return
    say(f"{plain(rhythm.newsletter)}: {plain(rhythm.in_words)}")
    _show_next(found)


@schedules.command("list")
def list_schedules(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those that are over as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """What waits for its hour, and what is held, with the reason."""
    from newsletter.sending.schedule import all_schedules, open_schedules

    app = place(context).open()
    with app.store.read() as connection:
        found = all_schedules(connection) if every else open_schedules(connection)
    if as_json:
        emit_json({"schedules": [_json(one) for one in found]})
        return
    if not found:
        say("Nothing is scheduled. Schedule an issue with: newsletter schedule ISSUE")
        return
    rows = [(s.issue, s.in_words, f"{s.due_at:%Y-%m-%d %H:%M}", s.state, s.build[:12], s.person) for s in found]
    table(("issue", "set for", "begins (UTC)", "state", "build", "by"), rows)
    for one in found:
        if one.reason:
            say(f"{plain(one.issue)}, set for {plain(one.in_words)}: {plain(one.state)}: {plain(one.reason)}")


@schedules.command("cancel")
def cancel(context: typer.Context, issue: Issue = None, as_: AsPerson = None) -> None:
    """Take an issue's schedule back: it does not go out by itself."""
    from newsletter.sending.schedule import cancel as cancel_schedule

    app = place(context).open()
    done = cancel_schedule(app.store, chosen(app, issue), person=person_named(as_))
    say(f"Issue {plain(done.issue)} is not scheduled any more; it was set for {plain(done.in_words)}.")


@schedules.command("skip")
def skip(
    context: typer.Context,
    day: Annotated[str, typer.Argument(metavar="DATE", help="Such as 2024-12-24.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Let it go out that day after all.")] = False,
    newsletter: Newsletter = None,
    as_: AsPerson = None,
) -> None:
    """Let a newsletter's rhythm rest on one day."""
    from newsletter.sending.schedule import open_schedules, unskip
    from newsletter.sending.schedule import skip as skip_day

    app = place(context).open()
    name, _ = app.workspace.newsletter(newsletter)
    chosen_day = _day(day)
    with app.store.write() as connection:
        if undo:
            was = unskip(connection, name, chosen_day)
        else:
            skip_day(connection, name, chosen_day, reason=reason, person=person_named(as_), now=app.now())
        waiting = [s for s in open_schedules(connection) if s.newsletter == name and s.set_for.day == chosen_day]
    if undo:
        say(
            f"{plain(name)} {'goes out on' if was else 'was not to rest on'} {chosen_day:%A}, {chosen_day.isoformat()}."
        )
        return
    say(f"{plain(name)} rests on {chosen_day:%A}, {chosen_day.isoformat()}.")
    for one in waiting:
        say(f"Issue {plain(one.issue)} is scheduled for that day and goes out all the same; or take it back with:")
        say(f"  newsletter schedules cancel {plain(one.issue)}")


def _day(written: str) -> date:
    from datetime import date

    try:
        return date.fromisoformat(written.strip())
    except ValueError:
        problem = Problem(Place("DATE"), f"“{written.strip()[:20]}” is no day.", "Write it as 2024-12-24.")
        raise InputError([problem]) from None


def _planned_json(issue: str, planned: Planned) -> dict[str, Any]:
    found: dict[str, Any] = {
        "issue": issue,
        "schedule": _json(planned.schedule) if planned.schedule else None,
        "replaced": planned.replaced.id if planned.replaced else None,
        "at_once": planned.at_once,
        "approval": planned.unapproved.as_json() if planned.unapproved else None,
        "findings": [finding_json(finding) for finding in planned.findings],
    }
    if planned.forecast is not None:
        forecast = planned.forecast
        minutes = int(forecast.takes.total_seconds() // 60)
        found["forecast"] = {"readers": forecast.readers, "rate": forecast.rate, "minutes": minutes}
    return found


def _json(one: Schedule) -> dict[str, object]:
    def iso(at: datetime | None) -> str | None:
        return at.isoformat() if at else None

    return {
        "schedule": one.id,
        "issue": one.issue,
        "newsletter": one.newsletter,
        "build": one.build,
        "state": str(one.state),
        "state_reason": one.reason,
        "local": one.local_at,
        "zone": one.zone,
        "done_by": one.done_by,
        "due_at": iso(one.due_at),
        "late_until": iso(one.late_until),
        "breaking": one.priority > 0,
        "segment": one.segment,
        "readers_of": one.readers_of,
        "rest": one.rest,
        "person": one.person,
        "send": one.send_id,
    }


def _next_json(found: Occurrence) -> dict[str, str]:
    from newsletter.sending.rhythm import clock_change_near

    local = found.local.isoformat(timespec="minutes")
    return {"local": local, "zone": found.zone, "at": found.at.isoformat(), "clocks": clock_change_near(found)}
