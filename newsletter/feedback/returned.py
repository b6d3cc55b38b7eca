"""What came back of a send, counted: by mailbox provider, by what bounced, by why some were refused or are in doubt."""

from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from newsletter.feedback.providers import ERASED, provider_of
from newsletter.feedback.suppressing import CONTENT
from newsletter.feedback.vocabulary import OURS
from newsletter.store.tables import deliveries, subscribers

MOST_PROVIDERS = 12
MOST_REASONS = 10
_OF_A_DOMAIN = string.ascii_letters + string.digits + "-."
_ADDRESS = re.compile(r"[^\s<>()\"',;:]+@[^\s<>()\"',;:]+")

Section = dict[str, Any]


def by_provider(connection: Connection, send_id: str) -> list[Section]:
    """Everybody the send was handed over for, by mailbox provider; small domains together, erased readers apart.

    In each row `readers` is the sum of what became of them (all but `accepted`, which says it once more).
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    domains = Counter[str]()
    for row in _by_domain(connection, send_id):
        name = provider_of(row.domain)
        found[name].update({column: int(number) for column, number in row._mapping.items() if column != "domain"})
        domains[name] += 1
    ranked = sorted(found, key=lambda name: (name == ERASED, -found[name]["readers"], name))
    named = [name for name in ranked if name != ERASED][:MOST_PROVIDERS]
    rest = [name for name in ranked if name != ERASED][MOST_PROVIDERS:]
    sections = [{"provider": name, **found[name]} for name in named]
    if rest:
        together = sum((found[name] for name in rest), Counter[str]())
        other = f"other ({sum(domains[name] for name in rest):,} domains)"
        sections.append({"provider": other, **{column: together[column] for column in found[rest[0]]}})
    if ERASED in found:
        sections.append({"provider": ERASED, **found[ERASED]})
    return sections


def _by_domain(connection: Connection, send_id: str) -> Any:
    table = deliveries.c
    # What is left of an address without its domain's letters ends with the @: the one way both databases know.
    local = func.rtrim(subscribers.c.address, _OF_A_DOMAIN)
    domain = func.lower(func.substr(subscribers.c.address, func.length(local) + 1)).label("domain")
    accepted = table.state == "accepted"
    heard = table.outcome.in_(("bounced", "complained", "rejected"))  # counted as that, whatever their state
    counts: dict[str, ColumnElement[bool]] = {
        "accepted": accepted,
        "delivered": and_(accepted, table.outcome == "delivered"),
        "delayed": and_(accepted, table.outcome == "delayed"),
        "bounced_hard": and_(table.outcome == "bounced", ~_soft()),
        "bounced_soft": and_(table.outcome == "bounced", _soft()),
        "complained": table.outcome == "complained",
        "rejected": table.outcome == "rejected",
        "unheard": and_(accepted, table.outcome == "none"),
        "refused": and_(table.state == "refused", ~heard),
        "doubtful": and_(table.state.in_(("in_flight", "uncertain")), ~heard),
    }
    columns = [func.count(case((holds, 1))).label(name) for name, holds in counts.items()]
    query = select(domain, func.count().label("readers"), *columns)
    query = query.join_from(deliveries, subscribers, subscribers.c.id == table.subscriber_id)
    handed_over = table.state.in_(("in_flight", "uncertain", "accepted", "refused"))
    return connection.execute(query.where(table.send_id == send_id, handed_over).group_by(domain))


def _soft() -> ColumnElement[bool]:
    said = func.coalesce(deliveries.c.outcome_detail, "")
    return said.startswith("Transient/") | said.startswith("Undetermined/")


def bounces(connection: Connection, send_id: str) -> list[Section]:
    """What bounced, by the provider's word for it, most first; and whether it is our own doing."""
    table = deliveries.c
    query = select(table.outcome_detail, _soft().label("soft"), func.count().label("readers"))
    query = query.where(table.send_id == send_id, table.outcome == "bounced").group_by(table.outcome_detail, _soft())
    found = [
        {
            "kind": "soft" if row.soft else "hard",
            "detail": (row.outcome_detail or "no reason on record").removesuffix(OURS),
            "readers": int(row.readers),
            "ours": _ours(row.outcome_detail or ""),
        }
        for row in connection.execute(query)
    ]
    return sorted(found, key=lambda bounce: (-bounce["readers"], bounce["detail"]))


def _ours(detail: str) -> str | None:
    if detail.endswith(OURS):
        return "configuration"
    return "content" if re.fullmatch(rf"Transient/({'|'.join(CONTENT)})( .*)?", detail) else None


def reasons(connection: Connection, send_id: str, state: str) -> list[Section]:
    """Why readers are in that state, most first, no address in it; beyond the most frequent all together."""
    table = deliveries.c
    query = select(table.reason, func.count()).where(table.send_id == send_id, table.state == state)
    found = Counter[str]()
    for reason, number in connection.execute(query.group_by(table.reason)):
        found[_ADDRESS.sub("(address)", reason or "no reason on record")] += int(number)
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = ranked[MOST_REASONS:]
    named = [{"reason": reason, "readers": number} for reason, number in ranked[:MOST_REASONS]]
    other = {"reason": f"{len(rest):,} other reasons", "readers": sum(number for _, number in rest)}
    return [*named, other] if rest else named
