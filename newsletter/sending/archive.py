"""The archive: every issue that any reader was handed, as its newest build, and how issues hang together.

An issue is published in the transaction that writes down its first hand-over, so the archive never shows what nobody
got, nor misses what somebody did. Everything here follows from the sends and the builds' facts: publishing again
changes nothing. The only writer of `archive` and `archive_links`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, literal, select, tuple_, update

from newsletter.editorial.corrections import CORRECTS, carried_in, corrections_of
from newsletter.rendering.words import bare_words
from newsletter.sending.sends import Send, of_issue
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.tables import archive, archive_links, build_files, corrections, sends
from newsletter.store.upsert import upsert
from newsletter.transports.fields import Place, archive_values, fill

ANSWERS, FOLLOWS = "answers", "follows"
_AT_ONCE = 100  # issues in one transaction: senders wait for the lock meanwhile
_ORDER = (archive.c.date, archive.c.published_at, archive.c.issue)


@dataclass(frozen=True)
class Archived:
    """An issue in the archive. Its subject and preheader are plain words without any reader's fields."""

    issue: str
    newsletter: str
    build: str
    date: date
    subject: str
    preheader: str
    published_at: datetime
    updated_at: datetime  # its newest build went out, or a correction of it did


@dataclass(frozen=True)
class Note:
    """What a later issue says about an earlier one."""

    about: str  # the earlier issue
    issue: str  # the later one; "" for a correction that no issue has carried yet
    date: date  # of the later one, or the day the correction was made
    kind: str  # answers | corrects | follows
    words: Mapping[str, Any]


# -- publishing -------------------------------------------------------------------------------------------------------


def publish(connection: Connection, send: Send) -> None:
    """Show the issue of a send that was handed over to somebody; without one nothing happens."""
    _put(connection, send.issue)


def refresh(store: Store) -> None:
    """Publish whatever went out and is missing, such as all that was sent before there was an archive."""
    query = select(sends.c.issue).where(
        sends.c.first_handover_at.is_not(None), sends.c.issue.not_in(select(archive.c.issue))
    )
    query = query.group_by(sends.c.issue).order_by(func.min(sends.c.first_handover_at))
    with store.read() as connection:
        missing = list(connection.scalars(query))
    for start in range(0, len(missing), _AT_ONCE):
        with store.write() as connection:
            for issue in missing[start : start + _AT_ONCE]:
                _put(connection, issue)


def touch(connection: Connection, issue: str) -> None:
    """A correction of it is on record: its page and its entry in the feed have changed."""
    changed = update(archive).where(archive.c.issue == issue)
    connection.execute(changed.values(updated_at=_last_said(connection, issue)))


def _put(connection: Connection, issue: str) -> None:
    handed_over = [(send.first_handover_at, send) for send in of_issue(connection, issue) if send.first_handover_at]
    if not handed_over:
        return
    handed_over.sort(key=lambda found: (found[0], found[1].id))
    send = handed_over[-1][1]
    files = _files(connection, send.build)
    manifest = json.loads(files["manifest.json"])
    row = {
        "newsletter": send.newsletter,
        "build": send.build,
        "date": date.fromisoformat(manifest["date"]),
        "subject": _line(files.get("subject.txt", b"")),
        "preheader": _line(files.get("preheader.txt", b"")),
        "published_at": handed_over[0][0],
        "updated_at": _last_said(connection, issue),
    }
    upsert(connection, archive, {"issue": issue, **row}, key=["issue"], changes=row)
    lang = (manifest.get("settings") or {}).get("lang") or "en"
    _link(connection, issue, list(_links(manifest.get("facts") or {}, issue, lang)))


def _files(connection: Connection, build: str) -> dict[str, bytes]:
    wanted = ("manifest.json", "subject.txt", "preheader.txt")
    query = select(build_files.c.path, build_files.c.data).where(build_files.c.build == build)
    return {row.path: row.data for row in connection.execute(query.where(build_files.c.path.in_(wanted)))}


def _line(written: bytes) -> str:
    """A line of the mail as it reads without a reader. It is no Markdown."""
    return " ".join(fill(written.decode(), archive_values(), Place.TEXT).split())


def _last_said(connection: Connection, issue: str) -> datetime | None:
    """When an issue last became another: its newest build went out, or a correction of it was made or did."""
    links = archive_links.c
    correcting = select(links.from_issue).where(links.to_issue == issue, links.kind == CORRECTS)
    said_by = [issue, *connection.scalars(correcting)]
    query = select(func.max(sends.c.first_handover_at)).where(sends.c.issue.in_(said_by))
    noted = select(func.max(corrections.c.at)).where(corrections.c.issue == issue)
    moments = (connection.scalar(query), connection.scalar(noted))
    return max((at for at in moments if at is not None), default=None)


