"""The private link, mailed on request: it opens her page as long as the mailbox it went to is the reader's.

The link names its mail, and the mail's row holds the end of the hash of the address it was owed for. So a change of
address shuts every link that lies in the old mailbox.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience.address_change import TAIL, is_about
from newsletter.audience.ledger import Subscriber
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.preferences import reader_of
from newsletter.store.engine import Store
from newsletter.store.tables import service_mails

LINKS_A_DAY = 3


def owe_private_link(store: Store, subscriber_id: int, newsletter: str, *, now: datetime) -> None:
    """Mail her the link to her private page: at most three a day, and none while one is waiting to go out."""
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    table = service_mails.c
    with store.write() as connection:
        today = (table.subscriber_id == subscriber_id, table.kind == MailKind.PRIVATE_LINK, table.queued_at >= start)
        mails = [tuple(row) for row in connection.execute(select(table.state, table.detail).where(*today))]
        reader = reader_of(connection, subscriber_id)
        if reader is None or reader.gone or len(mails) >= LINKS_A_DAY:
            return
        detail = reader.address_hash[-TAIL:]
        if ("queued", detail) in mails:
            return
        request = f"private-link:{subscriber_id}:{now:%Y-%m-%d}:{len(mails) + 1}"
        owe(connection, MailKind.PRIVATE_LINK, subscriber_id, newsletter, request=request, now=now, detail=detail)


def reader_behind(connection: Connection, mail_id: int) -> Subscriber | None:
    """Whose link this mail brought, erased or not; None when she has another address since, or it brought none."""
    table = service_mails.c
    query = select(table.subscriber_id, table.detail).where(table.id == mail_id)
    row = connection.execute(query.where(table.kind == MailKind.PRIVATE_LINK.value)).one_or_none()
    reader = reader_of(connection, row.subscriber_id) if row is not None else None
    return reader if row is not None and reader is not None and is_about(row.detail, reader.address_hash) else None
