"""Imports readers from a CSV file: every row checked first, then all of the file written in one transaction.

The first pass validates without touching the database and keeps the good rows in an unnamed temporary file; only the
second holds the write lock. One bad row refuses the file, unless the caller wants its good rows (`partial`).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, insert, update

from newsletter.audience.addresses import invisible_character, printable
from newsletter.audience.claims import Claim, Effect, Intake, count_effects
from newsletter.audience.consent import Basis
from newsletter.audience.csv_table import open_table
from newsletter.audience.row import LONGEST_SOURCE, Defaults, read_claim
from newsletter.config import NewsletterSettings
from newsletter.errors import InputError, Place, Problem
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import import_batches

CHUNK = 5_000
MOST_PROBLEMS = 10_000  # listed one by one; beyond that they are only counted


@dataclass(frozen=True)
class Row:
    """A row that was refused or blocked: its line in the file, the address as written, and why."""

    row: int
    address: str
    reason: str


@dataclass
class ImportReport:
    """What an import did, or with `dry_run` would do. `batch` is None when nothing was written."""

    batch: int | None = None
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    blocked: int = 0
    problems: list[Row] = field(default_factory=list)

    def complain(self, row: int, address: str, reason: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Row(row, printable(address), reason))

    def add(self, effects: Counter[str]) -> None:
        self.new += effects[Effect.NEW]
        self.changed += effects[Effect.CHANGED]
        self.unchanged += effects[Effect.UNCHANGED]
        self.blocked += effects[Effect.BLOCKED]

    @property
    def counts(self) -> dict[str, int]:
        names = ("new", "changed", "unchanged", "refused", "blocked")
        return {name: getattr(self, name) for name in names}


def import_csv(
    store: Store,
    keys: KeyRing,
    path: Path,
    *,
    newsletter: str,
    settings: NewsletterSettings,
    actor: str,
    now: datetime,
    source: str | None = None,
    basis: Basis | None = None,
    date: Date | None = None,
    mapping: Mapping[str, str] | None = None,
    encoding: str | None = None,
    dry_run: bool = False,
    partial: bool = False,
) -> ImportReport:
    """Import a file for one newsletter. `source`, `basis` and `date` stand in where a row has none of its own.

    Raises InputError when the file or an option cannot be used; bad rows are in the report instead.
    """
    if source and (invisible_character(source) or len(source) > LONGEST_SOURCE):
        remedy = f"Write at most {LONGEST_SOURCE} plain characters."
        raise InputError([Problem(Place("--source"), "is too long or holds a control character.", remedy)])
    defaults = Defaults(keys.hash, settings.zone, now, source=source, basis=basis, date=date)
    report = ImportReport()
    intake = Intake(newsletter, settings, actor, now)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        with open_table(path, mapping=mapping or {}, encoding=encoding) as rows:
            for row in rows:
                claim = row.problem or read_claim(row.cells, defaults, line=row.line)
                if isinstance(claim, Claim):
                    spool.write(claim.to_json() + "\n")
                else:
                    report.refused += 1
                    report.complain(row.line, row.cells.get("email", ""), claim)
        if report.refused and not partial:
            return report
        spool.seek(0)
        # A reading connection forgets what is written through it: a dry run does everything but keep it.
        with store.read() if dry_run else store.write() as connection:
            batch = _open_batch(connection, intake, path, source)
            _take_all(connection, Intake(newsletter, settings, actor, now, batch), spool, report)
            counts = json.dumps(report.counts)
            connection.execute(update(import_batches).where(import_batches.c.id == batch).values(counts=counts))
    report.batch = None if dry_run else batch
    return report


def _take_all(connection: Connection, intake: Intake, spool: TextIO, report: ImportReport) -> None:
    for claims in _chunks(spool):
        outcomes = intake.take(connection, claims)
        report.add(count_effects(outcomes))
        for outcome in outcomes:
            if outcome.effect is Effect.BLOCKED:
                report.complain(outcome.claim.line, outcome.claim.address, outcome.reason)


def _chunks(spool: TextIO) -> Iterator[list[Claim]]:
    while claims := [Claim.from_json(line) for line in islice(spool, CHUNK)]:
        yield claims


def _open_batch(connection: Connection, intake: Intake, path: Path, source: str | None) -> int:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    made = connection.execute(
        insert(import_batches).values(
            newsletter=intake.newsletter,
            file_name=path.name,
            file_sha256=digest,
            source=source or "named in the file",
            actor=intake.actor,
            at=intake.now,
            counts="{}",
        )
    )
    return int(made.inserted_primary_key[0])  # type: ignore[index]