def _links(facts: Mapping[str, Any], issue: str, lang: str) -> Iterator[dict[str, str]]:
    """What an issue says about earlier ones."""
    for said in facts.get("follow_ups", ()):
        if said["asked_in"] and said["asked_in"] != issue:
            words = {"question": bare_words(said.get("asked", ""), lang=lang), "status": said["status"]}
            yield {"to_issue": said["asked_in"], "kind": ANSWERS, "words": json.dumps(words)}
    for polled in facts.get("poll_follow_ups", ()):
        words = {"question": bare_words(polled["question"], lang=lang), "status": "answered"}
        yield {"to_issue": polled["asked_in"], "kind": ANSWERS, "words": json.dumps(words)}
    told: dict[tuple[str, str], dict[str, str]] = {}
    for link in facts.get("follows", ()):
        told[link["issue"], link["earlier"]] = {"title": link["title"], "earlier": link["earlier_title"]}
    for each in facts.get("previously", ()):
        if "title" in each:
            told.setdefault((each["issue"], each["story"]), {"title": "", "earlier": each["title"]})
    for (other, _), titles in told.items():
        if other != issue:
            words = {name: bare_words(title, lang=lang) for name, title in titles.items()}
            yield {"to_issue": other, "kind": FOLLOWS, "words": json.dumps(words)}
    for said in facts.get("corrections", ()):
        words = {"was": bare_words(said["was"], lang=lang), "is": bare_words(said["is"], lang=lang)}
        yield {"to_issue": said["issue"], "kind": CORRECTS, "words": json.dumps(words)}


def _link(connection: Connection, issue: str, links: list[dict[str, str]]) -> None:
    """Write down an issue's links in place of those of its build before, and touch what they correct."""
    ours = archive_links.c.from_issue == issue
    before = connection.execute(select(archive_links.c.to_issue, archive_links.c.kind).where(ours)).all()
    if before:
        connection.execute(delete(archive_links).where(ours))
    if links:
        connection.execute(insert(archive_links), [{"from_issue": issue, **link} for link in links])
    corrected = {row.to_issue for row in before if row.kind == CORRECTS}
    corrected |= {link["to_issue"] for link in links if link["kind"] == CORRECTS}
    for other in sorted(corrected):
        touch(connection, other)


# -- reading ----------------------------------------------------------------------------------------------------------


def archived(connection: Connection, newsletter: str, issue: str) -> Archived | None:
    """One issue, or None while it has not gone out."""
    return _one(connection, select(archive).where(archive.c.newsletter == newsletter, archive.c.issue == issue))


def newest_first(connection: Connection, newsletter: str, *, limit: int, skip: int = 0) -> list[Archived]:
    """A newsletter's issues, the newest first."""
    query = _newest_first(newsletter).limit(limit).offset(skip)
    return [Archived(**row._mapping) for row in connection.execute(query)]


def number_of_issues(connection: Connection, newsletter: str) -> int:
    """How many issues of a newsletter went out."""
    return connection.scalar(select(func.count()).where(archive.c.newsletter == newsletter)) or 0


def latest_issue(connection: Connection, newsletter: str) -> str | None:
    """The newest issue of a newsletter, or None before the first."""
    found = _one(connection, _newest_first(newsletter).limit(1))
    return found.issue if found else None


def neighbours(connection: Connection, shown: Archived) -> tuple[Archived | None, Archived | None]:
    """The issue before this one, and the one after."""
    here = tuple_(literal(shown.date), literal(shown.published_at, archive.c.published_at.type), literal(shown.issue))
    ours = select(archive).where(archive.c.newsletter == shown.newsletter)
    before = ours.where(tuple_(*_ORDER) < here).order_by(*(column.desc() for column in _ORDER))
    after = ours.where(tuple_(*_ORDER) > here).order_by(*_ORDER)
    return _one(connection, before.limit(1)), _one(connection, after.limit(1))


def notes_about(connection: Connection, issues: Collection[str]) -> list[Note]:
    """What later issues said of these, the earliest first."""
    table = archive_links.c
    query = select(table.to_issue, table.from_issue, archive.c.date, table.kind, table.words)
    query = query.join(archive, archive.c.issue == table.from_issue).where(table.to_issue.in_(issues))
    rows = connection.execute(query.order_by(archive.c.published_at, table.id))
    return [Note(about, issue, day, kind, json.loads(words)) for about, issue, day, kind, words in rows]


def notes_waiting(connection: Connection, issues: Collection[str], settings: NewsletterSettings) -> list[Note]:
    """The corrections of these that no issue has carried yet, each of the day it was made on in that zone."""
    made = corrections_of(connection, issues)
    carried = carried_in(connection, made) if made else {}
    said = []
    for each in made:
        if each.id not in carried:
            words = {"was": bare_words(each.was, lang=settings.lang), "is": bare_words(each.is_, lang=settings.lang)}
            said.append(Note(each.issue, "", each.at.astimezone(settings.zone).date(), CORRECTS, words))
    return said


def notes_in(connection: Connection, issue: str) -> list[Note]:
    """What an issue goes on with from earlier ones: `about` and `date` are the earlier one's."""
    table = archive_links.c
    query = select(table.to_issue, archive.c.date, table.kind, table.words).order_by(archive.c.date, table.id)
    query = query.join(archive, archive.c.issue == table.to_issue)
    rows = connection.execute(query.where(table.from_issue == issue, table.kind == FOLLOWS))
    return [Note(about, issue, day, kind, json.loads(words)) for about, day, kind, words in rows]


def _newest_first(newsletter: str) -> Select[Any]:
    return select(archive).where(archive.c.newsletter == newsletter).order_by(*(column.desc() for column in _ORDER))


def _one(connection: Connection, query: Select[Any]) -> Archived | None:
    row = connection.execute(query).one_or_none()
    return Archived(**row._mapping) if row is not None else None
