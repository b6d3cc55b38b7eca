"""The verb: one issue to everybody who may have it and has not.

An unfinished send is gone on with, as its own build; an issue somebody has is refused unless the rest is asked for. So
pressing the button twice, or again after a crash, is always safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from newsletter.config import Workspace
from newsletter.errors import Refused
from newsletter.rendering.build import Build
from newsletter.rendering.freeze import load_build
from newsletter.sending import slices
from newsletter.sending.accounts import Account, account, report_of
from newsletter.sending.answers import Patience
from newsletter.sending.approvals import approve, require_approval
from newsletter.sending.breaking import refuse_beyond_cap
from newsletter.sending.course import Course, course_of, follow
from newsletter.sending.cut import cut_of
from newsletter.sending.interrupts import Stop
from newsletter.sending.owners import recover
from newsletter.sending.prepare import PIECE, prepare
from newsletter.sending.readers import require_readers
from newsletter.sending.schedule import note_begun
from newsletter.sending.sends import (
    NewSend,
    Send,
    State,
    create,
    get,
    move,
    of_issue,
    somebody_has,
    taken,
    unfinished,
)
from newsletter.sending.stops import refuse_if_stopped
from newsletter.sending.ways import refuse_other_way
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import sends
from newsletter.transports.mail import Transport


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
        return report_of(self.send, self.account) | {"warnings": list(self.warnings)}


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
    readers_of: str | None = None,
    priority: int = 0,
    now: Callable[[], datetime],
    progress: Callable[[int, int], None] = lambda done, total: None,
    patience: Patience | None = None,
    stop: Stop | None = None,
) -> Report:
    """Send this frozen build, or go on with the issue's unfinished send, until it settles or is stopped.

    With `segment` only its readers get it, with `readers_of` only those who had that other issue. With `stop` it is
    work in the background, which ends when that is said and leaves the send as it is.

    Raises Refused when the issue is out already, or when the transport cannot
    send at all; NotFound, InputError and StoreError.
    """
    wanted = _wanted(workspace, transport, build, person=person, waived_date=waived_date, segment=segment)
    wanted = replace(wanted, priority=priority, readers_of=readers_of)
    course, send = _begun(store, workspace, transport, build, wanted, rest=rest, now=now)
    seeded = follow(store, ring, course, send.id, now=now, progress=progress, patience=patience, stop=stop)
    return replace(report_on(store, send.id), warnings=(*course.quota.warnings, *seeded))


def begin(
    store: Store,
    workspace: Workspace,
    transport: Transport,
    build: Build,
    *,
    person: str,
    waived_date: bool = False,
    rest: bool = False,
    segment: str | None = None,
    readers_of: str | None = None,
    priority: int = 0,
    now: Callable[[], datetime],
) -> Report:
    """Begin a send that goes on by itself: its audience is in the ledger and nobody was handed over.

    `newsletter run`, `clock` or workers do the rest. An unfinished send of the issue becomes such a one. Raises as
    `send_issue` does.
    """
    wanted = _wanted(workspace, transport, build, person=person, waived_date=waived_date, segment=segment)
    wanted = replace(wanted, priority=priority, detached=True, readers_of=readers_of)
    course, send = _begun(store, workspace, transport, build, wanted, rest=rest, now=now)
    return replace(report_on(store, send.id), warnings=course.quota.warnings)


def _wanted(
    workspace: Workspace, transport: Transport, build: Build, *, person: str, waived_date: bool, segment: str | None
) -> NewSend:
    name, _ = workspace.newsletter(build.newsletter)
    return NewSend(name, build.issue, build.hash, transport.name, person, waived_date, transport.scope, segment)


def _begun(
    store: Store,
    workspace: Workspace,
    transport: Transport,
    build: Build,
    wanted: NewSend,
    *,
    rest: bool,
    now: Callable[[], datetime],
) -> tuple[Course, Send]:
    """The issue's unfinished send, or else this new one, prepared and `sending`. It may become breaking news, too."""
    with store.read() as connection:
        current = unfinished(connection, build.issue)
        earlier = of_issue(connection, build.issue)
    if current is not None:
        refuse_other_way(current, transport)
        _refuse_other_readers(current, wanted)
        build = load_build(store, current.build)
        wanted = replace(wanted, build=build.hash)
    course = course_of(workspace, transport, build)
    for other in earlier:
        recover(store, workspace.locks, other.id, idempotent=transport.idempotent)
    with store.write() as connection:
        refuse_if_stopped(connection, wanted.newsletter)
        send = unfinished(connection, build.issue) or _new(connection, wanted, course.settings, rest=rest, now=now())
        if send.build != build.hash:
            raise Refused(f"Send {send.id} of another build has just begun. Run the command again to go on with it.")
        refuse_other_way(send, transport)
        _refuse_other_readers(send, wanted)
        if send.state is State.PLANNED:
            approve(connection, build.hash, person=wanted.person, now=now())
            require_approval(connection, build.hash, course.settings)
            send = move(connection, send, State.PREPARING)
        if wanted.priority > send.priority:
            refuse_beyond_cap(connection, send.newsletter, course.settings, issue=send.issue, at=now())
            connection.execute(update(sends).where(sends.c.id == send.id).values(priority=wanted.priority))
        if wanted.detached:
            connection.execute(update(sends).where(sends.c.id == send.id).values(detached=True))
    return course, set_going(store, course, send.id, now=now())


