"""The verb `schedule`: this issue, as it is now, goes out at that hour.

It is built, checked for the moment it will go out, frozen and approved; what is scheduled is the build, by its hash.
Without an hour the newsletter's rhythm gives it: its time on the issue's date, or the next one when that has passed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection

from newsletter.audience.segments import read_segment
from newsletter.config import Workspace
from newsletter.editorial.definition import IssueDefinition
from newsletter.editorial.library import Library
from newsletter.errors import InputError, Place, Problem, Refused
from newsletter.preflight.findings import Finding
from newsletter.preflight.waivers import read_waive_options
from newsletter.sending.breaking import BREAKING, refuse_beyond_cap
from newsletter.sending.forecast import Forecast, forecast
from newsletter.sending.instants import shown
from newsletter.sending.readers import meant_readers
from newsletter.sending.rhythm import Occurrence, Rhythm, occurrence, rhythm_of
from newsletter.sending.schedule import NewSchedule, Schedule, put, skips_of
from newsletter.sending.send import refuse_if_out
from newsletter.sending.sends import unfinished
from newsletter.sending.signing import Unapproved, sign
from newsletter.settings import MOST_MINUTES_LATE, NewsletterSettings
from newsletter.store.engine import Store
from newsletter.transports.mail import Transport
from newsletter.values import did_you_mean_zone

NEXT = 5  # instants of the rhythm that are shown
_AT = re.compile(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}:\d\d)")
_NEARLY = re.compile(
    r"(?:(?P<day>\d{4}-\d\d-\d\d)\W+|[^\W\d]+\W+)?"
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{1,2})(?::00)?\s*(?:(?P<half>[ap])\.?m\.?)?",
    re.IGNORECASE,
)  # `tomorrow 6:3`, `6.30`, `6:30 pm`


@dataclass(frozen=True)
class Plan:
    """Who wants which issue out when."""

    issue: str
    person: str
    at: str | None = None  # `2024-10-10 06:30`, or `06:30` on the issue's date; None: by the rhythm
    zone: str | None = None
    done_by: bool = False
    late_minutes: int | None = None  # the newsletter's own if None
    waive: Sequence[str] = ()
    breaking: bool = False
    rest: bool = False
    segment: str | None = None
    readers_of: str | None = None  # only those who had that issue; None: as its definition says


@dataclass(frozen=True)
class Planned:
    """What came of it. Without a schedule the findings, or the missing approval, say why."""

    findings: tuple[Finding, ...]
    waived: frozenset[str]
    schedule: Schedule | None = None
    replaced: Schedule | None = None
    unapproved: Unapproved | None = None
    forecast: Forecast | None = None
    at_once: bool = False  # the moment to begin has passed, the hour to be done by has not


@dataclass(frozen=True)
class Moment:
    """The time that was set, and when that means to begin."""

    set_for: Occurrence
    begins: datetime
    forecast: Forecast | None
    done_by: bool
    at_once: bool


def plan(store: Store, workspace: Workspace, transport: Transport, wanted: Plan, *, now: datetime) -> Planned:
    """Schedule an issue, in place of its open schedule. Raises InputError, Refused, NotFound and StoreError."""
    waivers = read_waive_options(wanted.waive)
    if wanted.segment is not None:
        read_segment(workspace, wanted.segment)
    definition, _ = Library(workspace.issues).definition(wanted.issue)
    name, settings = workspace.newsletter(definition.newsletter)
    with store.read() as connection:
        _refuse_if_begun(connection, wanted)
        readers_of = meant_readers(connection, workspace, wanted.issue, wanted.readers_of)
        rhythm = rhythm_of(name, settings, skips_of(connection, name))
    late = timedelta(minutes=_late_minutes(wanted, settings))
    moment = _moment(store, transport, wanted, definition=definition, settings=settings, rhythm=rhythm, now=now)
    signed = sign(store, workspace, wanted.issue, person=wanted.person, waivers=waivers, due=moment.begins, now=now)
    planned = Planned(signed.findings, signed.waived, None, None, signed.unapproved, moment.forecast, moment.at_once)
    if not signed.may_go:
        return planned
    row = NewSchedule(
        newsletter=name,
        issue=wanted.issue,
        build=signed.build.hash,
        local_at=moment.set_for.local.isoformat(timespec="minutes"),
        zone=moment.set_for.zone,
        done_by=moment.done_by,
        due_at=moment.begins,
        late_until=moment.begins + late,
        person=wanted.person,
        priority=BREAKING if wanted.breaking else 0,
        segment=wanted.segment,
        readers_of=readers_of,
        rest=wanted.rest,
        date_waived="DATE" in waivers,
    )
    with store.write() as connection:
        _refuse_if_begun(connection, wanted)
        if wanted.breaking:
            refuse_beyond_cap(connection, name, settings, issue=wanted.issue, at=moment.begins)
        made, replaced = put(connection, row, now)
    return replace(planned, schedule=made, replaced=replaced)


def coming(
    store: Store, workspace: Workspace, newsletter: str | None, *, now: datetime
) -> tuple[Rhythm, list[Occurrence]]:
    """A newsletter's rhythm and its next instants. Raises Refused when it has none, NotFound and InputError."""
    name, settings = workspace.newsletter(newsletter)
    with store.read() as connection:
        rhythm = rhythm_of(name, settings, skips_of(connection, name))
    if rhythm is None:
        raise Refused(f"Newsletter {name} has no rhythm. Set one in config.toml: rhythm = {{ at = 06:30:00 }}")
    return rhythm, list(islice(rhythm.after(now), NEXT))


