"""`newsletter send` and `newsletter sends`: an issue goes out, and who got it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from newsletter.cli.approve import show_changed
from newsletter.cli.issue import AsJson, Issue, chosen
from newsletter.cli.meanwhile import listening, warnings_said
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import cli, group, place
from newsletter.cli.show import counted, emit_json, err, finding_json, plain, say, show_account, show_findings, table

if TYPE_CHECKING:
    from sqlalchemy import Row

    from newsletter.app import App
    from newsletter.sending.control import Doubt
    from newsletter.sending.order import Order
    from newsletter.sending.sends import Send

sends = group("sends", "What went out, to whom, and what is still open.")

SendId = Annotated[str, typer.Argument(metavar="SEND", help="A send's id, as `sends list` shows it.")]


@cli.command()
def send(
    context: typer.Context,
    issue: Issue = None,
    waive: Annotated[list[str] | None, typer.Option(help='RULE="reason": send although this rule objects.')] = None,
    rest: Annotated[bool, typer.Option("--rest", help="Only those who have not had the issue.")] = False,
    segment: Annotated[
        str | None, typer.Option(help="Only readers in this segment; the others later, by --rest.")
    ] = None,
    readers_of: Annotated[
        str | None, typer.Option(metavar="ISSUE", help="Only those who had that issue: a correction.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Prepare it and return: `newsletter run`, `clock` or workers send it.")
    ] = False,
    breaking: Annotated[bool, typer.Option("--breaking", help="Before all other sends; so many a day.")] = False,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Build, check and send an issue; goes on with an unfinished send of it."""
    from newsletter.sending.order import Order

    app = place(context).open()
    whom = {"rest": rest, "detach": detach, "breaking": breaking}
    order = Order(
        chosen(app, issue), person_named(as_), tuple(waive or ()), segment=segment, readers_of=readers_of, **whom
    )
    _fulfil(app, order, as_json=as_json)


def _fulfil(app: App, order: Order, *, as_json: bool) -> None:
    """Send and show what came of it; ends the command with its exit code."""
    from newsletter.sending.order import fulfil

    if not as_json:
        say(f"Issue [bold]{plain(order.issue)}[/bold]")
    beside = nullcontext() if order.detach else listening(app)
    with warnings_said(), progress_bar(shown=not as_json) as progress, beside:
        done = fulfil(app.store, app.workspace, app.keys, app.transport(), order, now=app.now, progress=progress)
    if done.findings and not as_json:
        show_findings(done.findings, done.waived)
    if done.report is None and as_json:
        approval = done.unapproved.as_json() if done.unapproved else None
        emit_json({"send": None, "findings": [finding_json(each) for each in done.findings], "approval": approval})
        raise typer.Exit(1)
    if done.unapproved is not None:
        say(f"[bold red]Not sent.[/bold red] {plain(done.unapproved.approval.in_words)}")
        show_changed(done.unapproved)
        raise typer.Exit(1)
    if done.report is None:
        say("Not sent: mend the errors above, or waive each by name with --waive RULE='why'.")
        raise typer.Exit(1)
    _show_report(done.report.as_dict(), as_json=as_json)
    raise typer.Exit(0 if done.report.settled or order.detach else 1)