def set_going(store: Store, course: Course, send_id: str, *, now: datetime) -> Send:
    """Prepare the rest of the audience, if there is any, and let the send go on. Nobody is handed over before."""
    while True:
        with store.write() as connection:
            send = taken(connection, send_id)
            if send.state is State.PREPARING:
                cut = cut_of(course.workspace, course.build, send.segment)
                settings, size = course.settings, course.batch_size
                if prepare(connection, send, settings, batch_size=size, now=now, cut=cut, most=PIECE):
                    continue
            if send.state is not State.SENDING:
                send = move(connection, send, State.SENDING)
            slices.defer(connection, send)
            return send


def report_on(store: Store, send_id: str) -> Report:
    """How a send stands now. Raises NotFound."""
    with store.read() as connection:
        return Report(get(connection, send_id), account(connection, send_id))


def _refuse_other_readers(send: Send, wanted: NewSend) -> None:
    """Its audience is in the ledger: whom a send under way is for cannot be changed any more."""
    asked = (("--segment", wanted.segment, send.segment), ("--readers-of", wanted.readers_of, send.readers_of))
    option = next((name for name, now, then in asked if now not in (None, then)), None)
    if option is not None:
        whom = [f"segment {send.segment}"] if send.segment else []
        whom += [f"those who had issue {send.readers_of}"] if send.readers_of else []
        raise Refused(
            f"Send {send.id} of issue {send.issue} is unfinished, and goes to {' of '.join(whom) or 'everybody'}. Go "
            f"on with it without {option}, or end it with: newsletter sends cancel {send.id}"
        )


def _new(connection: Connection, wanted: NewSend, settings: NewsletterSettings, *, rest: bool, now: datetime) -> Send:
    if not rest:
        refuse_if_out(connection, wanted.issue)
    if wanted.readers_of is not None:
        require_readers(connection, wanted.newsletter, wanted.readers_of, issue=wanted.issue)
    if wanted.priority:
        refuse_beyond_cap(connection, wanted.newsletter, settings, issue=wanted.issue, at=now)
    send = create(connection, wanted, now)
    note_begun(connection, send)
    return send


def refuse_if_out(connection: Connection, issue: str) -> None:
    """Raises Refused when somebody has the issue already, or may have it."""
    if somebody_has(connection, issue):
        raise Refused(
            f"Issue {issue} went out already. To send it to those who have not had it, add --rest; "
            "a correction is an issue of its own."
        )
