"""Slices: a send cut into stretches of about a thousand readers, each a job for any worker. On PostgreSQL only.

A job names its send and batches and is a hint: whoever runs it claims readers in the ledger, so one job too many does
nothing, and one that is lost is replaced by the next look. Jobs are deferred in the transaction that makes their work,
so they come and go with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, func, select, text

from newsletter.errors import StoreError
from newsletter.sending.ledger import ROUND
from newsletter.sending.sends import FINISHED, Send
from newsletter.store.tables import deliveries

READERS = 1_000
QUEUE = "sends"
TASK = "slice"
SILENT_SECONDS = 15.0  # of a worker, and its jobs are somebody else's: one job too many does nothing
HEARTBEAT = 1 / 6  # of that, between two signs of life

Slice = tuple[int, int]  # batch numbers, from and to

_UNFINISHED = text(
    "SELECT status, (args->>'first')::integer AS first, (args->>'last')::integer AS last "
    "FROM procrastinate_jobs WHERE queue_name = :queue AND status IN ('todo', 'doing') AND args->>'send' = :send"
)
_STALLED = text(
    "SELECT procrastinate_finish_job_v1(job.id, 'aborted', true) FROM procrastinate_jobs job "
    "LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id "
    "WHERE job.queue_name = :queue AND job.status = 'doing' "
    "AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => :seconds))"
)
_VAIN = text(
    "SELECT procrastinate_cancel_job_v1(job.id, false, true) FROM procrastinate_jobs job "
    "JOIN sends ON sends.id = job.args->>'send' "
    "WHERE job.queue_name = :queue AND job.status = 'todo' AND sends.state = ANY(:finished)"
)


def defer(connection: Connection, send: Send) -> int:
    """A job for every slice that has pending rows and no unfinished job; how many."""
    if connection.dialect.name != "postgresql":
        return 0
    covered = [(row.first, row.last) for row in connection.execute(_UNFINISHED, {"queue": QUEUE, "send": send.id})]
    table = deliveries.c
    batch = (table.batch % ROUND).label("batch")
    pending = select(batch, func.count()).where(table.send_id == send.id, table.state == "pending")
    rows = connection.execute(pending.group_by(batch).order_by(batch))
    cuts = list(cut(((int(number), int(readers)) for number, readers in rows), covered))
    if cuts:
        _put(connection, send, cuts)
    return len(cuts)


def has_waiting_jobs(connection: Connection, send_id: str) -> bool:
    """Whether workers still find jobs of this send: then nobody need look for more."""
    rows = connection.execute(_UNFINISHED, {"queue": QUEUE, "send": send_id})
    return any(row.status == "todo" for row in rows)


def sweep(connection: Connection, *, silent_seconds: float) -> None:
    """Forget jobs whose worker gave no sign of life for so long, and jobs of sends that are over."""
    connection.execute(_STALLED, {"queue": QUEUE, "seconds": silent_seconds})
    connection.execute(_VAIN, {"queue": QUEUE, "finished": [str(state) for state in FINISHED]})


def cut(batches: Iterable[tuple[int, int]], covered: Iterable[Slice], *, readers: int = READERS) -> Iterator[Slice]:
    """Stretches over these batches (number, readers; in order) that no covered stretch has."""
    others = sorted(covered, reverse=True)
    first = last = size = 0
    for number, waiting in batches:
        while others and others[-1][1] < number:
            others.pop()
        taken = bool(others) and others[-1][0] <= number
        if size and (taken or size >= readers):
            yield first, last
            size = 0
        if not taken:
            first, last, size = (first if size else number), number, size + waiting
    if size:
        yield first, last


def _put(connection: Connection, send: Send, cuts: Iterable[Slice]) -> None:
    # Imported here: with SQLite nobody needs them.
    from procrastinate.exceptions import ConnectorException
    from procrastinate.jobs import Job
    from procrastinate.manager import JobManager
    from procrastinate.sync_psycopg_connector import SyncPsycopgConnector

    jobs = [
        Job(
            queue=QUEUE,
            lock=None,
            queueing_lock=None,
            task_name=TASK,
            priority=send.priority,
            task_kwargs={"send": send.id, "first": first, "last": last},
        )
        for first, last in cuts
    ]
    ours = connection.connection.driver_connection
    try:
        JobManager(SyncPsycopgConnector()).batch_defer_jobs(jobs, connection=ours)
    except ConnectorException as error:
        raise StoreError(
            f"The work of send {send.id} cannot be handed to workers: {error.__cause__ or error}"
        ) from error
