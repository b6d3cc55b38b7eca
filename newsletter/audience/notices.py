"""Telling readers of a change of policy, and hearing their yes to it.

Told are those who are still subscribed and agreed to an earlier version: never who left, lapsed, was erased or is
suppressed. Each is owed one mail a version. It asks for a new consent (`policy-reconsent`) when without one she would
get nothing once the version is in force, and else only tells (`policy-notice`). Before the day of the version will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, FromClause, Select, case, false, func, insert, literal, or_, select

from newsletter.audience import ledger
from newsletter.audience.consent import OWN_YES, Basis, Entry, Event, Reason, deciding
from newsletter.audience.mail_owed import MailKind
from newsletter.audience.policies import begins, later_of, newest_to_tell, policy_in_force, since, sufficient_versions
from newsletter.audience.proofs import Visit, keep_visit
from newsletter.audience.select import Judged, judge
from newsletter.config import Workspace
from newsletter.settings import NewsletterSettings, PolicySettings
from newsletter.store.engine import Store
from newsletter.store.tables import Instant, service_mails

STILL_SUBSCRIBED = (Reason.PAUSED, Reason.RECONSENT_OWED)  # beside those who may be mailed
_KINDS = (MailKind.POLICY_NOTICE, MailKind.POLICY_RECONSENT)


@dataclass(frozen=True)
class Notices:
    """How a version stands: whom it concerns, who was owed a mail before, and who is owed one now."""

    version: str
    concerned: int
    told: int
    queued: int


@dataclass(frozen=True)
class Standing:
    """One version in numbers: mails accepted and on their way, and readers whose yes to it is owed."""

    policy: PolicySettings
    told: int
    on_their_way: int
    owing: int


class Agreed(StrEnum):
    """What became of a reader's yes."""

    AGREED = "agreed"
    ALREADY = "already"
    NOT_SUBSCRIBED = "not-subscribed"  # she left, or may not be mailed for a graver reason
    UNKNOWN = "unknown"


def owe_notices(
    connection: Connection, newsletter: str, settings: NewsletterSettings, *, now: datetime, dry_run: bool = False
) -> Notices | None:
    """Owe a mail about the newest version to everyone it concerns, once each; None when there is nothing to tell of."""
    policy = newest_to_tell(settings)
    if policy is None:
        return None
    concerned = _concerned(newsletter, settings, policy, now=now).subquery()
    request = literal(f"policy:{newsletter}:{policy.version}:").concat(concerned.c.subscriber_id)
    known = select(service_mails.c.id).where(service_mails.c.request == request).exists()
    counts = select(func.count(), func.count(case((known, 1)))).select_from(concerned)
    number, told = connection.execute(counts).one()
    values = {
        "request": request,
        "kind": concerned.c.kind,
        "subscriber_id": concerned.c.subscriber_id,
        "newsletter": literal(newsletter),
        "detail": literal(policy.version),
        "state": literal("queued"),
        "queued_at": literal(now, Instant),
    }
    new = select(*values.values()).where(~known).order_by(concerned.c.subscriber_id)
    if not dry_run:
        connection.execute(insert(service_mails).from_select(list(values), new))
    return Notices(policy.version, number, told, number - told)


def _concerned(
    newsletter: str, settings: NewsletterSettings, policy: PolicySettings, *, now: datetime
) -> Select[tuple[int, str]]:
    """Who is still subscribed and has not agreed to this version or a later one, with the kind of mail she needs."""
    today = judge(newsletter, settings, now)
    agreed = func.coalesce(today.entry.c.policy_version, "").in_(since(settings, policy.version))
    kind = case((_will_owe(today.entry, settings, max(now, begins(policy, settings))), _KINDS[1]), else_=_KINDS[0])
    query = select(today.subscriber_id, kind.label("kind")).select_from(today.rows)
    return query.where(_still_subscribed(today), ~agreed)


def _still_subscribed(judged: Judged) -> ColumnElement[bool]:
    return or_(judged.reason.is_(None), judged.reason.in_([reason.value for reason in STILL_SUBSCRIBED]))


