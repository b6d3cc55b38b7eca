"""A mail that is owed to one person because she, or the law, asked for something: once per request.

The row says what for; the address and the words are looked up in the moment of sending. Stages that owe a mail write
the row here, in the transaction of what it is about; `sending.service` alone hands it over and says what became of it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from newsletter.store.tables import service_mails
from newsletter.store.upsert import insert_new


class MailKind(StrEnum):
    """What a service mail is about, and what its `reference` names."""

    CONFIRM = "confirm"  # signups.id
    WELCOME = "welcome"  # consent.id of the confirmation
    PRIVATE_LINK = "private-link"  # `detail` holds the end of the hash of the address it is for
    ADDRESS_CONFIRM = "address-confirm"  # goes to subscribers.pending_address
    ADDRESS_TOLD = "address-told"  # proofs.id, which holds the former address it goes to
    POLICY_NOTICE = "policy-notice"  # `detail` names the version
    POLICY_RECONSENT = "policy-reconsent"  # `detail` names the version


def owe(
    connection: Connection,
    kind: MailKind,
    subscriber_id: int,
    newsletter: str,
    *,
    request: str,
    now: datetime,
    reference: int | None = None,
    detail: str | None = None,
) -> None:
    """Owe a mail. The same `request` (at most 160 characters) owes it once, however often this is said."""
    row = {
        "request": request,
        "kind": kind.value,
        "subscriber_id": subscriber_id,
        "newsletter": newsletter,
        "reference": reference,
        "detail": detail,
        "state": "queued",
        "queued_at": now,
    }
    insert_new(connection, service_mails, [row])
