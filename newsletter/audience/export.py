"""Takes readers out: a CSV of who gets which newsletter, who does not and why, and what that rests on.

It streams in flat memory from one consistent view. No cell is a formula to a spreadsheet; importing the file gives
every text back as it was.
"""

from __future__ import annotations

import csv
import os
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, Select, select

from newsletter.audience import ledger
from newsletter.audience.cells import harmless
from newsletter.audience.consent import MAILABLE, Entry, deciding
from newsletter.audience.segment_sql import View, members
from newsletter.audience.segments import read_segment
from newsletter.audience.select import verdicts
from newsletter.config import Workspace
from newsletter.errors import InputError, Place, Problem, Refused
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.tables import subscribers, subscriptions

COLUMNS = ("email", "first_name", "lang", "newsletter", "status", "basis", "since", "source", "paused_until")
CHUNK = 5_000


def export_readers(
    store: Store,
    out: TextIO,
    *,
    newsletters: Mapping[str, NewsletterSettings],
    at: datetime,
    chosen: Mapping[str, Select[tuple[int]]] | None = None,
) -> dict[str, int]:
    """Write the readers of these newsletters; how many of each. Erased readers have no row.

    `chosen` gives, by newsletter, the subscriber ids of a segment; without it everyone is written.
    """
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(COLUMNS)
    counts = {}
    with store.read() as connection:
        for name, settings in newsletters.items():
            counts[name] = 0
            for ids in _listed(connection, name, chosen[name] if chosen is not None else None):
                rows = _rows(connection, name, settings, ids, at)
                writer.writerows([harmless(cell) for cell in row] for row in rows)
                counts[name] += len(rows)
    return counts


def members_of(
    workspace: Workspace, segment: str, newsletters: Mapping[str, NewsletterSettings], at: datetime
) -> dict[str, Select[tuple[int]]]:
    """Who of each newsletter is in a segment. Raises NotFound or InputError for the segment."""
    found = read_segment(workspace, segment)
    everything = workspace.settings.newsletters
    return {name: members(found, View(name, settings, at, everything)) for name, settings in newsletters.items()}


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[TextIO]:
    """A file only its owner may read, that appears whole or not at all. Raises Refused where one is already."""
    if not force and (path.exists() or path.is_symlink()):
        raise Refused(f"{path} is there already. Name another file, or replace it with --force.")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    except OSError as error:
        raise InputError([Problem(Place(str(path)), f"cannot be written: {error.strerror}.")]) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        raise InputError([Problem(Place(str(path)), f"cannot be written: {error.strerror}.")]) from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _listed(connection: Connection, newsletter: str, chosen: Select[tuple[int]] | None) -> Iterator[Sequence[int]]:
    """The ids of everyone on the newsletter's list, in order, some thousands at a time."""
    if chosen is not None:  # eight bytes a reader, so that the segment is worked out once
        found = array("q", sorted(connection.scalars(chosen)))
        yield from (found[start : start + CHUNK].tolist() for start in range(0, len(found), CHUNK))
        return
    table, last = subscriptions.c, 0
    query = select(table.subscriber_id).where(table.newsletter == newsletter, ledger.in_force(subscriptions))
    query = query.order_by(table.subscriber_id)
    while ids := connection.scalars(query.where(table.subscriber_id > last).limit(CHUNK)).all():
        yield ids
        last = ids[-1]


def _rows(
    connection: Connection, newsletter: str, settings: NewsletterSettings, ids: Sequence[int], at: datetime
) -> list[list[str]]:
    found = connection.execute(verdicts(newsletter, settings, at, subscriber_ids=ids))
    reasons = {row.subscriber_id: row.reason for row in found}
    histories = ledger.histories(connection, newsletter, ids)
    reader, listing = subscribers.c, subscriptions.c
    query = (
        select(reader.id, reader.address, reader.first_name, reader.lang, listing.paused_until)
        .join(subscriptions, listing.subscriber_id == reader.id)
        .where(listing.newsletter == newsletter, reader.id.in_(ids), reader.address.is_not(None))
        .order_by(reader.id)
    )
    rows = []
    for row in connection.execute(query):
        entry = deciding(histories.get(row.id, []))
        told = [row.address, row.first_name or "", row.lang or "", newsletter]
        rows.append([*told, reasons.get(row.id) or MAILABLE, *_grounds(entry), _moment(row.paused_until)])
    return rows


def _grounds(entry: Entry | None) -> tuple[str, str, str]:
    if entry is None:
        return "", "", ""
    return entry.basis.value if entry.basis else "", _moment(entry.occurred_at), entry.source


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
