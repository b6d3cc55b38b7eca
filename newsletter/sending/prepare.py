"""Preparing: the whole audience into the ledger, each reader with a batch or with a reason.

Everybody with a subscription row gets a row here, ended ones included, so that "why did she not get it?" always has an
answer. Whoever has the issue, or may have it, from any send is left out as `already-had` (invariant 2); a send to the
readers of another issue leaves out everybody else as `not-a-reader-of`. Which variant
of the body each gets is settled here as well: membership of a segment is a matter of this moment.

A large audience goes in piece by piece, in order of the readers' ids, so that nobody who wants to write waits for long;
what the ledger holds says where to go on. What changes between two pieces is seen when the reader is claimed.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    func,
    insert,
    literal,
    select,
)

from newsletter.audience.gather import gather
from newsletter.audience.segment_sql import View, members
from newsletter.audience.segments import Segment
from newsletter.audience.select import Stretch, verdicts
from newsletter.rendering.build import DEFAULT_VARIANT
from newsletter.sending.cut import Cut
from newsletter.sending.readers import NOT_A_READER_OF, had
from newsletter.sending.sends import Send
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import deliveries, subscriptions

PIECE = 20_000  # readers: a third of a second of SQLite's one write lock
ALREADY_HAD = "already-had"
NOT_IN_SEGMENT = "not-in-segment"


def prepare(
    connection: Connection,
    send: Send,
    settings: NewsletterSettings,
    *,
    batch_size: int,
    now: datetime,
    cut: Cut | None = None,
    most: int | None = None,
) -> int:
    """Write the audience into the ledger, or the next `most` of it; how many readers, excluded ones included.

    0 when nobody is left.
    """
    these = _next(connection, send, most)
    if these is None:
        return 0
    judged = _judged(send, settings, now, cut=cut or Cut(), these=these)
    mailable = judged.c.reason.is_(None)
    # Batches are counted within a variant, so that each holds one; together they go through all variants alike.
    place = func.row_number().over(partition_by=(mailable, judged.c.variant), order_by=judged.c.subscriber_id)
    rows = select(
        literal(send.id),
        judged.c.subscriber_id,
        case((mailable, (place - 1) // batch_size + 1 + _last_batch(connection, send)), else_=0),
        judged.c.variant,
        case((mailable, "pending"), else_="excluded"),
        judged.c.reason,
    )
    columns = ["send_id", "subscriber_id", "batch", "variant", "state", "reason"]
    written = insert(deliveries).from_select(columns, rows).execution_options(preserve_rowcount=True)
    return connection.execute(written).rowcount


def _next(connection: Connection, send: Send, most: int | None) -> Stretch | None:
    """Whose turn it is; None when everybody has a row."""
    done = connection.scalar(select(func.max(deliveries.c.subscriber_id)).where(deliveries.c.send_id == send.id)) or 0
    table = subscriptions.c
    coming = select(table.subscriber_id).where(table.newsletter == send.newsletter, table.subscriber_id > done)
    piece = coming.order_by(table.subscriber_id).limit(most).subquery()
    last: int | None = connection.scalar(select(func.max(piece.c.subscriber_id)))
    twice = connection.dialect.name == "postgresql"
    return Stretch(done, last, of_entries_too=twice) if last is not None else None


def _last_batch(connection: Connection, send: Send) -> int:
    """The highest number given out: the next piece begins behind it. Who was erased since keeps her number."""

    def highest(state: str) -> ColumnElement[int]:
        table = deliveries.c
        found = select(func.max(table.batch)).where(table.send_id == send.id, table.state == state)
        return func.coalesce(found.scalar_subquery(), 0)

    return max(connection.execute(select(highest("pending"), highest("excluded"))).one())


def _judged(send: Send, settings: NewsletterSettings, now: datetime, *, cut: Cut, these: Stretch) -> Subquery:
    """Every subscription of the newsletter: the reason it may not be mailed, NULL when it may, and its variant."""
    found = verdicts(send.newsletter, settings, now, subscriber_ids=these).subquery("found")
    has = had(send.issue, these).subquery("has")
    whens = [(has.c.subscriber_id.is_not(None), ALREADY_HAD)]
    joined = found.outerjoin(has, has.c.subscriber_id == found.c.subscriber_id)
    if send.readers_of is not None:
        readers = had(send.readers_of, these).subquery("readers")
        whens.append((readers.c.subscriber_id.is_(None), NOT_A_READER_OF))
        joined = joined.outerjoin(readers, readers.c.subscriber_id == found.c.subscriber_id)
    everybody = select(found.c.subscriber_id, case(*whens, else_=found.c.reason).label("reason")).select_from(joined)
    if cut.only is None and not cut.segments:
        return everybody.add_columns(literal(DEFAULT_VARIANT).label("variant")).subquery()
    return _divided(everybody, cut, View(send.newsletter, settings, now, cut.newsletters, these))


def _divided(everybody: Select[tuple[int, str | None]], cut: Cut, view: View) -> Subquery:
    """The same, with the readers of other segments left out, and each reader's variant."""

    def marked(segment: Segment, mark: str) -> Select[tuple[int, int]]:
        return members(segment, view).add_columns(literal(1).label(mark))

    marks = {name: f"in_{number}" for number, name in enumerate(cut.segments)}
    queries = [everybody, *(marked(cut.segments[name], mark) for name, mark in marks.items())]
    if cut.only is not None:
        queries.append(marked(cut.only, "wanted"))
    reader = gather(*queries, name="reader").c
    reason: ColumnElement[str | None] = reader.reason
    if cut.only is not None:
        others = and_(reader.wanted.is_(None), func.coalesce(reason, "").not_in((ALREADY_HAD, NOT_A_READER_OF)))
        reason = case((others, NOT_IN_SEGMENT), else_=reason)
    # The largest combination first: whoever is in fewer of its segments falls through to a smaller one.
    largest_first = sorted(cut.combinations.items(), key=lambda item: -len(item[1]))
    variants = [(and_(*(reader[marks[name]] == 1 for name in its)), variant) for variant, its in largest_first]
    variant = case(*variants, else_=DEFAULT_VARIANT) if variants else literal(DEFAULT_VARIANT)
    return select(reader.subscriber_id, reason.label("reason"), variant.label("variant")).subquery()
