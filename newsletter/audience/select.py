"""The audience by SQL: the same answer as `consent.may_mail`, for a whole newsletter in one statement.

Sending uses it twice: to prepare a send (INSERT … SELECT over everyone) and again, restricted to a batch, in the
moment before hand-over. Per reader it walks one stretch of `ix_consent_current` and three keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    true,
)

from newsletter.audience.consent import (
    EVERYWHERE,
    OWN_YES,
    RULES,
    SUPPRESSION_REASONS,
    Basis,
    Event,
    Ground,
    Purpose,
    Reason,
    Rules,
    months_before,
)
from newsletter.audience.ledger import in_force, not_undone
from newsletter.audience.policies import sufficient_versions
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import Instant, consent, subscribers, subscriptions, suppressions


@dataclass(frozen=True)
class Stretch:
    """Readers by their ids: above the first, up to the second."""

    above: int
    up_to: int
    # PostgreSQL does not conclude it for the entries from their equality with the readers. SQLite, told so, would walk
    # the whole stretch of entries for every reader.
    of_entries_too: bool = False


Some = Sequence[int] | Select[tuple[int]] | BindParameter[Sequence[int]] | Stretch | None


def among(reader: ColumnElement[int], some: Some) -> ColumnElement[bool]:
    """Whether this is one of them."""
    if isinstance(some, Stretch):
        return and_(reader > some.above, reader <= some.up_to)
    return true() if some is None else reader.in_(some)


@dataclass(frozen=True)
class Judged:
    """The parts of a verdict, for questions that want more of it than the reason."""

    rows: FromClause  # one per subscription
    subscriber_id: ColumnElement[int]
    entry: FromClause  # the entry that decides; all NULL when there is none
    reason: ColumnElement[Any]  # NULL: may be mailed
    known: ColumnElement[bool]  # she is not erased: we have her address


def verdicts(
    newsletter: str,
    settings: NewsletterSettings,
    at: datetime,
    *,
    subscriber_ids: Some = None,
) -> Select[tuple[int, str | None]]:
    """Columns `subscriber_id` and `reason` (NULL: may be mailed), one row per subscription, ended ones included.

    With `subscriber_ids` only those; one who has no subscription to this newsletter gives no row, and is not mailable.
    """
    judged = judge(newsletter, settings, at, subscriber_ids=subscriber_ids)
    return select(judged.subscriber_id, judged.reason.label("reason")).select_from(judged.rows)


def judge(newsletter: str, settings: NewsletterSettings, at: datetime, *, subscriber_ids: Some = None) -> Judged:
    """Each subscription with the entry that decides and the reason against it."""
    deciding = deciding_entries(newsletter, subscriber_ids)
    entry = consent.alias("entry")
    known = and_(subscribers.c.erased_at.is_(None), subscribers.c.address.is_not(None))
    objection = _objection(entry, settings, at, paused=deciding.c.paused_until > at)
    reason = case((known, func.coalesce(_suppression(newsletter), objection)), else_=literal(Reason.ERASED.value))
    rows = deciding.join(subscribers, subscribers.c.id == deciding.c.subscriber_id)
    return Judged(
        rows.outerjoin(entry, entry.c.id == deciding.c.entry_id), deciding.c.subscriber_id, entry, reason, known
    )


def tracking(newsletter: str, purpose: Purpose, *, subscriber_ids: Some = None) -> Select[tuple[int]]:
    """The readers who agreed to be measured for this purpose; the twin of `consent.may_track`."""
    yes = _last(*OWN_YES)
    agreed = and_(yes > _last(Event.WITHDRAWN), yes > _last(Event.EXPIRED))
    query = select(consent.c.subscriber_id).where(
        consent.c.newsletter == newsletter, consent.c.purpose == purpose.value, not_undone()
    )
    if subscriber_ids is not None:
        query = query.where(among(consent.c.subscriber_id, subscriber_ids))
    return query.group_by(consent.c.subscriber_id).having(agreed)


@cache  # the same pieces stand in every verdict, and making them anew took a third of the time a small one takes
def _last(*events: Event) -> ColumnElement[int]:
    """The newest entry of these events in a reader's history, 0 for none."""
    wanted = consent.c.event.in_([event.value for event in events])
    return func.coalesce(func.max(case((wanted, consent.c.id))), 0)


