"""The audience by SQL: the same answer as `consent.may_mail`, for a whole newsletter in one statement.

Sending uses it twice: to prepare a send (INSERT … SELECT over everyone) and again, restricted to a batch, in the
moment before hand-over. Per reader it walks one stretch of `ix_consent_current` and three keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, literal, null, or_, select

from newsletter.audience.consent import (
    EVERYWHERE,
    OWN_YES,
    RULES,
    SUPPRESSION_REASONS,
    Basis,
    Event,
    Purpose,
    Reason,
    months_before,
)
from newsletter.audience.ledger import not_undone
from newsletter.config import NewsletterSettings
from newsletter.store.tables import consent, subscribers, subscriptions, suppressions


def verdicts(
    newsletter: str,
    settings: NewsletterSettings,
    at: datetime,
    *,
    subscriber_ids: Sequence[int] | Select[tuple[int]] | None = None,
) -> Select[tuple[int, str | None]]:
    """Columns `subscriber_id` and `reason` (NULL: may be mailed), one row per subscription, ended ones included.

    With `subscriber_ids` only those; one who has no subscription to this newsletter gives no row, and is not mailable.
    """
    deciding = _deciding(newsletter, subscriber_ids)
    entry = consent.alias("entry")
    return select(
        deciding.c.subscriber_id,
        case(
            (or_(subscribers.c.erased_at.is_not(None), subscribers.c.address.is_(None)), literal(Reason.ERASED.value)),
            else_=func.coalesce(_suppression(newsletter), _objection(entry, settings, at)),
        ).label("reason"),
    ).select_from(
        deciding.join(subscribers, subscribers.c.id == deciding.c.subscriber_id).outerjoin(
            entry, entry.c.id == deciding.c.entry_id
        )
    )


def _deciding(newsletter: str, subscriber_ids: Sequence[int] | Select[tuple[int]] | None) -> FromClause:
    """Each subscription with the id of the entry that decides; the twin of `consent.deciding`."""

    def last(*events: Event) -> ColumnElement[int]:
        wanted = consent.c.event.in_([event.value for event in events])
        return func.coalesce(func.max(case((wanted, consent.c.id))), 0)

    withdrawn, yes, imported = last(Event.WITHDRAWN), last(*OWN_YES), last(Event.IMPORTED)
    expired, requested = last(Event.EXPIRED), last(Event.REQUESTED)
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
    query = (
        select(subscriptions.c.subscriber_id, entry_id.label("entry_id"))
        .select_from(subscriptions.outerjoin(consent, history))
        .where(subscriptions.c.newsletter == newsletter)
        .group_by(subscriptions.c.subscriber_id)
    )
    if subscriber_ids is not None:
        query = query.where(subscriptions.c.subscriber_id.in_(subscriber_ids))
    return query.subquery("deciding")


def _suppression(newsletter: str) -> ColumnElement[str]:
    """The reason of the gravest suppression in scope, or NULL."""
    ranks = {suppressed.value: rank for rank, suppressed in enumerate(SUPPRESSION_REASONS)}
    gravest = (
        select(func.min(case(ranks, value=suppressions.c.reason)))
        .where(
            suppressions.c.address_hash == subscribers.c.address_hash,
            suppressions.c.scope.in_([EVERYWHERE, newsletter]),
        )
        .correlate(subscribers)
        .scalar_subquery()
    )
    reasons: dict[Any, Any] = {rank: reason.value for rank, reason in enumerate(SUPPRESSION_REASONS.values())}
    return case(reasons, value=gravest)


def _objection(entry: FromClause, settings: NewsletterSettings, at: datetime) -> ColumnElement[str | None]:
    """The twin of `consent.objection_to`: what the deciding entry lacks, or NULL."""
    rules = RULES[settings.jurisdiction]
    lapsed = entry.c.expires_at <= at
    if rules.implied_months is not None:
        term_over = entry.c.occurred_at <= months_before(at, rules.implied_months)
        implied = and_(entry.c.expires_at.is_(None), entry.c.basis == Basis.IMPLIED.value)
        lapsed = or_(lapsed, and_(implied, term_over))
    accepted = func.coalesce(entry.c.basis, "").in_([basis.value for basis in rules.accepted])
    conditions: list[tuple[ColumnElement[bool], Any]] = [
        (entry.c.id.is_(None), Reason.NO_CONSENT.value),
        (entry.c.event == Event.WITHDRAWN.value, Reason.UNSUBSCRIBED.value),
        (entry.c.event == Event.REQUESTED.value, Reason.UNCONFIRMED.value),
        (or_(entry.c.event == Event.EXPIRED.value, lapsed), Reason.EXPIRED.value),
        (~accepted, Reason.BASIS_NOT_ACCEPTED.value),
    ]
    if settings.imports == "confirm":
        conditions.append((entry.c.event == Event.IMPORTED.value, Reason.IMPORT_NEEDS_CONFIRMATION.value))
    return case(*conditions, else_=null())