def _late_minutes(wanted: Plan, settings: NewsletterSettings) -> int:
    chosen = settings.late_minutes if wanted.late_minutes is None else wanted.late_minutes
    if not 0 <= chosen <= MOST_MINUTES_LATE:
        remedy = f"Say at most {MOST_MINUTES_LATE:,} (a week); what is later is held, and can be scheduled again."
        raise InputError([Problem(Place("--late-minutes"), f"{chosen} minutes are too many.", remedy)])
    return chosen


def _refuse_if_begun(connection: Connection, wanted: Plan) -> None:
    send = unfinished(connection, wanted.issue)
    if send is not None:
        raise Refused(
            f"Issue {wanted.issue} is under way: send {send.id} is {send.state}. "
            f"End that one first: newsletter sends cancel {send.id}"
        )
    if not wanted.rest:
        refuse_if_out(connection, wanted.issue)


# -- the moment --------------------------------------------------------------------------------------------------------


def _moment(
    store: Store,
    transport: Transport,
    wanted: Plan,
    *,
    definition: IssueDefinition,
    settings: NewsletterSettings,
    rhythm: Rhythm | None,
    now: datetime,
) -> Moment:
    done_by = wanted.done_by or (wanted.at is None and rhythm is not None and rhythm.settings.done_by)
    if wanted.at is not None:
        set_for = _read_at(wanted.at, definition, _zone(wanted.zone) or settings.zone)
    elif wanted.zone is not None:
        raise InputError([Problem(Place("--zone"), "is the zone of a time.", 'Add one: --at "06:30".')])
    else:
        set_for = _by_rhythm(definition, rhythm, now)
    if set_for.at < now:
        there = shown(now, ZoneInfo(set_for.zone))
        raise Refused(
            f"{_minute(set_for.local)} {set_for.zone} has passed: it is {_minute(there)} there. "
            f"Name a later time with --at, or send it now: newsletter send {wanted.issue}"
        )
    if not done_by:
        return Moment(set_for, set_for.at, None, done_by=False, at_once=False)
    with store.read() as connection:
        found = forecast(
            connection, definition.newsletter, settings, quota=transport.quota(), scope=transport.scope, now=now
        )
    begins = found.begins(set_for.at)
    return Moment(set_for, max(begins, now), found, done_by=True, at_once=begins < now)


def _by_rhythm(definition: IssueDefinition, rhythm: Rhythm | None, now: datetime) -> Occurrence:
    if rhythm is None:
        message = f"newsletter {definition.newsletter} has no rhythm, so an issue needs its hour."
        remedy = 'Say it, such as --at "06:30" (on the issue\'s date), or set `rhythm` in config.toml.'
        raise InputError([Problem(Place("--at"), message, remedy)])
    own = rhythm.on(definition.date)
    if own.at >= now and rhythm.rests(definition.date) is None:
        return own
    found = next(rhythm.after(now), None)
    if found is None:
        raise InputError([Problem(Place("config.toml"), "the rhythm has no day to go out.", "Give it `days`.")])
    return found


def _read_at(written: str, definition: IssueDefinition, zone: ZoneInfo) -> Occurrence:
    """`2024-10-10 06:30`, or `06:30` on the issue's date."""
    found = _AT.fullmatch(written.strip())
    try:
        if found is None:
            raise ValueError
        hour = time.fromisoformat(found[2].zfill(5))
        day = datetime.fromisoformat(found[1]).date() if found[1] else definition.date
        if day.year == MAXYEAR:  # beyond it there is no day to be late on
            raise OverflowError
        return occurrence(datetime.combine(day, hour), zone)
    except (ValueError, OverflowError):
        message = f"“{written.strip()[:40]}” is no time."
        remedy = 'Write --at "2024-10-10 06:30", or --at "06:30" for the issue\'s own date.'
        raise InputError([Problem(Place("--at"), message, f"{_meant(written, definition.date)}{remedy}")]) from None


def _meant(written: str, issued: date) -> str:
    """The time that was plainly meant, as a question; nothing where it is not plain."""
    found = _NEARLY.fullmatch(written.strip())
    try:
        day = date.fromisoformat(found["day"]) if found and found["day"] else issued
        hour, minute = (int(found["hour"]), found["minute"]) if found else (99, "")
        if found and found["half"]:
            hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
        if (hour, minute) == (24, "00"):
            day, hour = day + timedelta(days=1), 0
        minutes = [minute] if len(minute) == 2 or minute > "5" else [minute, f"{minute}0"]
        meant = [time(hour, int(each)) for each in minutes]
    except (ValueError, OverflowError):
        return ""
    said = " or ".join(f'"{each:%H:%M}"' if day == issued else f'"{day} {each:%H:%M}"' for each in meant)
    return f"Did you mean {said}{f', on {issued}' if day == issued else ''}? "


def _minute(local: datetime) -> str:
    """As it is written, in any year: `%Y` leaves the zeros of the first centuries out."""
    return local.isoformat(" ", "minutes")


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name is not None else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f'"{name}" is not a time zone.'
        raise InputError([Problem(Place("--zone"), message, did_you_mean_zone(name or ""))]) from None
