"""The verb: one issue to everybody who may have it and has not.

An unfinished send is gone on with, as its own build; an issue somebody has is refused unless the rest is asked for. So
pressing the button twice, or again after a crash, is always safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from newsletter.config import Workspace
from newsletter.errors import Refused
from newsletter.rendering.build import Build
from newsletter.rendering.freeze import load_build
from newsletter.sending.accounts import Account, account, report_of
from newsletter.sending.answers import Patience
from newsletter.sending.approvals import approve
from newsletter.sending.cut import cut_of
from newsletter.sending.dispatch import Job, dispatch
from newsletter.sending.ledger import Scope
from newsletter.sending.messages import Fields, mails_of, public_url_of
from newsletter.sending.owners import recover
from newsletter.sending.prepare import prepare
from newsletter.sending.sends import NewSend, Send, State, create, get, move, of_issue, somebody_has, unfinished
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.transports.fields import used_in
from newsletter.transports.mail import Quota, Transport


@dataclass(frozen=True)
class Report:
    """How a send stands: its state and its account."""

    send: Send
    account: Account
    warnings: tuple[str, ...] = ()  # the provider's, about the sending account

    @property
    def settled(self) -> bool:
        """Done, and nobody in doubt."""
        return self.send.state is State.DONE and not self.account.uncertain

    def as_dict(self) -> dict[str, Any]:
        return report_of(self.send, self.account)


def send_issue(
    store: Store,
    workspace: Workspace,
    ring: KeyRing,
    transport: Transport,
    build: Build,
    *,
    person: str,
    waived_date: bool = False,
    rest: bool = False,
    segment: str | None = None,
    now: Callable[[], datetime],
    progress: Callable[[int, int], None] = lambda done, total: None,
    patience: Patience | None = None,
) -> Report:
    """Send this frozen build, or go on with the issue's unfinished send, until it settles or is stopped.

    With `segment` only its readers get it. Raises Refused when the issue is out already, or when the transport cannot
    send at all; NotFound, InputError and StoreError.
    """
    with store.read() as connection:
        current = unfinished(connection, build.issue)
        earlier = of_issue(connection, build.issue)
    if current is not None:
        _refuse_other_way(current, transport)
        _refuse_other_segment(current, segment)
        build = load_build(store, current.build)
    name, settings = workspace.newsletter(build.newsletter)
    mails = mails_of(build, settings)
    quota = transport.quota()
    for mail in mails.values():
        transport.prepare(mail)
    for other in earlier:
        recover(store, workspace.locks, other.id, now=now(), idempotent=transport.idempotent)
    with store.write() as connection:
        wanted = NewSend(name, build.issue, build.hash, transport.name, person, waived_date, transport.scope, segment)
        send = unfinished(connection, build.issue) or _new(connection, wanted, rest=rest, now=now())
        if send.build != build.hash:
            raise Refused(f"Send {send.id} of another build has just begun. Run the command again to go on with it.")
        _refuse_other_way(send, transport)
        _refuse_other_segment(send, segment)
        if send.state is State.PLANNED:
            approve(connection, build.hash, person=person, now=now())
            send = move(connection, send, State.PREPARING)
            cut = cut_of(workspace, build, send.segment)
            prepare(connection, send, settings, batch_size=batch_size(transport, quota), now=now(), cut=cut)
        send = move(connection, send, State.SENDING)
    url = public_url_of(build, workspace.settings.public_url)
    wanted_fields = used_in(*(part for mail in mails.values() for part in (mail.subject, mail.html, mail.text)))
    dispatch(
        Job(
            store=store,
            locks=workspace.locks,
            transport=transport,
            mails=mails,
            fields=Fields(ring, name, send.id, url, wanted=wanted_fields),
            scope=Scope(send.id, name, settings),
            now=now,
            quota=quota,
            progress=progress,
            patience=patience or Patience(),
        )
    )
    return replace(report_on(store, send.id), warnings=quota.warnings)


def report_on(store: Store, send_id: str) -> Report:
    """How a send stands now. Raises NotFound."""
    with store.read() as connection:
        return Report(get(connection, send_id), account(connection, send_id))


def batch_size(transport: Transport, quota: Quota) -> int:
    """Readers in one batch: what the transport takes at once, but no more than one second's worth."""
    return transport.batch_size if quota.rate is None else min(transport.batch_size, max(1, int(quota.rate)))


def _refuse_other_way(send: Send, transport: Transport) -> None:
    """Another transport knows nothing of what this one took: what is in flight might go out a second time."""
    if send.transport != transport.name:
        raise Refused(
            f'Send {send.id} of issue {send.issue} began with [transport] kind = "{send.transport}", and now it is '
            f'"{transport.name}". Set it back (in config.toml, or NEWSLETTER_TRANSPORT__KIND={send.transport}) to go '
            f"on, or end it with: newsletter sends cancel {send.id}"
        )
    if send.scope is not None and send.scope != transport.scope:
        raise Refused(
            f"Send {send.id} of issue {send.issue} began at {send.scope}, and the settings now lead to "
            f"{transport.scope}. Set them back to go on, or end it with: newsletter sends cancel {send.id}"
        )


def _refuse_other_segment(send: Send, segment: str | None) -> None:
    """Its audience is in the ledger: whom a send under way is for cannot be changed any more."""
    if segment is not None and segment != send.segment:
        whom = f"segment {send.segment}" if send.segment else "everybody"
        raise Refused(
            f"Send {send.id} of issue {send.issue} is unfinished, and goes to {whom}. Go on with it without --segment, "
            f"or end it with: newsletter sends cancel {send.id}"
        )


def _new(connection: Connection, wanted: NewSend, *, rest: bool, now: datetime) -> Send:
    if not rest:
        refuse_if_out(connection, wanted.issue)
    return create(connection, wanted, now)


def refuse_if_out(connection: Connection, issue: str) -> None:
    """Raises Refused when somebody has the issue already, or may have it."""
    if somebody_has(connection, issue):
        raise Refused(
            f"Issue {issue} went out already. To send it to those who have not had it, add --rest; "
            "a correction is an issue of its own."
        )
