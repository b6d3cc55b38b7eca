"""The verbs of a correction: put on record, shown in the archive at once, and made into an issue of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, select

from newsletter.config import Workspace
from newsletter.documents import did_you_mean
from newsletter.editorial.corrections import Correction, carried_in, corrections_of, put_down
from newsletter.editorial.starting import start_correction
from newsletter.errors import Refused
from newsletter.rendering.build import Build
from newsletter.rendering.freeze import load_build
from newsletter.sending.archive import touch
from newsletter.sending.correction_phrases import opening
from newsletter.sending.correction_words import fit_words, stands_in
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.tables import archive

__all__ = ["Correction", "add_correction", "correction_issue", "record", "said_in"]


def add_correction(store: Store, issue: str, *, was: str, is_: str, person: str, now: datetime) -> Correction:
    """Put a mistake and what is right on record. Raises InputError, and Refused for what never went out."""
    was, is_ = fit_words(was=was, is_=is_)
    with store.write() as connection:
        _sent(connection, issue)
        made = put_down(connection, issue, was=was, is_=is_, person=person, now=now)
        touch(connection, issue)
        return made


def said_in(store: Store, workspace: Workspace, correction: Correction) -> bool:
    """Whether its issue, as it went out, holds the words that were wrong; if not, perhaps they are mistyped."""
    with store.read() as connection:
        sent = _sent(connection, correction.issue)
    build = load_build(store, sent.build)
    return stands_in(build, correction.was, lang=_lang(build, workspace.newsletter(sent.newsletter)[1]))


def record(store: Store, issue: str | None = None) -> list[tuple[Correction, str | None]]:
    """The corrections on record, each with the issue that carried it first. Raises Refused for what never went out."""
    with store.read() as connection:
        if issue is not None:
            _sent(connection, issue)
        found = corrections_of(connection, None if issue is None else [issue])
        carried = carried_in(connection, found)
    return [(each, carried.get(each.id)) for each in found]


def correction_issue(store: Store, workspace: Workspace, issue: str, *, name: str | None, now: datetime) -> Path:
    """Make an issue of what is wrong in that one: of what waits, or else of all. Raises Refused."""
    known = record(store, issue)
    with store.read() as connection:
        sent = _sent(connection, issue)
    if not known:
        raise Refused(f"No correction of issue {issue} is on record. Add one: newsletter correction add {issue} …")
    found = [each for each, carried in known if carried is None] or [each for each, _ in known]
    _, settings = workspace.newsletter(sent.newsletter)
    day = now.astimezone(settings.zone).date()
    lang = _lang(load_build(store, sent.build), settings)
    return start_correction(
        workspace.issues,
        name or _free_name(workspace, issue, gone=[carried for _, carried in known if carried]),
        newsletter=sent.newsletter,
        day=day,
        readers_of=issue,
        corrections=found,
        lang=lang if lang != settings.lang else None,
        words=asdict(opening(lang, sent.date, beside=day)),
    )


def _lang(build: Build, settings: NewsletterSettings) -> str:
    """The language readers had it in."""
    return str(build.manifest.get("settings", {}).get("lang") or settings.lang)


def _free_name(workspace: Workspace, issue: str, *, gone: Sequence[str]) -> str:
    """`2024-10-09-correction`; with a number when that went out already."""
    names = (f"{issue}-correction{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(name for name in names if name not in gone)


class _Sent(NamedTuple):
    """An issue that went out, as it stands in the archive."""

    newsletter: str
    date: date
    build: str


def _sent(connection: Connection, issue: str) -> _Sent:
    """Raises Refused for what never went out."""
    table = archive.c
    found = connection.execute(select(table.newsletter, table.date, table.build).where(table.issue == issue))
    row = found.one_or_none()
    if row is None:
        near = did_you_mean(issue, set(connection.scalars(select(archive.c.issue))))
        raise Refused(
            f"Issue {issue} has not gone out, so there is nothing to put right but its files. {near}".rstrip()
        )
    return _Sent(*row)
