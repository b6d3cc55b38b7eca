"""`newsletter subscriber suppress | unsuppress | erase`: what only a person of the newsroom decides."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.person import AsPerson, person_named
from newsletter.cli.root import place
from newsletter.cli.show import counted, emit_json, plain, say
from newsletter.cli.subscriber import Email, subscribers

if TYPE_CHECKING:
    from newsletter.sending.erasure import Erased

Why = Annotated[str, typer.Option(help="Why; it is kept on record.")]
Only = Annotated[str | None, typer.Option("--newsletter", "-n", help="Only for this one (default: for all).")]


class Lifted(StrEnum):
    """What only a person lifts."""

    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard-bounce"
    MANUAL = "manual"


@subscribers.command()
def suppress(context: typer.Context, email: Email, why: Why, newsletter: Only = None, as_: AsPerson = None) -> None:
    """Never mail this address again, known or not, until a person lifts it."""
    from newsletter.audience.consent import EVERYWHERE, Suppressed
    from newsletter.audience.suppression import suppress_address

    app = place(context).open()
    scope = app.workspace.newsletter(newsletter)[0] if newsletter else EVERYWHERE
    new = suppress_address(
        app.store,
        app.keys,
        email,
        reason=Suppressed.MANUAL,
        scope=scope,
        why=why,
        actor=person_named(as_),
        now=app.now(),
    )
    what = "is on the suppression list" if new else "was on the suppression list already"
    say(f"{plain(email)} {what}, {_where(newsletter)}.")


@subscribers.command()
def unsuppress(
    context: typer.Context,
    email: Email,
    reason: Annotated[Lifted, typer.Option(help="Which suppression to lift.")],
    why: Why,
    newsletter: Only = None,
    as_: AsPerson = None,
) -> None:
    """Take an address off the suppression list. It makes no consent: she is mailed only if one is on record."""
    from newsletter.audience.consent import EVERYWHERE, Suppressed
    from newsletter.audience.suppression import lift_address

    app = place(context).open()
    scope = app.workspace.newsletter(newsletter)[0] if newsletter else EVERYWHERE
    lifted = lift_address(
        app.store,
        app.keys,
        email,
        reason=Suppressed(reason),
        scope=scope,
        why=why,
        actor=person_named(as_),
        now=app.now(),
    )
    if not lifted:
        say(f"{plain(email)} is not on the suppression list for {plain(reason)}, {_where(newsletter)}.")
        raise typer.Exit(1)
    say(f"{plain(email)} is no longer suppressed for {plain(reason)}, {_where(newsletter)}.")
    if app.settings.transport.kind == "ses":
        say("Amazon SES keeps a list of its own: take the address off that one too, or its mail is refused.")


@subscribers.command()
def erase(
    context: typer.Context,
    email: Email,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Erase a reader for good: an id and a keyed hash are left, and no import brings her back."""
    from newsletter.audience.addresses import printable
    from newsletter.errors import Refused
    from newsletter.sending.erasure import erase_reader

    app = place(context).open()
    if not yes:
        if not sys.stdin.isatty():
            raise Refused("Erasing cannot be undone. Say --yes to do it.")
        typer.confirm(f"Erase {printable(email)} for good?", abort=True)
    found = erase_reader(app.store, app.workspace, app.keys, address=email, actor=person_named(as_), now=app.now())
    if as_json:
        emit_json(found.as_json())
    else:
        _show_erased(found, ses=app.settings.transport.kind == "ses")
    raise typer.Exit(0 if found.complete else 1)


def _show_erased(found: Erased, *, ses: bool) -> None:
    notes = counted(found.events + found.mentions, "event or note", "events or notes")
    say(
        f"Erased reader {found.subscriber_id}: {counted(found.forgotten.withdrawn, 'consent')} ended, "
        f"{counted(found.forgotten.proofs, 'proof')}, {notes} "
        f"and {counted(found.files, 'mail')} deleted; left out of {counted(found.excluded, 'send')} under way."
    )
    if found.in_flight:
        mails = counted(found.in_flight, "mail")
        say(f"[yellow]{mails} to her were in flight and stay so. Erase her again once they are settled.[/yellow]")
    for file in found.files_left:
        say(f"[red]{plain(file)} could not be removed.[/red] Remove it, or mend its permissions and erase her again.")
    if not found.folded:
        say("[red]Another process reads the database, so its journal still holds her.[/red] Erase her again later.")
    say("Not touched: backups, files she was imported from" + (", Amazon SES's own suppression list." if ses else "."))


def _where(newsletter: str | None) -> str:
    return f"for {plain(newsletter)}" if newsletter else "for all newsletters"
