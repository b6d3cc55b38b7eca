"""The verbs of a correction: put on record, shown in the archive at once, and made into an issue of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import count
from pathlib import Path

from sqlalchemy import Connection, select

from newsletter.config import Workspace
from newsletter.documents import did_you_mean
from newsletter.editorial.corrections import Correction, carried_in, corrections_of, put_down
from newsletter.editorial.starting import start_correction
from newsletter.errors import InputError, Place, Problem, Refused
from newsletter.rendering.dates import short_date
from newsletter.sending.archive import touch
from newsletter.store.engine import Store
from newsletter.store.tables import archive

__all__ = ["Correction", "add_correction", "correction_issue", "record"]


def add_correction(store: Store, issue: str, *, was: str, is_: str, person: str, now: datetime) -> Correction:
    """Put a mistake and what is right on record. Raises InputError, and Refused for what never went out."""
    for option, text in (("--was", was), ("--is", is_)):
        if not text.strip():
            remedy = "Write what the issue said, and what is right."
            raise InputError([Problem(Place(option), "it says nothing.", remedy)])
    with store.write() as connection:
        _sent(connection, issue)
        made = put_down(connection, issue, was=was, is_=is_, person=person, now=now)
        touch(connection, issue)
        return made


def record(store: Store, issue: str | None = None) -> list[tuple[Correction, str | None]]:
    """The corrections on record, each with the issue that carried it first."""
    with store.read() as connection:
        found = corrections_of(connection, None if issue is None else [issue])
        carried = carried_in(connection, found)
    return [(each, carried.get(each.id)) for each in found]


def correction_issue(store: Store, workspace: Workspace, issue: str, *, name: str | None, now: datetime) -> Path:
    """Make an issue of what is wrong in that one: of what waits, or else of all. Raises Refused."""
    known = record(store, issue)
    with store.read() as connection:
        newsletter, dated = _sent(connection, issue)
    if not known:
        raise Refused(f"No correction of issue {issue} is on record. Add one: newsletter correction add {issue} …")
    found = [each for each, carried in known if carried is None] or [each for each, _ in known]
    _, settings = workspace.newsletter(newsletter)
    day = now.astimezone(settings.zone).date()
    return start_correction(
        workspace.issues,
        name or _free_name(workspace, issue, gone=[carried for _, carried in known if carried]),
        newsletter=newsletter,
        day=day,
        corrections=found,
        said_on=short_date(dated, "en", beside=day),
    )


def _free_name(workspace: Workspace, issue: str, *, gone: Sequence[str]) -> str:
    """`2024-10-09-correction`; with a number when that went out already."""
    names = (f"{issue}-correction{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(name for name in names if name not in gone)


def _sent(connection: Connection, issue: str) -> tuple[str, date]:
    """The newsletter and the date of an issue that went out."""
    found = connection.execute(select(archive.c.newsletter, archive.c.date).where(archive.c.issue == issue))
    row = found.one_or_none()
    if row is None:
        near = did_you_mean(issue, set(connection.scalars(select(archive.c.issue))))
        raise Refused(
            f"Issue {issue} has not gone out, so there is nothing to put right but its files. {near}".rstrip()
        )
    return row.newsletter, row.date