def deciding_entries(newsletter: str, subscriber_ids: Some) -> FromClause:
    """Each subscription with the id of the entry that decides; the twin of `consent.deciding`."""
    withdrawn, yes, imported = _last(Event.WITHDRAWN), _last(*OWN_YES), _last(Event.IMPORTED)
    expired, requested = _last(Event.EXPIRED), _last(Event.REQUESTED)
    entry_id = case(
        (withdrawn > yes, withdrawn),
        (yes > expired, yes),
        (imported > expired, imported),
        (expired > 0, expired),
        else_=requested,
    )
    history = and_(
        consent.c.newsletter == subscriptions.c.newsletter,
        consent.c.purpose == Purpose.SEND.value,
        consent.c.subscriber_id == subscriptions.c.subscriber_id,
        not_undone(),
    )
    if isinstance(subscriber_ids, Stretch) and subscriber_ids.of_entries_too:
        history = and_(history, among(consent.c.subscriber_id, subscriber_ids))
    paused_until = func.max(subscriptions.c.paused_until).label("paused_until")  # one row a reader: max picks it
    query = (
        select(subscriptions.c.subscriber_id, entry_id.label("entry_id"), paused_until)
        .select_from(subscriptions.outerjoin(consent, history))
        .where(subscriptions.c.newsletter == newsletter, in_force(subscriptions))
        .group_by(subscriptions.c.subscriber_id)
    )
    if subscriber_ids is not None:
        query = query.where(among(subscriptions.c.subscriber_id, subscriber_ids))
    return query.subquery("deciding")


@lru_cache(maxsize=64)
def _suppression(newsletter: str) -> ColumnElement[str]:
    """The reason of the gravest suppression in scope, or NULL."""
    ranks = {suppressed.value: rank for rank, suppressed in enumerate(SUPPRESSION_REASONS)}
    gravest = (
        select(func.min(case(ranks, value=suppressions.c.reason)))
        .where(
            suppressions.c.address_hash == subscribers.c.address_hash,
            suppressions.c.scope.in_([EVERYWHERE, newsletter]),
            in_force(suppressions),
        )
        .correlate(subscribers)
        .scalar_subquery()
    )
    reasons: dict[Any, Any] = {rank: reason.value for rank, reason in enumerate(SUPPRESSION_REASONS.values())}
    return case(reasons, value=gravest)


def _objection(
    entry: FromClause, settings: NewsletterSettings, at: datetime, *, paused: ColumnElement[bool]
) -> ColumnElement[str | None]:
    """The twin of `consent.objection_to`: what the deciding entry lacks, or NULL; last of all the pause."""
    conditions: list[tuple[ColumnElement[bool], Any]] = [
        (entry.c.id.is_(None), Reason.NO_CONSENT.value),
        (entry.c.event == Event.WITHDRAWN.value, Reason.UNSUBSCRIBED.value),
        (entry.c.event == Event.REQUESTED.value, Reason.UNCONFIRMED.value),
        (or_(entry.c.event == Event.EXPIRED.value, lapsed(entry, settings, at)), Reason.EXPIRED.value),
        (_not_accepted(entry, settings), Reason.BASIS_NOT_ACCEPTED.value),
    ]
    if settings.imports == "confirm":
        conditions.append((entry.c.event == Event.IMPORTED.value, Reason.IMPORT_NEEDS_CONFIRMATION.value))
    sufficient = sufficient_versions(settings, at)
    if sufficient is not None:
        named = func.coalesce(entry.c.policy_version, "").in_(sufficient)
        conditions.append((~named, Reason.RECONSENT_OWED.value))
    conditions.append((paused, Reason.PAUSED.value))
    return case(*conditions, else_=null())


def lapsed(entry: FromClause, settings: NewsletterSettings, at: datetime) -> ColumnElement[bool]:
    """The twin of `consent.lapsed`, under the newsletter's rules and the entry's own."""
    over = entry.c.expires_at <= at
    for name, rules in RULES.items():
        if rules.months:
            ours = name == settings.jurisdiction
            term_over = and_(entry.c.basis == Basis.IMPLIED.value, entry.c.occurred_at <= _arisen(entry, rules, at))
            over = or_(over, term_over if ours else and_(entry.c.jurisdiction == name, term_over))
    return over


def _arisen(entry: FromClause, rules: Rules, at: datetime) -> ColumnElement[datetime]:
    """The moment since which an implied consent must have arisen to be good still; the twin of `Rules.term`."""

    def before(ground: str | None, *, dated: bool) -> ColumnElement[datetime]:
        return literal(months_before(at, rules.term(ground, dated=dated) or 0), Instant)

    undated = case((entry.c.expires_at.is_(None), before(None, dated=False)), else_=before(None, dated=True))
    known = [(entry.c.ground == ground.value, before(ground, dated=False)) for ground in Ground]
    return case(*known, else_=undated)


def _not_accepted(entry: FromClause, settings: NewsletterSettings) -> ColumnElement[bool]:
    """Whether the basis lacks what the newsletter's rules want, or those the entry was given under."""
    basis, ours = func.coalesce(entry.c.basis, ""), RULES[settings.jurisdiction].accepted
    refused: ColumnElement[bool] = basis.not_in([known.value for known in ours])
    for name, rules in RULES.items():
        missing = sorted(known.value for known in ours - rules.accepted)
        if missing:
            refused = or_(refused, and_(entry.c.jurisdiction == name, basis.in_(missing)))
    return refused
