"""Consents that run out: seen coming, and written down once they have.

Nothing waits for the writing: `may_mail` reckons lapsing from the dates. The `expired` entries are for the record, so
that a reader's ledger tells the whole story, and no rule changed later brings a lapsed consent back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Select, case, func, insert, literal, null, or_, select

from newsletter.audience.consent import OWN_YES, Basis, Event, Purpose
from newsletter.audience.select import Judged, Some, judge, lapsed
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.tables import Instant, consent

SOURCE = "its time was over"
ACTOR = "the rules"
MONTHS_AHEAD = 12
_CHUNK = 5_000
_MOMENT = timedelta(microseconds=1)
_GRANTS = [event.value for event in (*OWN_YES, Event.IMPORTED)]


@dataclass(frozen=True)
class Lapsing:
    """Readers who may be mailed now and whose consent runs out: within so many days, and by month ("2024-10")."""

    days: int
    soon: int
    by_month: dict[str, int]

    def in_month(self, day: datetime) -> int:
        """How many in the month of that day."""
        return self.by_month.get(f"{day:%Y-%m}", 0)


def record_expired(store: Store, newsletters: Mapping[str, NewsletterSettings], now: datetime) -> int:
    """Write down every consent that has lapsed by now. Gives how many; saying it again finds none."""
    written = 0
    for newsletter, settings in newsletters.items():
        with store.read() as connection:  # in most hours nobody lapses: then nobody waits for the write lock
            found = connection.scalars(_over(newsletter, settings, now, some=_may_lapse(newsletter))).all()
        for start in range(0, len(found), _CHUNK):
            chosen = _over(newsletter, settings, now, some=found[start : start + _CHUNK])
            with store.write() as connection:
                made = _expired(chosen, newsletter, settings, now).returning(consent.c.id)
                written += len(connection.execute(made).all())
    return written


def _over(newsletter: str, settings: NewsletterSettings, now: datetime, *, some: Some) -> Select[Any]:
    """The readers (not erased) whose deciding entry was a yes and has lapsed, with the batch it came in."""
    judged = judge(newsletter, settings, now, subscriber_ids=some)
    query = select(judged.subscriber_id, judged.entry.c.batch_id).select_from(judged.rows)
    return query.where(judged.entry.c.event.in_(_GRANTS), lapsed(judged.entry, settings, now), judged.known).order_by(
        judged.subscriber_id
    )


def _expired(chosen: Select[Any], newsletter: str, settings: NewsletterSettings, now: datetime) -> Insert:
    readers = chosen.subquery()
    values: dict[str, ColumnElement[Any]] = {
        "subscriber_id": readers.c.subscriber_id,
        "newsletter": literal(newsletter),
        "purpose": literal(Purpose.SEND.value),
        "event": literal(Event.EXPIRED.value),
        "jurisdiction": literal(settings.jurisdiction),
        "source": literal(SOURCE),
        "batch_id": readers.c.batch_id,  # when the import is undone, so is the end of what it brought
        "actor": literal(ACTOR),
        "occurred_at": literal(now, Instant),
        "recorded_at": literal(now, Instant),
    }
    return insert(consent).from_select(list(values), select(*values.values()))


def _may_lapse(newsletter: str) -> Select[tuple[int]]:
    """Readers who have an entry with an end: few, so that an hourly look does not weigh the whole audience."""
    ends = or_(consent.c.expires_at.is_not(None), consent.c.basis == Basis.IMPLIED.value)
    return select(consent.c.subscriber_id).where(
        consent.c.newsletter == newsletter, consent.c.purpose == Purpose.SEND.value, ends
    )


def lapsing(
    connection: Connection, newsletter: str, settings: NewsletterSettings, *, at: datetime, days: int = 30
) -> Lapsing:
    """How many of those who may be mailed at `at` will have lapsed, unless they renew; months in the newsletter's zone.

    `by_month` looks a year ahead, the rest of this month first; months in which nobody lapses are left out.
    """
    judged = judge(newsletter, settings, at, subscriber_ids=_may_lapse(newsletter))
    ends = _month_ends(settings, at)
    month = _first(judged, settings, [(end, name) for name, end in ends.items()])
    soon = _first(judged, settings, [(at + timedelta(days=days), "soon")])
    readers = select(month.label("month"), soon.label("soon")).select_from(judged.rows)
    chosen = readers.where(judged.reason.is_(None)).subquery()
    by_month, within = Counter[str](), 0
    rows = select(chosen.c.month, chosen.c.soon, func.count()).group_by(chosen.c.month, chosen.c.soon)
    for name, is_soon, number in connection.execute(rows):
        within += number if is_soon else 0
        by_month[name or ""] += number
    return Lapsing(days, within, {name: by_month[name] for name in ends if by_month[name]})


def _first(judged: Judged, settings: NewsletterSettings, moments: list[tuple[datetime, str]]) -> ColumnElement[Any]:
    """The name of the first of these moments by which the deciding entry has lapsed, or NULL."""
    return case(*((lapsed(judged.entry, settings, moment), name) for moment, name in moments), else_=null())


def _month_ends(settings: NewsletterSettings, at: datetime) -> dict[str, datetime]:
    """The next months by name, each with its last moment in the newsletter's zone."""
    local = at.astimezone(settings.zone)
    first = local.year * 12 + local.month - 1
    ends = {}
    for number in range(first, first + MONTHS_AHEAD):
        (year, month), (next_year, next_month) = divmod(number, 12), divmod(number + 1, 12)
        ends[f"{year}-{month + 1:02}"] = datetime(next_year, next_month + 1, 1, tzinfo=settings.zone) - _MOMENT
    return ends
