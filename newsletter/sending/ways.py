"""The way out of a send: the transport, and the account there, that it began with.

It goes on only that way. Another transport knows nothing of what this one took: what is in flight might go out twice.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_

from newsletter.errors import Refused
from newsletter.sending.sends import Send
from newsletter.store.tables import sends
from newsletter.transports.mail import Transport


def goes_by(transport: Transport) -> ColumnElement[bool]:
    """Of a row of `sends`: whether it goes out this way."""
    return (sends.c.transport == transport.name) & or_(sends.c.scope.is_(None), sends.c.scope == transport.scope)


def other_way(send: Send, transport: Transport) -> str | None:
    """Why this transport must not go on with the send, and what to do; None when it may."""
    if send.transport != transport.name:
        return (
            f'Send {send.id} of issue {send.issue} began with [transport] kind = "{send.transport}", and now it is '
            f'"{transport.name}". Set it back (in config.toml, or NEWSLETTER_TRANSPORT__KIND={send.transport}) to go '
            f"on, or end it with: newsletter sends cancel {send.id}"
        )
    if send.scope is not None and send.scope != transport.scope:
        return (
            f"Send {send.id} of issue {send.issue} began at {send.scope}, and the settings now lead to "
            f"{transport.scope}. Set them back to go on, or end it with: newsletter sends cancel {send.id}"
        )
    return None


def refuse_other_way(send: Send, transport: Transport) -> None:
    """Raises Refused when the send cannot go on with this transport."""
    if (why := other_way(send, transport)) is not None:
        raise Refused(why)
