"""Imports readers from a CSV file: every row checked first, then all of the file written, to count at one moment.

The first pass validates without touching the database and keeps the good rows in an unnamed temporary file. The second
writes them in short transactions, between which others get their turn: the batch counts for nobody until its last one
(`batches`), and is taken away when that is never reached. One bad row refuses the file, unless the caller wants its
good rows (`partial`).
"""

from __future__ import annotations

import gc
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date as Date
from datetime import datetime
from pathlib import Path
from typing import Any

from newsletter.audience.addresses import invisible_character, printable
from newsletter.audience.batches import begin, finish, go_on, importing
from newsletter.audience.cells import DateOrder
from newsletter.audience.claims import Claim, Effect, Intake, Outcome, Status
from newsletter.audience.consent import Basis
from newsletter.audience.csv_table import Table, open_table
from newsletter.audience.csv_text import at_rest
from newsletter.audience.dry_run import DryRun, Repeated
from newsletter.audience.formats import GENERIC
from newsletter.audience.row import LONGEST_SOURCE, Defaults, Wrong, holds_address, read_claim
from newsletter.audience.spool import Spool
from newsletter.audience.undo import settle
from newsletter.errors import InputError, Place, Problem
from newsletter.settings import NewsletterSettings
from newsletter.store.bulk import roomy, usual
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing

CHUNK = 2_000
MOST_PROBLEMS = 10_000  # listed one by one; beyond that they are only counted
SAMPLES = 3  # rows kept of each reason
Progress = Callable[[str, int], None]  # a stage ("check" or "write") has done so many rows more


@dataclass(frozen=True)
class Row:
    """One row of the file: its line, the address as written, and why it was refused or blocked, or what it changes."""

    row: int
    address: str
    reason: str


@dataclass
class Tally:
    """How many rows share a reason, and the first of them."""

    count: int = 0
    samples: list[Row] = field(default_factory=list)


