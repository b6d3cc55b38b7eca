"""Why is this reader in, or out? For one address, in words; for a whole audience, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from sqlalchemy import Connection, func, select

from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Decision, Reason, may_mail
from newsletter.audience.select import verdicts
from newsletter.audience.suppression import suppressions_of
from newsletter.settings import NewsletterSettings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing


@dataclass(frozen=True)
class Explanation:
    """Whether an address would be mailed now; `reason` is a Reason or `mailable`, `evidence` the record behind it."""

    address: str
    newsletter: str
    mailable: bool
    reason: str
    evidence: str


def explain(
    store: Store, keys: KeyRing, address: str, *, newsletter: str, settings: NewsletterSettings, at: datetime
) -> Explanation:
    """Decide for one address, known or not. Raises InputError when it is no address."""
    found = normalise(address)
    hashed = address_hash(found.normal, keys.hash)
    with store.read() as connection:
        decision = _decide(connection, hashed, newsletter, settings=settings, at=at)
    return Explanation(found.spelling, newsletter, decision.allowed, str(decision.reason), decision.evidence)


def _decide(
    connection: Connection, hashed: str, newsletter: str, *, settings: NewsletterSettings, at: datetime
) -> Decision:
    person = ledger.find_subscribers(connection, [hashed]).get(hashed)
    if person and person.gone and not person.erased:
        person = None  # blanked with an import that was undone, or a sign-up nobody confirmed: not on record
    ids = [person.id] if person else []
    histories = ledger.histories(connection, newsletter, ids)
    pause = ledger.paused_until(connection, newsletter, ids)
    decision = may_mail(
        histories.get(person.id, []) if person else [],
        suppressions=suppressions_of(connection, [hashed], newsletter).get(hashed, []),
        erased=person is not None and person.erased,
        paused_until=pause.get(person.id) if person else None,
        settings=settings,
        at=at,
    )
    if not ledger.listed(connection, newsletter, ids) and (decision.allowed or decision.reason == Reason.NO_CONSENT):
        who = "the reader has no subscription to" if person else "nobody with this address is known to"
        return Decision(False, Reason.NO_CONSENT, f"{who} {newsletter}")
    return decision


class Count(TypedDict):
    """`audience` = `mailable` + the sum of `excluded_by`."""

    audience: int
    mailable: int
    excluded_by: dict[str, int]


def count(connection: Connection, newsletter: str, *, settings: NewsletterSettings, at: datetime) -> Count:
    """The audience in numbers: everyone with a subscription row, who may be mailed, who not by reason."""
    found = verdicts(newsletter, settings, at).subquery()
    query = select(found.c.reason, func.count()).group_by(found.c.reason)
    by_reason = {row[0]: int(row[1]) for row in connection.execute(query)}
    mailable = by_reason.pop(None, 0)
    order = [reason.value for reason in Reason if reason.value in by_reason]
    excluded = {reason: by_reason[reason] for reason in order}
    return {"audience": mailable + sum(excluded.values()), "mailable": mailable, "excluded_by": excluded}
