"""`newsletter consent`: a reader's ledger and its proof; versions of the privacy policy, and who is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.issue import AsJson
from newsletter.cli.root import group, place
from newsletter.cli.show import counted, emit_json, plain, say, table

consent = group("consent", "What readers agreed to, as it is on record.")

Email = Annotated[str, typer.Argument(metavar="EMAIL")]
Newsletter = Annotated[str | None, typer.Option("--newsletter", "-n", help="Which one (default: the only one).")]


@consent.command()
def show(context: typer.Context, email: Email, as_json: AsJson = False) -> None:
    """Everything on record about a reader's consent, oldest first, and the text she agreed to last."""
    from newsletter.audience.timeline import last_agreed, timeline

    app = place(context).open()
    found = timeline(app.store, app.keys, email, newsletters=app.settings.newsletters)
    text = last_agreed(app.store, app.keys, email)
    if as_json:
        entries = [{"at": m.at.isoformat(), "newsletter": m.newsletter, "what": m.words} for m in found]
        emit_json({"address": email, "entries": entries, "wording": text})
        return
    if not found:
        say(f"Nothing is on record about {plain(email)}.")
        return
    say(f"[bold]{plain(email)}[/bold]")
    rows, before = [], ""
    for moment in found:
        day = f"{moment.at:%Y-%m-%d}"
        rows.append((day if day != before else "", f"{moment.at:%H:%M}", moment.newsletter, moment.words))
        before = day
    table(("day", "UTC", "newsletter", "what"), rows)
    if text:
        say(f"She agreed to: “{plain(text)}”")


@consent.command()
def export(
    context: typer.Context,
    email: Email,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path(),
) -> None:
    """Write the proof of a reader's consents: as JSON, and as a page to print."""
    from newsletter.audience.dossier import dossier, write_dossier

    app = place(context).open()
    found = dossier(app.store, app.keys, email, newsletters=app.settings.newsletters, at=app.now())
    for file in write_dossier(found, out):
        say(f"Wrote {plain(file)}")
    say("They hold personal data: hand them over with care, and delete them after.")


@consent.command()
def policies(context: typer.Context, newsletter: Newsletter = None, as_json: AsJson = False) -> None:
    """The versions of the privacy policy, and how many readers were told of each or still owe their yes."""
    from newsletter.audience.notices import standings

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    with app.store.read() as connection:
        found = standings(connection, name, settings, now=app.now())
    if as_json:
        rows = [
            {**s.policy.model_dump(mode="json"), "told": s.told, "on_their_way": s.on_their_way, "owing": s.owing}
            for s in found
        ]
        emit_json({"newsletter": name, "policies": rows})
        return
    if not found:
        say(f"{plain(settings.name)} names no policies in config.toml.")
        return
    table(
        ("version", "from", "change", "told", "on their way", "owe their yes", "summary"),
        [
            (
                s.policy.version,
                s.policy.effective,
                s.policy.change,
                f"{s.told:,}",
                f"{s.on_their_way:,}",
                f"{s.owing:,}" if s.policy.change == "reconsent" else "",
                s.policy.summary,
            )
            for s in found
        ],
        right=(3, 4, 5),
    )


@consent.command()
def notify(
    context: typer.Context,
    newsletter: Newsletter = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many it concerns; queue nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell readers of the newest version of the privacy policy, once each; where it asks for a new yes, ask for it."""
    from dataclasses import asdict

    from newsletter.audience.notices import owe_notices

    app = place(context).open()
    name, settings = app.workspace.newsletter(newsletter)
    with app.store.read() if dry_run else app.store.write() as connection:
        found = owe_notices(connection, name, settings, now=app.now(), dry_run=dry_run)
    if as_json:
        emit_json({"newsletter": name, "notices": asdict(found) if found else None})
    elif found is None:
        say(f"{plain(settings.name)} has no version of its policy that readers must be told of.")
    else:
        queued = f"{found.queued:,} would be queued" if dry_run else f"{found.queued:,} queued"
        say(
            f"Policy {plain(found.version)} concerns {counted(found.concerned, 'reader')}: "
            f"{found.told:,} told or queued before, {queued}."
        )
        if found.queued and not dry_run:
            say("They go out with `newsletter run`.")
