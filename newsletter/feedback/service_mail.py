"""What events say of service mail: whether it was handed over, and which address must not be mailed again.

A service mail may go to an address that is not the reader's own: a new one that is not confirmed yet, or her former
one. What such an address does must not take her own off the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from newsletter.audience.mail_owed import MailKind
from newsletter.feedback.standing import NOTHING, SETTLED, UNKNOWN_DELIVERY, Standing
from newsletter.feedback.vocabulary import Event
from newsletter.store.tables import service_mails, subscribers


@dataclass
class _Row:
    """A service mail that events are about. It has no outcome of its own: only what is in doubt is settled."""

    subscriber_id: int
    standing: Standing
    hash: str | None  # of the address it went to, where that is known


class ServiceMails:
    """The service mails a page of events names, as they stand."""

    def __init__(self, connection: Connection, found: Iterable[Event]) -> None:
        self._connection = connection
        self._events = [event for event in found if event.service]
        self._rows = _read(connection, {event.service.id for event in self._events if event.service})
        self._settled: set[int] = set()

    def take(self, event: Event) -> str:
        """Fold one event in; what it did."""
        row = self._of(event)
        if row is None or event.service is None:
            return UNKNOWN_DELIVERY
        if row.standing.take(event, event.service.attempt) != SETTLED:
            return NOTHING
        self._settled.add(event.service.id)
        return SETTLED

    def named(self, event: Event) -> Mapping[str, object]:
        """Whose event it is, so that erasing her finds it."""
        row = self._of(event)
        return {"subscriber_id": row.subscriber_id} if row else {}

    def write(self) -> None:
        """Write down what was settled."""
        rows = [
            {
                "of_mail": number,
                "to_state": self._rows[number].standing.state,
                "to_attempt": self._rows[number].standing.attempt,
                "to_message_id": self._rows[number].standing.message_id,
                "to_reason": self._rows[number].standing.reason,
            }
            for number in sorted(self._settled)
        ]
        if rows:
            self._connection.execute(_UPDATE, rows)

    def hashes(self) -> list[tuple[Event, str]]:
        """Each event with the keyed hash of the address the mail went to."""
        pairs = [(event, self._of(event)) for event in self._events]
        return [(event, row.hash) for event, row in pairs if row and row.hash]

    def _of(self, event: Event) -> _Row | None:
        return self._rows.get(event.service.id) if event.service else None


def _read(connection: Connection, ids: set[int]) -> dict[int, _Row]:
    if not ids:
        return {}
    mail, reader = service_mails.c, subscribers.c
    columns = (mail.id, mail.kind, mail.detail, mail.subscriber_id, mail.state, mail.attempt, mail.message_id)
    query = select(*columns, mail.reason, mail.owner, reader.address_hash, reader.pending_hash)
    query = query.join(subscribers, reader.id == mail.subscriber_id).where(mail.id.in_(ids))
    found = {}
    for row in connection.execute(query):
        standing = Standing(row.state, row.attempt, row.message_id, row.reason, owner=row.owner)
        found[row.id] = _Row(row.subscriber_id, standing, _hash(row.kind, row.detail, row[-2], row[-1]))
    return found


def _hash(kind: str, detail: str | None, own: str, pending: str | None) -> str | None:
    """The hash of the address a mail of this kind went to: of a new one only its end is known, of a former one none."""
    if kind == MailKind.ADDRESS_TOLD:
        return None
    if kind == MailKind.ADDRESS_CONFIRM:
        return next((found for found in (own, pending) if found and detail and found.endswith(detail)), None)
    return own


_UPDATE = (
    update(service_mails)
    .where(service_mails.c.id == bindparam("of_mail"))
    .values(
        state=bindparam("to_state"),
        attempt=bindparam("to_attempt"),
        message_id=bindparam("to_message_id"),
        reason=bindparam("to_reason"),
        owner=None,
    )
)
