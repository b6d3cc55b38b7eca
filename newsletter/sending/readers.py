"""The readers of an issue: those who had it, or may have had it. A correction goes to them and to nobody else."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, Select, func, select

from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.explain import Count, Explanation
from newsletter.audience.segment_sql import View, members
from newsletter.audience.segments import Segment
from newsletter.audience.select import Stretch, among, verdicts
from newsletter.config import Workspace
from newsletter.documents import did_you_mean
from newsletter.editorial.library import Library
from newsletter.errors import NotFound, Refused
from newsletter.store.keys import KeyRing
from newsletter.store.tables import deliveries, sends, subscribers

NOT_A_READER_OF = "not-a-reader-of"  # the reason of everybody else
HAD = ("in_flight", "uncertain", "accepted")


def had(issue: str, these: Stretch | None = None) -> Select[tuple[int]]:
    """Whoever has, or may have, an issue from any send of it, each once."""
    table = deliveries.c
    query = select(table.subscriber_id).join(sends, sends.c.id == table.send_id).distinct()
    query = query.where(sends.c.issue == issue, table.state.in_(HAD))
    return query if these is None else query.where(among(table.subscriber_id, these))


def require_readers(connection: Connection, newsletter: str, readers_of: str, *, issue: str | None = None) -> None:
    """Raises NotFound, or Refused in words, when an issue cannot go to the readers of that other one."""
    query = select(sends.c.newsletter).where(sends.c.issue == readers_of, sends.c.first_handover_at.is_not(None))
    whose = connection.scalar(query.limit(1))
    if whose is None:
        gone = select(sends.c.issue).where(sends.c.first_handover_at.is_not(None), sends.c.newsletter == newsletter)
        near = did_you_mean(readers_of, set(connection.scalars(gone)))
        raise NotFound(f'No issue "{readers_of}" of {newsletter} went out, so it has no readers. {near}'.rstrip())
    if whose != newsletter:
        raise Refused(f"Issue {readers_of} is of newsletter {whose}; this one goes to readers of {newsletter}.")
    if readers_of == issue:
        raise Refused(f"The readers of issue {issue} have it already. Name the issue that is put right.")


def meant_readers(
    connection: Connection, workspace: Workspace, issue: str, readers_of: str | None = None
) -> str | None:
    """Whose readers an issue is for: that one's, or else the one's its definition names; None when it is for all.

    Raises as `require_readers` does, and InputError.
    """
    definition, _ = Library(workspace.issues).definition(issue)
    meant = readers_of or definition.readers_of
    if meant is not None:
        name, _ = workspace.newsletter(definition.newsletter)
        require_readers(connection, name, meant, issue=issue)
    return meant


def count_readers(connection: Connection, issue: str, view: View, *, segment: Segment | None = None) -> Count:
    """How many readers of an issue, or of them those in a segment, would be mailed now; who would not, by reason."""
    found = verdicts(view.newsletter, view.settings, view.at).subquery("found")
    query = select(found.c.reason, func.count()).where(found.c.subscriber_id.in_(had(issue)))
    if segment is not None:
        query = query.where(found.c.subscriber_id.in_(members(segment, view)))
    by_reason = {row[0]: int(row[1]) for row in connection.execute(query.group_by(found.c.reason))}
    mailable = by_reason.pop(None, 0)
    return {"audience": mailable + sum(by_reason.values()), "mailable": mailable, "excluded_by": by_reason}


def only_readers(connection: Connection, keys: KeyRing, found: Explanation, issue: str) -> Explanation:
    """The explanation for a send to the readers of an issue. Raises NotFound and Refused as `require_readers` does."""
    require_readers(connection, found.newsletter, issue)
    hashed = address_hash(normalise(found.address).normal, keys.hash)
    who = select(subscribers.c.id).where(subscribers.c.address_hash == hashed, subscribers.c.id.in_(had(issue)))
    if connection.scalar(who) is not None:
        return found
    return replace(found, mailable=False, reason=NOT_A_READER_OF, evidence=f"no send of issue {issue} went to her")
