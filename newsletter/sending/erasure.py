"""Erasing a reader: afterwards the database and the workspace hold an id and a keyed hash of her, and nothing else.

One transaction forgets her in every table; her mails in the outbox go after it, and the database's journal is folded in
and cut off, so that no file holds what the tables forgot. The account of each send still adds up: her pending rows are
excluded as `erased`. Saying it again cleans up what came in later: an event about her, a mail that was in flight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, case, delete, func, null, select, update

from newsletter.audience import ledger as readers
from newsletter.audience.addresses import address_hash, normalise, printable
from newsletter.audience.erase import REASON, Forgotten, addresses_of, erase
from newsletter.config import Workspace
from newsletter.errors import NotFound
from newsletter.sending import ledger
from newsletter.sending.mentions import Search
from newsletter.sending.sends import taken
from newsletter.sending.service.queue import TAG
from newsletter.store.engine import BUSY_TIMEOUT_MS, Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import deliveries, events, raw_events, service_mails, subscribers, tracked

FOLD_WAIT_MS = 5_000  # for others to finish reading


@dataclass(frozen=True)
class Erased:
    """What erasing did. `in_flight` mails could not be called back; `folded` says whether the journal was cut off."""

    subscriber_id: int
    forgotten: Forgotten
    excluded: int
    in_flight: int
    events: int
    mentions: int
    files: int
    files_left: tuple[Path, ...]
    folded: bool

    @property
    def complete(self) -> bool:
        """Whether nothing of her is left anywhere we keep things."""
        return self.folded and not self.in_flight and not self.files_left

    def as_json(self) -> dict[str, object]:
        values = asdict(self)
        forgotten = values.pop("forgotten")
        return {**values, **forgotten, "files_left": [str(file) for file in self.files_left], "complete": self.complete}


def erase_reader(
    store: Store,
    workspace: Workspace,
    keys: KeyRing,
    *,
    subscriber_id: int | None = None,
    address: str | None = None,
    actor: str,
    now: datetime,
) -> Erased:
    """Erase the reader with that id or address. Raises InputError for no address, NotFound when nobody has it.

    An address given beside an id is searched for as well.
    """
    with store.read() as connection:
        reader = _reader(connection, keys, subscriber_id, address)
        known = [*addresses_of(connection, reader), *([address] if address else [])]
        search = Search(known)
        mentions = search.find(connection)
    with store.write() as connection:
        forgotten = erase(connection, keys, reader, actor=actor, now=now)
        excluded = _leave_out(connection, reader, now)
        blanked = _blank_events(connection, reader)
        quoted = search.blank(connection, mentions)
        _blank_deliveries(connection, reader)
        in_flight = _in_flight(connection, reader)
        files = _mails(connection, reader, workspace.outbox)
    removed, left = _remove(files)
    return Erased(
        reader,
        forgotten,
        excluded=excluded,
        in_flight=in_flight,
        events=blanked,
        mentions=quoted,
        files=removed,
        files_left=left,
        folded=_fold_journal(store),
    )


def _reader(connection: Connection, keys: KeyRing, subscriber_id: int | None, address: str | None) -> int:
    if subscriber_id is not None:
        if connection.scalar(select(subscribers.c.id).where(subscribers.c.id == subscriber_id)) is None:
            raise NotFound(f"There is no reader {subscriber_id}.")
        return subscriber_id
    hashed = address_hash(normalise(address or "").normal, keys.hash)
    found = readers.find_subscribers(connection, [hashed]).get(hashed)
    if found is None:
        raise NotFound(f"Nobody with the address {printable(address or '')} is on record.")
    return found.id


def _leave_out(connection: Connection, reader: int, now: datetime) -> int:
    """Her pending rows; a send that waited for nobody else is done."""
    table = deliveries.c
    waiting = select(table.send_id).where(table.subscriber_id == reader, table.state == "pending")
    excluded = 0
    for send_id in sorted(connection.scalars(waiting)):
        taken(connection, send_id)  # before her row, as all others do
        excluded += ledger.exclude(connection, send_id, REASON, subscriber_ids=[reader])
        ledger.settle(connection, send_id, now)
    return excluded


def _blank_events(connection: Connection, reader: int) -> int:
    """What came back about her, in the provider's words. That it came stays, by id."""
    hers = select(events.c.raw_id).where(events.c.subscriber_id == reader)
    full = update(raw_events).where(raw_events.c.id.in_(hers), raw_events.c.body != "")
    blanked = connection.execute(full.values(body="")).rowcount
    # Which links she followed, and when she read: of that not even the moment stays.
    connection.execute(delete(tracked).where(tracked.c.subscriber_id == reader))
    looked = events.c.kind.in_(("open", "click"))
    connection.execute(delete(events).where(events.c.subscriber_id == reader, looked))
    return blanked


def _blank_deliveries(connection: Connection, reader: int) -> None:
    """What a provider said of her. Why she was left out is our own word, and the account needs it."""
    table = deliveries.c
    said = {"refused": REASON, "uncertain": f"in doubt when she was {REASON}"}
    kept = table.state.in_(("pending", "in_flight", "excluded"))
    values = {
        "outcome_detail": null(),
        "reason": case((kept, table.reason), (table.reason.is_(None), null()), else_=case(said, value=table.state)),
        "message_id": case((table.state == "in_flight", table.message_id), else_=null()),
    }
    connection.execute(update(deliveries).where(table.subscriber_id == reader).values(values))
    mails = service_mails.c
    settled = update(service_mails).where(mails.subscriber_id == reader, mails.state != "in_flight")
    connection.execute(settled.values(message_id=None))


def _in_flight(connection: Connection, reader: int) -> int:
    number = 0
    for table in (deliveries, service_mails):
        query = select(func.count()).where(table.c.subscriber_id == reader, table.c.state == "in_flight")
        number += connection.scalar(query) or 0
    return number


def _mails(connection: Connection, reader: int, outbox: Path) -> list[Path]:
    """Her mails in the outbox, by the tags of every attempt there was; half-written ones too."""
    table, mails = deliveries.c, service_mails.c
    sent = connection.execute(select(table.send_id, table.attempt).where(table.subscriber_id == reader))
    tags = [(row.send_id, f"{row.send_id}-{reader}-{n + 1}") for row in sent for n in range(row.attempt + 1)]
    owed = connection.execute(select(mails.id, mails.attempt).where(mails.subscriber_id == reader))
    tags += [(TAG, f"{TAG}-{row.id}-{n + 1}") for row in owed for n in range(row.attempt + 1)]
    return [outbox / folder / name for folder, tag in tags for name in (f"{tag}.eml", f".{tag}.part")]


def _remove(files: Iterable[Path]) -> tuple[int, tuple[Path, ...]]:
    """How many were there and went, and which could not be removed."""
    removed, left = 0, []
    for file in files:
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        except OSError:
            left.append(file)
        else:
            removed += 1
    return removed, tuple(left)


def _fold_journal(store: Store) -> bool:
    """SQLite: fold the write-ahead log into the file and cut it off; False while somebody still reads what it holds."""
    if store.is_postgresql:
        return True
    connection = store.engine.raw_connection()  # a checkpoint cannot run inside a transaction
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={FOLD_WAIT_MS}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy = cursor.fetchall()[0][0]
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.close()
        return not busy
    finally:
        connection.close()
