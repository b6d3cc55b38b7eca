"""The breaker: a send that comes back as bounces or complaints is held before it has gone to everybody.

A mailbox provider that sees too many of either blocks the sender, and Amazon SES pauses the account: stopping costs
one issue, going on may cost all. A send is judged by its own figures, a newsletter by those of its last days together.
A person who has looked may go on; the next judgement then needs as many new outcomes again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, and_, func, or_, select

from newsletter.feedback.delivery_rows import DeliveryRows
from newsletter.feedback.figures import Figures, Kept, advance, count, keep, kept, weight
from newsletter.feedback.suppressing import CONTENT
from newsletter.feedback.vocabulary import Event, Kind
from newsletter.sending.sends import State, get, move
from newsletter.sending.stops import stop, under_way
from newsletter.settings import BreakerSettings, Settings
from newsletter.store.tables import events, newsletter_stops, sends

WINDOW = timedelta(days=7)
_ALARMING = frozenset({Kind.BOUNCE, Kind.COMPLAINT, Kind.REJECT})

log = logging.getLogger(__name__)


def lock_sends(connection: Connection, found: Iterable[Event]) -> None:
    """Lock, before any delivery's row, the rows of the sends these events may stop.

    Dispatch locks its send and then its readers: in another order each would wait for the other.
    """
    named = {event.delivery.send_id for event in found if event.delivery and event.kind in _ALARMING}
    if named:
        newsletters = select(sends.c.newsletter).where(sends.c.id.in_(named))
        theirs = and_(sends.c.newsletter.in_(newsletters), under_way())
        rows = select(sends.c.id).where(or_(sends.c.id.in_(named), theirs))
        connection.execute(rows.order_by(sends.c.id).with_for_update())


def judge(
    connection: Connection, rows: DeliveryRows, found: Sequence[Event], *, settings: Settings, now: datetime
) -> int:
    """Take what the ledger has just learned into the figures, and hold what must not go on; how many sends were held.

    Call it after `rows` were written, in the same transaction.
    """
    added: defaultdict[str, Figures] = defaultdict(Figures)
    for (send_id, _), (before, after) in rows.changed().items():
        if more := _nonzero(weight(before, after)):
            added[send_id] += more
    held = sum(_refused_content(connection, send_id) for send_id in _rejected(rows, found))
    newsletters: dict[str, str] = {}
    for send_id, figures in sorted(advance(connection, added).items()):
        newsletter = get(connection, send_id).newsletter
        judged, stopped = _judge_send(connection, send_id, figures, _breaker(settings, newsletter))
        keep(connection, send_id, judged)
        held += stopped
        if added[send_id].hard_bounces or added[send_id].complaints:
            newsletters[newsletter] = send_id
    for newsletter, send_id in newsletters.items():
        _judge_newsletter(connection, newsletter, send_id, breaker=_breaker(settings, newsletter), now=now)
    return held


def excess(figures: Figures, breaker: BreakerSettings, *, part: float = 1.0) -> str | None:
    """Which share is beyond that part of what is allowed, with its numbers; None while neither is."""
    if figures.heard < breaker.after:
        return None
    for words, number, share in (
        ("hard bounces", figures.hard_bounces, breaker.hard_bounces),
        ("complaints", figures.complaints, breaker.complaints),
    ):
        if number > figures.heard * share * part:
            return (
                f"{number:,} {words} among {figures.heard:,} outcomes heard of ({number / figures.heard:.2%}; "
                f"the breaker's limit is {share:.2%})"
            )
    return None


def warnings_of(connection: Connection, send_id: str, settings: Settings) -> list[str]:
    """What a person should know of what came back of a send, a sentence each."""
    breaker = _breaker(settings, get(connection, send_id).newsletter)
    said = []
    if near := excess(count(connection, send_id), breaker, part=0.5):
        said.append(f"More than half of what the breaker allows: {near}.")
    query = select(events.c.detail, func.count()).where(events.c.send_id == send_id, events.c.kind == Kind.SOFT_BOUNCE)
    blamed = query.where(events.c.detail.in_([f"Transient/{word}" for word in CONTENT])).group_by(events.c.detail)
    said += [
        f"{number:,} receivers refused it for what it holds or its size ({detail}): the issue is at fault."
        for detail, number in sorted((str(detail), int(number)) for detail, number in connection.execute(blamed))
    ]
    return said


def _nonzero(figures: Figures) -> Figures | None:
    return figures if figures != Figures() else None


def _breaker(settings: Settings, newsletter: str) -> BreakerSettings:
    found = settings.newsletters.get(newsletter)
    return found.breaker if found else BreakerSettings()


def _judge_send(connection: Connection, send_id: str, found: Kept, breaker: BreakerSettings) -> tuple[Kept, bool]:
    if reason := excess(found.fresh, breaker):
        held = _hold(connection, send_id, reason)
        if held or found.judged == Figures():  # of one that is over or held already it is said once
            log.error("Send %s: %s.%s", send_id, reason, " It is held." if held else "")
        return replace(found, judged=found.figures, warned=False), held
    if not found.warned and (near := excess(found.fresh, breaker, part=0.5)):
        log.warning("Send %s: more than half of what the breaker allows: %s.", send_id, near)
        return replace(found, warned=True), False
    return found, False


def _hold(connection: Connection, send_id: str, reason: str) -> bool:
    """Hold a send that goes on by itself, until a person has looked; whether it did."""
    goes_on = connection.scalar(select(sends.c.id).where(sends.c.id == send_id, under_way())) is not None
    if goes_on:
        move(connection, get(connection, send_id), State.HELD, reason=reason)
    return goes_on


def _judge_newsletter(
    connection: Connection, newsletter: str, send_id: str, *, breaker: BreakerSettings, now: datetime
) -> None:
    ids = [row.id for row in _recent(connection, newsletter, now)]
    together = sum((each.figures for each in kept(connection, ids).values()), Figures())
    reason = excess(together, breaker)
    if reason and stop(connection, newsletter, send_id=send_id, reason=reason, at=now):
        log.error("Newsletter %s is stopped until a person lifts it: %s.", newsletter, reason)


def _recent(connection: Connection, newsletter: str, now: datetime) -> Sequence[Row[tuple[str]]]:
    """The newsletter's sends of the last days; who lifted a stop has seen what began before."""
    lifted = select(func.max(newsletter_stops.c.lifted_at)).where(newsletter_stops.c.newsletter == newsletter)
    seen = connection.scalar(lifted)
    since = max(now - WINDOW, seen) if seen else now - WINDOW
    begun = func.coalesce(sends.c.first_handover_at, sends.c.created_at)
    return connection.execute(select(sends.c.id).where(sends.c.newsletter == newsletter, begun >= since)).all()


def _rejected(rows: DeliveryRows, found: Sequence[Event]) -> set[str]:
    """Sends of which Amazon SES refused the content itself (it holds a virus), which is so for every reader."""
    changed: Mapping[tuple[str, int], object] = rows.changed()
    keys = [(e.delivery.send_id, e.delivery.subscriber_id) for e in found if e.kind is Kind.REJECT and e.delivery]
    return {key[0] for key in keys if key in changed}


def _refused_content(connection: Connection, send_id: str) -> bool:
    reason = "Amazon SES refused the mail for its content (Reject: it holds a virus, or what looks like one)"
    held = _hold(connection, send_id, reason)
    if held:
        log.error("Send %s is held: %s.", send_id, reason)
    return held