@dataclass
class ImportReport:
    """What an import did, or with `dry_run` would do. `batch` is None when nothing was written."""

    batch: int | None = None
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    skipped: int = 0
    blocked: int = 0
    problems: list[Row] = field(default_factory=list)
    format: str = GENERIC.name
    read_as: str = GENERIC.label
    note: str = ""
    by_reason: dict[str, dict[str, Tally]] = field(default_factory=dict)  # effect: reason: rows

    def refuse(self, line: int, address: str, wrong: Wrong) -> None:
        self.refused += 1
        self._tally("refused", wrong.kind, line, address, wrong.text)

    def skip(self, line: int, cells: Mapping[str, str], why: str) -> None:
        self.skipped += 1
        self._tally("skipped", cells.get("status", ""), line, cells.get("email", ""), why)

    def add(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            effect, claim = outcome.effect.value, outcome.claim
            setattr(self, effect, getattr(self, effect) + 1)
            self._tally(effect, outcome.kind, claim.line, claim.address, outcome.reason)

    @property
    def counts(self) -> dict[str, int]:
        names = ("new", "changed", "unchanged", "refused", "blocked", "skipped")
        return {name: getattr(self, name) for name in names}

    def as_json(self) -> dict[str, Any]:
        """What `--json` shows."""
        return asdict(self)

    def _tally(self, effect: str, kind: str, line: int, address: str, reason: str) -> None:
        tally = self.by_reason.setdefault(effect, {}).setdefault(kind, Tally())
        tally.count += 1
        listed = effect in ("refused", Effect.BLOCKED) and len(self.problems) < MOST_PROBLEMS
        if listed or len(tally.samples) < SAMPLES:
            row = Row(line, printable(address), reason)
            if listed:
                self.problems.append(row)
            if len(tally.samples) < SAMPLES:
                tally.samples.append(row)


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
    status: Status | None = None,
    mapping: Mapping[str, str] | None = None,
    encoding: str | None = None,
    format_name: str | None = None,
    date_order: DateOrder | None = None,
    dry_run: bool = False,
    partial: bool = False,
    proof_days: int = 1095,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file for one newsletter. `source`, `basis` and `date` stand in where a row has none of its own.

    `status` is that of every row, whatever the file says. `proof_days` is how long network addresses are kept.
    Raises InputError when the file or an option cannot be used; bad rows are in the report instead.
    """
    _check_source(source)
    defaults = Defaults(keys.hash, settings.zone, now, source, basis, date, status, date_order, newsletter=newsletter)
    report, step = ImportReport(), progress or _unseen
    with _no_collecting(), at_rest(path) as file, tempfile.TemporaryFile("w+", encoding="utf-8") as temporary:
        spool, repeated = Spool(temporary, CHUNK), Repeated(file.stat().st_size)
        options = {"mapping": mapping or {}, "encoding": encoding, "format_name": format_name, "name": path.name}
        with open_table(file, **options) as table:  # type: ignore[arg-type]
            report.format, report.read_as, report.note = table.format.name, table.format.label, table.format.note
            for claim in _checked(table, replace(defaults, order_of=table.order_of), report, step):
                spool.add(claim)
                repeated.see(claim.address_hash)
        intake = Intake(newsletter, settings, actor, now, proof_days=proof_days)
        if dry_run:
            _weigh(store, DryRun(intake, repeated), spool, report, step)
        elif partial or not report.refused:
            described = {"file_name": path.name, "file_sha256": _digest(file), "source": source or "named in the file"}
            _write(store, intake, described, spool, report, step)
    return report


def _check_source(source: str | None) -> None:
    problem = remedy = ""
    if source and (invisible_character(source) or len(source) > LONGEST_SOURCE):
        problem = "is too long or holds a control character."
        remedy = f"Write at most {LONGEST_SOURCE} plain characters."
    elif source and holds_address(source):
        problem, remedy = "holds an e-mail address; the ledger keeps none.", "Name the form, file or list instead."
    if problem:
        raise InputError([Problem(Place("--source"), problem, remedy)])


def _checked(table: Table, defaults: Defaults, report: ImportReport, step: Progress) -> Iterator[Claim]:
    """The first pass: every row is a claim, or refused."""
    for number, row in enumerate(table.rows, 1):
        nothing = row.nothing and not defaults.status
        claim = Wrong("not a row", row.problem) if row.problem else read_claim(row.cells, defaults, line=row.line)
        if nothing:
            report.skip(row.line, row.cells, row.nothing)
        elif isinstance(claim, Claim):
            yield claim
        else:
            report.refuse(row.line, row.cells.get("email", ""), claim)
        if number % CHUNK == 0:
            step("check", CHUNK)


def _weigh(store: Store, run: DryRun, spool: Spool, report: ImportReport, step: Progress) -> None:
    """The second pass of a dry run: its numbers are those the import of the good rows will have."""
    for claims in spool:
        with store.read() as connection:
            report.add(run.take(connection, claims))
        gc.collect(1)  # statements leave cycles behind
        step("write", len(claims))


def _write(
    store: Store, intake: Intake, described: dict[str, str], spool: Spool, report: ImportReport, step: Progress
) -> None:
    """The second pass: weigh and write every claim as one batch."""
    with importing(store):
        settle(store, now=intake.now)
        row = {**described, "newsletter": intake.newsletter, "actor": intake.actor, "at": intake.now}
        with store.write() as connection:
            batch = begin(connection, row)
        try:
            _write_all(store, replace(intake, batch_id=batch), batch, spool, report, step)
        except BaseException:
            settle(store, now=intake.now)
            raise
    report.batch = batch


def _write_all(store: Store, intake: Intake, batch: int, spool: Spool, report: ImportReport, step: Progress) -> None:
    for claims in spool:
        with store.write() as connection:
            roomy(connection)
            go_on(connection, batch)
            outcomes = intake.take(connection, claims)
        report.add(outcomes)
        gc.collect(1)  # statements leave cycles behind
        step("write", len(claims))
    with store.write() as connection:
        usual(connection)
        finish(connection, batch, report.counts)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Looking for cycles after every few hundred objects costs a fifth of an import; once a chunk is enough."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _unseen(_stage: str, _rows: int) -> None:
    """Nobody watches."""
