"""`newsletter question`: what the newsroom asked, answered, and still owes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, err, plain, say, table
from newsletter.errors import NotFound

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.editorial.register import Question, Register

questions = group("question", "What issues asked, what was answered, and what is still owed.")

Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Only this one's.")]


class Only(StrEnum):
    """Which questions to list."""

    OPEN = "open"
    OVERDUE = "overdue"
    ANSWERED = "answered"


@questions.command("list")
def list_questions(
    context: typer.Context,
    only: Annotated[Only | None, typer.Option(help="open (the newsroom owes something), overdue, or answered.")] = None,
    newsletter: Newsletter = None,
    as_json: AsJson = False,
) -> None:
    """Every question any issue asked: how old, where it was asked, where answered."""
    found = _register(place(context).open(), newsletter)
    chosen = [question for question in found.questions if _is(question, only)]
    if as_json:
        emit_json({"questions": [question.as_json() for question in chosen], "unreadable": list(found.unreadable)})
        return
    for problem in found.unreadable:
        err.print(f"[yellow]not read[/yellow] {plain(problem)}")
    if not chosen:
        say("No such questions." if only else "No issue has asked anything yet: a story asks with [[asks]].")
        return
    table(
        ("question", "", "asked in", "answered in", "status", "age"),
        [(q.id, q.question, q.asked_in, q.answered_in or "", _standing(q), counted(q.age_days, "day")) for q in chosen],
        right=(5,),
    )


@questions.command()
def show(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Its id.")],
    newsletter: Newsletter = None,
    as_json: AsJson = False,
) -> None:
    """One question: who asked it, and every answer since."""
    from newsletter.documents import did_you_mean

    register = _register(place(context).open(), newsletter)
    found = register.find(question)
    if not found:
        known = {entry.id for entry in register.questions}
        raise NotFound(f"No issue asks the question `{question}`. {did_you_mean(question, known)}".rstrip())
    if as_json:
        emit_json({"questions": [{**q.as_json(), "answers": [_answer_json(a) for a in q.answers]} for q in found]})
        return
    for entry in found:
        _show(entry)


def _show(entry: Question) -> None:
    say(f"[bold]{plain(entry.question)}[/bold]  {plain(_standing(entry))}")
    when = f"on {entry.asked_on:%Y-%m-%d}" if entry.asked_on else "not sent yet"
    say(f"  asked in {plain(entry.asked_in)}, {when}, by {plain(entry.story)}")
    if entry.promised_by:
        say(f"  an answer was promised by {entry.promised_by:%Y-%m-%d}")
    for answer in entry.answers:
        say(f"  {answer.day:%Y-%m-%d} {plain(answer.status)} in {plain(answer.issue)}: {plain(answer.text or '…')}")


def _register(app: App, newsletter: str | None) -> Register:
    from newsletter.editorial.library import Library
    from newsletter.editorial.refresh import up_to_date
    from newsletter.editorial.register import read_register
    from newsletter.editorial.sent import read_sent

    name = app.workspace.newsletter(newsletter)[0] if newsletter else None
    chosen = {key: each for key, each in app.settings.newsletters.items() if name in (None, key)}
    today = {key: app.now().astimezone(each.zone).date() for key, each in chosen.items()}
    library = Library(app.workspace.issues)
    with up_to_date(app.store, library) as index:
        sent = {key: read_sent(index.connection, key, each.zone) for key, each in chosen.items()}
        return read_register(library, index, sent, today)


def _is(question: Question, only: Only | None) -> bool:
    from newsletter.editorial.register import CLOSED, PLANNED

    if only is Only.OVERDUE:
        return question.overdue
    if only is Only.OPEN:
        return question.status not in CLOSED and question.status != PLANNED
    return only is None or question.status in CLOSED


def _standing(question: Question) -> str:
    words = question.status.replace("-", " ")
    return f"{words}, overdue" if question.overdue else words


def _answer_json(answer: object) -> dict[str, object]:
    from dataclasses import asdict

    found = asdict(answer)  # type: ignore[call-overload]
    return {**found, "day": found["day"].isoformat()}