@contextmanager
def progress_bar(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of readers handed over, on standard error; calls say (done, of all)."""
    columns = (TextColumn("handing over"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not shown) as bar:
        task = bar.add_task("", total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update


def _show_report(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(report)
        return
    reason = f" ({report['state_reason']})" if report.get("state_reason") else ""
    send, state = report["send"], report["state"]
    if report.get("parked_until"):
        until = datetime.fromisoformat(report["parked_until"])
        state, reason = f"held until {until:%d %B %H:%M} UTC", f": {report['state_reason']}"
    to = f" to segment {plain(report['segment'])}" if report.get("segment") else ""
    to += f" to those who had {plain(report['readers_of'])}" if report.get("readers_of") else ""
    say(f"Send [bold]{send}[/bold] of build {report['build'][:12]}{to}: {plain(state)}{plain(reason)}")
    show_account(report["account"], report["excluded_by"])
    for warning in report.get("warnings", ()):
        say(f"[yellow]{plain(warning)}[/yellow]")
    if report["account"]["uncertain"]:
        say(f"Some answers were lost. See who: newsletter sends uncertain {plain(send)}")
    if report["account"]["refused"]:
        say(f"Some were refused. See who, and why: newsletter sends refused {plain(send)}")
    if report.get("stopped") and state not in {"done", "cancelled"}:
        lift = f"newsletter stops lift {plain(report['stopped'])} --why 'what was done about it'"
        say(f"Newsletter {plain(report['stopped'])} is stopped: nothing of it goes on. Lift that first: {lift}")
    if report.get("obstacle"):
        say(f"[yellow]{plain(report['obstacle'])}[/yellow]")
    elif report.get("parked_until"):
        say(f"`newsletter run`, `clock` or a worker goes on by itself. Or now: newsletter sends resume {plain(send)}")
    elif state in {"paused", "held"}:
        say(f"It is not finished. Go on with: newsletter sends resume {plain(send)}")
    elif state in {"preparing", "sending"} and report.get("detached"):
        say("It goes on by itself while `newsletter run`, `newsletter clock` or a worker runs.")
    elif state in {"preparing", "sending"}:
        say(f"It is not finished. If no process is sending it, go on with: newsletter sends resume {plain(send)}")


@sends.command("list")
def list_sends(context: typer.Context, as_json: AsJson = False) -> None:
    """Every send, newest first."""
    from newsletter.sending.accounts import reports

    app = place(context).open()
    with app.store.read() as connection:
        found = reports(connection)
    if as_json:
        emit_json({"sends": found})
    elif found:
        rows = [
            (
                r["send"],
                r["issue"],
                r["state"],
                r["account"]["audience"],
                r["account"]["accepted"],
                r["account"]["uncertain"],
            )
            for r in found
        ]
        table(("send", "issue", "state", "audience", "accepted", "uncertain"), rows, right=(3, 4, 5))
    else:
        say("Nothing was sent yet.")


@sends.command("uncertain")
def list_uncertain(context: typer.Context, send: SendId, as_json: AsJson = False) -> None:
    """The readers whose answer was lost, by name."""
    from newsletter.sending.accounts import in_doubt

    app = _stock_taken(context, send)
    with app.store.read() as connection:
        found = in_doubt(connection, send)
    if as_json:
        emit_json({"send": send, "uncertain": [dict(row._mapping) for row in found]})
    elif found:
        _show_by_name(found)
        say("Settle them by events: newsletter sends settle")
        say(f"Or decide: newsletter sends resolve {plain(send)} --leave | --resend")
    else:
        say("Nobody is in doubt.")


@sends.command("refused")
def list_refused(context: typer.Context, send: SendId, as_json: AsJson = False) -> None:
    """The readers whom the provider would not take, by name, and what it said."""
    from newsletter.sending.accounts import turned_down

    app = _stock_taken(context, send)
    with app.store.read() as connection:
        found = turned_down(connection, send)
    if as_json:
        emit_json({"send": send, "refused": [dict(row._mapping) for row in found]})
    elif found:
        _show_by_name(found)
    else:
        say("Nobody was refused.")


def _show_by_name(rows: Sequence[Row[Any]]) -> None:
    table(("address", "why"), [(r.address or f"(erased reader {r.subscriber_id})", r.reason or "") for r in rows])


def _stock_taken(context: typer.Context, send: str) -> App:
    """The workspace's app, after seeing to what a killed process left in flight in this send."""
    from newsletter.sending.control import take_stock

    app = place(context).open()
    take_stock(app.store, app.workspace.locks, send, now=app.now())
    return app


@sends.command("settle")
def settle(context: typer.Context, as_json: AsJson = False) -> None:
    """Read the events that came back, and settle what they settle."""
    from newsletter.feedback.collect import collect

    app = place(context).open()
    found = collect(app.store, app.settings, app.keys, now=app.now)
    if as_json:
        emit_json(asdict(found))
    else:
        say(f"{counted(found.new, 'new event')}: {found.settled:,} in doubt settled, {found.suppressed:,} suppressed.")
        if found.held:
            say(f"{counted(found.held, 'send')} held by the breaker: newsletter sends list")


@sends.command("resolve")
def resolve(
    context: typer.Context,
    send: SendId,
    resend: Annotated[
        bool | None, typer.Option("--resend/--leave", help="Send them the issue again, or leave it so.")
    ] = None,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Decide about readers in doubt: some of those sent to again may get the issue twice."""
    from newsletter.sending.control import in_doubt_by_reason, resolve_uncertain

    app = _stock_taken(context, send)
    if resend is None:  # neither is the usual one: nobody should be led to a second mail by a message
        _show_doubts(send, in_doubt_by_reason(app.store, send), as_json=as_json)
        return
    choice: Literal["resend", "leave"] = "resend" if resend else "leave"
    number = resolve_uncertain(app.store, send, choice, person=person_named(as_), now=app.now())
    if as_json:
        emit_json({"send": send, "choice": choice, "readers": number})
    elif number == 0:
        _show_doubts(send, in_doubt_by_reason(app.store, send), as_json=False)
    elif resend:
        _say_pending_again(app, send, number)
    else:
        say(f"{counted(number, 'reader')} left in doubt, and listed as such.")


def _say_pending_again(app: App, send: str, number: int) -> None:
    """Who does the rest: a clock by itself, or whoever reads this."""
    from newsletter.sending.late import goes_on_by_itself
    from newsletter.sending.sends import get

    with app.store.read() as connection:
        found = get(connection, send)
    resume = f"newsletter sends resume {plain(send)}"
    if goes_on_by_itself(found):
        way = f"`newsletter run`, `clock` or a worker goes on by itself. Or now: {resume}"
    else:
        way = f"Nothing goes out to them by itself. Go on with: {resume}"
    say(f"{counted(number, 'reader')} pending again. {way}")


def _show_doubts(send: str, doubts: Sequence[Doubt], *, as_json: bool) -> None:
    """What is left to decide; ends the command with 1 while there is anything."""
    total, undecided = (sum(d.readers for d in found) for found in (doubts, [d for d in doubts if not d.decided]))
    if as_json:
        by_reason = [asdict(doubt) for doubt in doubts]
        emit_json({"send": send, "uncertain": total, "undecided": undecided, "by_reason": by_reason})
    elif doubts:
        rows = [(d.readers, _minute(d.first), _minute(d.last), d.reason) for d in doubts]
        table(("readers", "first", "last", "why"), rows, right=(0,))
        say("Settle them by events: newsletter sends settle")
        again = f"newsletter sends resolve {plain(send)}"
        if undecided:
            say(f"Or decide: {again} --leave (as it is), or {again} --resend (some may get the issue twice)")
        else:
            say(f"Nothing to decide: they stay listed so. Otherwise: {again} --resend (some may get the issue twice)")
    else:
        say("Nobody is in doubt: nothing to decide.")
    if undecided:
        raise typer.Exit(1)


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""


@sends.command("pause")
def pause(context: typer.Context, send: SendId, as_: AsPerson = None) -> None:
    """Stop a send after the batches under way; `sends resume` goes on with it."""
    from newsletter.sending.control import pause as pause_send

    done = pause_send(place(context).open().store, send, person=person_named(as_))
    say(f"Send {plain(done.id)}: {plain(done.state)}. Go on with: newsletter sends resume {plain(done.id)}")


@sends.command("resume")
def resume(context: typer.Context, send: SendId, as_: AsPerson = None, as_json: AsJson = False) -> None:
    """Go on with a send that was paused, held or killed, as `newsletter send ISSUE` does."""
    from newsletter.sending.accounts import report
    from newsletter.sending.control import resume as resume_send
    from newsletter.sending.order import Order

    app = place(context).open()
    found = resume_send(app.store, send)
    if not found.detached:
        _fulfil(app, Order(found.issue, person_named(as_)), as_json=as_json)
        return
    with app.store.read() as connection:
        shown = report(connection, send)
    _show_report(shown | {"obstacle": _obstacle(app, found)}, as_json=as_json)


@sends.command("cancel")
def cancel(context: typer.Context, send: SendId, as_: AsPerson = None) -> None:
    """End a send: whoever is still pending does not get it."""
    from newsletter.sending.control import cancel as cancel_send

    app = _stock_taken(context, send)
    done = cancel_send(app.store, send, person=person_named(as_), now=app.now())
    say(f"Send {plain(done.id)}: {plain(done.state)}.")


@sends.command("show")
def show_send(context: typer.Context, send: SendId, as_json: AsJson = False) -> None:
    """A send's account: everybody it was meant for, and where each of them stands."""
    from newsletter.feedback.breaker import warnings_of
    from newsletter.sending.accounts import report
    from newsletter.sending.sends import get
    from newsletter.sending.stops import open_stop

    app = _stock_taken(context, send)
    with app.store.read() as connection:
        current = get(connection, send)
        found = report(connection, send) | {"warnings": warnings_of(connection, send, app.settings)}
        found["stopped"] = current.newsletter if open_stop(connection, current.newsletter) else None
    _show_report(found | {"obstacle": _obstacle(app, current)}, as_json=as_json)


def _obstacle(app: App, send: Send) -> str | None:
    """Why an unfinished send cannot go on as the settings stand, and what to do."""
    from newsletter.errors import NewsletterError
    from newsletter.sending.ways import other_way

    if send.finished:
        return None
    try:
        app.workspace.newsletter(send.newsletter)
        return other_way(send, app.transport())
    except NewsletterError as error:
        return f"{error} Until then nothing of send {send.id} goes out."