def _will_owe(entry: FromClause, settings: NewsletterSettings, at: datetime) -> ColumnElement[bool]:
    """Whether this consent will not do any more at that moment."""
    sufficient = sufficient_versions(settings, at)
    return false() if sufficient is None else func.coalesce(entry.c.policy_version, "").not_in(sufficient)


def standings(
    connection: Connection, newsletter: str, settings: NewsletterSettings, *, now: datetime
) -> list[Standing]:
    """Every version, the oldest first. A yes is owed to a reconsent by who is subscribed on an earlier version."""
    today = judge(newsletter, settings, now)
    version = today.entry.c.policy_version
    agreed = select(version, func.count()).select_from(today.rows).where(_still_subscribed(today)).group_by(version)
    readers = {row[0]: int(row[1]) for row in connection.execute(agreed)}
    table = service_mails.c
    by_state = select(table.detail, table.state, func.count()).group_by(table.detail, table.state)
    ours = by_state.where(table.newsletter == newsletter, table.kind.in_(_KINDS))
    mails = {(row[0], row[1]): int(row[2]) for row in connection.execute(ours)}
    found = []
    for policy in settings.policies:
        good = since(settings, policy.version)
        owing = sum(number for agreed_to, number in readers.items() if agreed_to not in good)
        under_way = sum(mails.get((policy.version, state), 0) for state in ("queued", "in_flight"))
        told = mails.get((policy.version, "accepted"), 0)
        found.append(Standing(policy, told, under_way, owing if policy.change == "reconsent" else 0))
    return found


@dataclass(frozen=True)
class Asked:
    """What the link in a policy mail stands for."""

    subscriber_id: int
    newsletter: str
    version: str


def asked(connection: Connection, service_mail_id: int) -> Asked | None:
    """Whom a policy mail asked, for which newsletter, about which version."""
    table = service_mails.c
    query = select(table.subscriber_id, table.newsletter, table.detail)
    row = connection.execute(query.where(table.id == service_mail_id, table.kind.in_(_KINDS))).one_or_none()
    return Asked(row.subscriber_id, row.newsletter, row.detail or "") if row else None


def agree(store: Store, workspace: Workspace, service_mail_id: int, *, visit: Visit, now: datetime) -> Agreed:
    """The reader pressed the button behind the link: her express consent, under the version she was asked about."""
    with store.write() as connection:
        question = asked(connection, service_mail_id)
        settings = workspace.settings.newsletters.get(question.newsletter) if question else None
        if question is None or settings is None:
            return Agreed.UNKNOWN
        history = ledger.histories(connection, question.newsletter, [question.subscriber_id])
        current = deciding(history.get(question.subscriber_id, []))
        version = later_of(settings, question.version, policy_in_force(settings, now))
        if current is None or not _subscribed(connection, question, settings, now=now):
            return Agreed.NOT_SUBSCRIBED
        if current.event in OWN_YES and current.policy_version in (version, *since(settings, version or "")):
            return Agreed.ALREADY
        entry = Entry(
            Event.REAFFIRMED,
            now,
            source=f"the mail about policy {question.version}",
            actor="reader",
            jurisdiction=settings.jurisdiction,
            basis=Basis.EXPRESS,
            wording=current.wording,  # what she agreed to before stands; only the policy is new
            policy_version=version,
        )
        number = ledger.record_one(connection, question.newsletter, question.subscriber_id, entry, now=now)
        days = workspace.settings.retention.proof_days
        keep_visit(connection, question.subscriber_id, [number], visit, now=now, days=days)
        return Agreed.AGREED


def _subscribed(connection: Connection, question: Asked, settings: NewsletterSettings, *, now: datetime) -> bool:
    """Whether nothing but the owed yes, or a pause, keeps her from getting mail."""
    judged = judge(question.newsletter, settings, now, subscriber_ids=[question.subscriber_id])
    query = select(judged.subscriber_id).select_from(judged.rows).where(_still_subscribed(judged))
    return connection.scalar(query) is not None
