"""Due work: schedules whose moment has come become sends. The clock asks every few seconds; nothing is remembered.

A schedule is claimed by a conditional update in the transaction that makes its send, so two clocks never begin one
twice, and a clock that is killed has begun it or has not. The build comes from the store: no file is sent. What cannot
begin is held, with its reason, until somebody schedules or sends the issue again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from newsletter.config import Workspace
from newsletter.errors import NewsletterError
from newsletter.preflight.facts import changed_facts
from newsletter.rendering.freeze import load_build
from newsletter.sending.approvals import approval_of
from newsletter.sending.schedule import Schedule, Standing, change, due, get
from newsletter.sending.sends import NewSend, State, create, move, somebody_has, unfinished
from newsletter.sending.stops import open_stop
from newsletter.store.engine import Store
from newsletter.store.tables import schedules
from newsletter.transports.mail import Transport


@dataclass(frozen=True)
class Due:
    """What became of a schedule whose moment had come."""

    schedule: Schedule

    @property
    def held(self) -> str | None:
        """What to tell a person; None when it began."""
        if self.schedule.state is not Standing.HELD:
            return None
        return f"issue {self.schedule.issue}, scheduled for {self.schedule.in_words}, is held: {self.schedule.reason}"


def start_due(store: Store, workspace: Workspace, transport: Transport, *, now: Callable[[], datetime]) -> list[Due]:
    """Begin what is due as detached sends, or hold it. What another clock was quicker with is not listed.

    Raises StoreError.
    """
    with store.read() as connection:
        waiting = due(connection, now())
    return [
        found for schedule in waiting if (found := _start(store, workspace, transport, schedule, now())) is not None
    ]


def _start(store: Store, workspace: Workspace, transport: Transport, schedule: Schedule, now: datetime) -> Due | None:
    obstacle = _late(schedule, now) or _unfit(store, workspace, schedule)
    with store.write() as connection:
        if not change(connection, schedule, Standing.BEGUN):
            return None
        obstacle = obstacle or _in_the_way(connection, workspace, schedule)
        begun = get(connection, schedule.id)
        if obstacle is not None:
            change(connection, begun, Standing.HELD, reason=obstacle)
        else:
            send_id = _send(connection, transport, schedule, now)
            connection.execute(update(schedules).where(schedules.c.id == schedule.id).values(send_id=send_id))
        return Due(get(connection, schedule.id))


def _send(connection: Connection, transport: Transport, schedule: Schedule, now: datetime) -> str:
    wanted = NewSend(
        newsletter=schedule.newsletter,
        issue=schedule.issue,
        build=schedule.build,
        transport=transport.name,
        person=schedule.person,
        date_waived=schedule.date_waived,
        scope=transport.scope,
        segment=schedule.segment,
        priority=schedule.priority,
        detached=True,
        readers_of=schedule.readers_of,
    )
    return move(connection, create(connection, wanted, now), State.PREPARING).id


def _late(schedule: Schedule, now: datetime) -> str | None:
    if schedule.late_until is None or now <= schedule.late_until:
        return None
    allowed = _length(schedule.late_until - schedule.due_at)
    return f"late by {_length(now - schedule.due_at)}, and it may be late by {allowed}: send or schedule it again"


def _unfit(store: Store, workspace: Workspace, schedule: Schedule) -> str | None:
    """Why the build itself must not go out."""
    try:
        workspace.newsletter(schedule.newsletter)
        finding = changed_facts(workspace, store, load_build(store, schedule.build))
    except NewsletterError as error:
        return str(error)
    return f"{finding.rule}: {finding.message} {finding.remedy}" if finding is not None else None


def _in_the_way(connection: Connection, workspace: Workspace, schedule: Schedule) -> str | None:
    """Why a send of the issue must not begin now."""
    other = unfinished(connection, schedule.issue)
    if other is not None:
        return f"it has an unfinished send, {other.id} ({other.state}): go on with that one, or cancel it"
    if not schedule.rest and somebody_has(connection, schedule.issue):
        return "it went out already: send it to the others with --rest"
    _, settings = workspace.newsletter(schedule.newsletter)
    approval = approval_of(connection, schedule.build, settings)
    if not approval.enough:
        return approval.in_words
    stop = open_stop(connection, schedule.newsletter)
    return f"newsletter {schedule.newsletter} is stopped: {stop.reason}" if stop is not None else None


def _length(time: timedelta) -> str:
    hours, minutes = divmod(int(time.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
