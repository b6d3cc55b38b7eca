"""Schedules: which build goes out when. What a person set is a local time and its zone; `due_at` is reckoned from them.

An issue has at most one schedule that is open (waiting, or held until somebody looks). A change of state is a
conditional update, so of two clocks that find one due only one begins it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, delete, insert, select, update

from newsletter.errors import NotFound, Refused
from newsletter.sending.rhythm import Occurrence, occurrence
from newsletter.sending.sends import Send
from newsletter.sending.stops import refuse_if_stopped
from newsletter.store.engine import Store
from newsletter.store.tables import schedule_skips, schedules
from newsletter.store.upsert import upsert


class Standing(StrEnum):
    """Where a schedule stands."""

    WAITING = "waiting"
    BEGUN = "begun"  # its send was made
    HELD = "held"  # it was due and could not begin: somebody must look at the reason
    CANCELLED = "cancelled"


OPEN = (Standing.WAITING, Standing.HELD)


@dataclass(frozen=True)
class NewSchedule:
    """What somebody asks for when they schedule a build."""

    newsletter: str
    issue: str
    build: str
    local_at: str  # 2024-10-10T06:30
    zone: str
    done_by: bool  # the local time is when the last reader should have it
    due_at: datetime
    late_until: datetime
    person: str
    priority: int = 0
    segment: str | None = None
    readers_of: str | None = None
    rest: bool = False
    date_waived: bool = False


@dataclass(frozen=True)
class Schedule(NewSchedule):
    """A schedule as it stands."""

    id: int = 0
    created_at: datetime | None = None
    state: Standing = Standing.WAITING
    reason: str | None = None
    send_id: str | None = None

    @property
    def set_for(self) -> Occurrence:
        """The time that was set, and what it means."""
        return occurrence(datetime.fromisoformat(self.local_at), ZoneInfo(self.zone))

    @property
    def in_words(self) -> str:
        """`2024-10-10 06:30 Europe/Berlin`, and whether that is the end."""
        return f"{self.local_at.replace('T', ' ')} {self.zone}{' (done by then)' if self.done_by else ''}"


def put(connection: Connection, wanted: NewSchedule, now: datetime) -> tuple[Schedule, Schedule | None]:
    """Schedule a build in place of the issue's open schedule; the new one and the one it replaced. With the lock."""
    refuse_if_stopped(connection, wanted.newsletter)
    replaced = open_schedule(connection, wanted.issue)
    if replaced is not None:
        change(connection, replaced, Standing.CANCELLED, reason=f"replaced by {wanted.person}")
    row = {name: getattr(wanted, name) for name in NewSchedule.__dataclass_fields__}
    made = insert(schedules).values(**row, created_at=now, state=Standing.WAITING).returning(schedules.c.id)
    return get(connection, connection.execute(made).scalar_one()), replaced


def change(
    connection: Connection,
    schedule: Schedule,
    state: Standing,
    *,
    reason: str | None = None,
    send_id: str | None = None,
) -> bool:
    """Change its state if it still is what it was when read; whether it was."""
    table = schedules.c
    mine = update(schedules).where(table.id == schedule.id, table.state == schedule.state)
    return connection.execute(mine.values(state=state, state_reason=reason, send_id=send_id)).rowcount == 1


def note_begun(connection: Connection, send: Send) -> None:
    """A new send of an issue takes the place of its schedule: it would go out a second time, or not at all."""
    schedule = open_schedule(connection, send.issue)
    if schedule is not None:
        change(connection, schedule, Standing.BEGUN, reason=f"sent before its time by {send.person}", send_id=send.id)


def cancel(store: Store, issue: str, *, person: str) -> Schedule:
    """Take an issue's schedule back. Raises Refused when it has none that is open."""
    with store.write() as connection:
        schedule = open_schedule(connection, issue)
        if schedule is None:
            raise Refused(f"Issue {issue} is not scheduled. See: newsletter schedules list")
        change(connection, schedule, Standing.CANCELLED, reason=f"cancelled by {person}")
        return get(connection, schedule.id)


def get(connection: Connection, schedule_id: int) -> Schedule:
    """The schedule of that number. Raises NotFound."""
    row = connection.execute(select(schedules).where(schedules.c.id == schedule_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no schedule {schedule_id}. See: newsletter schedules list")
    return _schedule(row)


def open_schedule(connection: Connection, issue: str) -> Schedule | None:
    """The issue's schedule that waits, or is held."""
    query = select(schedules).where(schedules.c.issue == issue, schedules.c.state.in_(OPEN))
    row = connection.execute(query.order_by(schedules.c.id.desc()).limit(1)).one_or_none()
    return _schedule(row) if row is not None else None


def due(connection: Connection, now: datetime) -> list[Schedule]:
    """The waiting schedules whose moment has come: breaking news first, then by their moment."""
    query = select(schedules).where(schedules.c.state == Standing.WAITING, schedules.c.due_at <= now)
    order = (schedules.c.priority.desc(), schedules.c.due_at, schedules.c.id)
    return [_schedule(row) for row in connection.execute(query.order_by(*order))]


def open_schedules(connection: Connection) -> list[Schedule]:
    """Every schedule that waits or is held, in order of its moment."""
    query = select(schedules).where(schedules.c.state.in_(OPEN)).order_by(schedules.c.due_at, schedules.c.id)
    return [_schedule(row) for row in connection.execute(query)]


def all_schedules(connection: Connection) -> list[Schedule]:
    """Every schedule there was, the newest first."""
    query = select(schedules).order_by(schedules.c.due_at.desc(), schedules.c.id.desc())
    return [_schedule(row) for row in connection.execute(query)]


def skips_of(connection: Connection, newsletter: str) -> dict[date, str]:
    """The days a newsletter's rhythm rests once, each with its reason."""
    query = select(schedule_skips.c.date, schedule_skips.c.reason).where(schedule_skips.c.newsletter == newsletter)
    return {row.date: row.reason for row in connection.execute(query.order_by(schedule_skips.c.date))}


def skip(connection: Connection, newsletter: str, day: date, *, reason: str, person: str, now: datetime) -> None:
    """Let the rhythm rest on that day; said again, the new reason stands."""
    row = {"newsletter": newsletter, "date": day, "person": person, "reason": reason, "at": now}
    changes = {"person": person, "reason": reason, "at": now}
    upsert(connection, schedule_skips, row, key=["newsletter", "date"], changes=changes)


def unskip(connection: Connection, newsletter: str, day: date) -> bool:
    """Let it go out that day after all; whether it was skipped."""
    table = schedule_skips.c
    rows = delete(schedule_skips).where(table.newsletter == newsletter, table.date == day)
    return connection.execute(rows).rowcount > 0


def _schedule(row: Row[tuple[object, ...]]) -> Schedule:
    values = dict(row._mapping)
    values["reason"] = values.pop("state_reason")
    return Schedule(**{**values, "state": Standing(values["state"])})
