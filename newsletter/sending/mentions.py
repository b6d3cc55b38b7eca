"""Where else a reader's address stands in the database: in what providers and people wrote, not in a column for it.

A provider's refusal may quote the address, an event is about nobody we know, an operator types it into a reason. Each
such text is searched for it, whatever its case; an address that merely contains hers is another reader's. What is known
to say nothing of her is not read: another reader's successes, and rows without a provider's words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import idna
from sqlalchemy import Column, ColumnElement, Connection, and_, not_, or_, select, true, update

from newsletter.audience.addresses import normalise
from newsletter.errors import InputError
from newsletter.store.tables import (
    deliveries,
    events,
    import_batches,
    raw_events,
    sends,
    service_mails,
    suppression_lifts,
    suppressions,
)

ERASED = "(erased)"
_OF_AN_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]"
_SUCCESSES = ("send", "delivery", "open", "click")
_OTHERS_SUCCESS = and_(events.c.subscriber_id.is_not(None), events.c.kind.in_(_SUCCESSES))
_TEXTS: tuple[tuple[Column[Any], ColumnElement[bool]], ...] = (
    (raw_events.c.body, raw_events.c.id.in_(select(events.c.raw_id).where(not_(_OTHERS_SUCCESS)))),
    (
        deliveries.c.reason,
        and_(deliveries.c.send_id.in_(select(sends.c.id)), deliveries.c.state.in_(("refused", "uncertain", "pending"))),
    ),
    (sends.c.state_reason, true()),
    (service_mails.c.reason, true()),
    (suppressions.c.source, true()),
    (suppression_lifts.c.why, true()),
    (import_batches.c.file_name, true()),
    (import_batches.c.source, true()),
)


@dataclass(frozen=True)
class Mention:
    """A text that quotes an address: its column, and the key of its row."""

    column: Column[Any]
    key: tuple[object, ...]


class Search:
    """Knows a reader's addresses in every form they are written in."""

    def __init__(self, addresses: Iterable[str]) -> None:
        forms = sorted({form for address in addresses for form in _forms(address)})
        # The part before the @ is ASCII, whose case a database folds; the rest is compared here.
        self._begin = sorted({form.rpartition("@")[0].lower() + "@" for form in forms})
        chosen = "|".join(re.escape(form) for form in forms)
        self._pattern = re.compile(rf"(?<!{_OF_AN_ADDRESS})(?:{chosen})(?![A-Za-z0-9-]|\.[A-Za-z0-9])", re.IGNORECASE)

    def find(self, connection: Connection) -> list[Mention]:
        """Every text that quotes one of the addresses. Walks whole tables: not for a write transaction."""
        if not self._begin:
            return []
        return [found for column, where in _TEXTS for found in self._in_column(connection, column, where)]

    def _in_column(self, connection: Connection, column: Column[Any], where: ColumnElement[bool]) -> list[Mention]:
        key = column.table.primary_key.columns.values()
        holds = or_(*(column.icontains(begin, autoescape=True) for begin in self._begin))
        rows = connection.execute(select(column, *key).where(where, holds))
        return [Mention(column, tuple(row[1:])) for row in rows if self._pattern.search(_unescaped(row[0]))]

    def blank(self, connection: Connection, found: Iterable[Mention]) -> int:
        """Take the addresses out of these texts; of an event that quotes one nothing is kept."""
        number = 0
        for mention in found:
            column, keys = mention.column, mention.column.table.primary_key.columns.values()
            row = [key == value for key, value in zip(keys, mention.key, strict=True)]
            text = connection.scalar(select(column).where(*row))
            if text:
                clean = "" if column is raw_events.c.body else self._pattern.sub(ERASED, text)
                connection.execute(update(column.table).where(*row).values({column.name: clean}))
                number += 1
        return number


def _forms(address: str) -> set[str]:
    """An address as it was given, as it is compared and as mail is sent to it, its domain in both scripts."""
    forms = {unicodedata.normalize("NFC", address.strip())}
    try:
        found = normalise(address)
    except InputError:
        return forms
    local, _, domain = found.normal.rpartition("@")
    return forms | {found.normal, f"{local}@{idna.decode(domain)}"}


def _unescaped(text: str) -> str:
    """JSON may write a letter beyond ASCII as its number."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
