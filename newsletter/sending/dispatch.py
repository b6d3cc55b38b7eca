"""Dispatch: one writer, many callers.

The main thread alone writes. It puts the answers of all finished calls and the claims of the next ones into one
transaction, and has none open while it waits; the threads only fill in fields and call the transport. So the ledger
costs a commit per group, not per reader, and what is in doubt after a kill is at most the window of calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue

from sqlalchemy import Connection

from newsletter.sending import ledger
from newsletter.sending.accounts import account
from newsletter.sending.answers import UNTOUCHED, Outcome, Patience, judge
from newsletter.sending.interrupts import on_stop_signal
from newsletter.sending.ledger import ROUND, Claimed, Claims, Scope
from newsletter.sending.messages import Fields
from newsletter.sending.owners import owner, recover
from newsletter.sending.sends import State, get, move
from newsletter.sending.tempo import Tempo
from newsletter.store.engine import Store
from newsletter.transports.mail import Answer, Mail, Quota, Recipient, Tracking, Transport, Verdict

STOPPED = "stopped by the person who ran it"
CANCELLED = "cancelled"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Job:
    """All that dispatching one send needs."""

    store: Store
    locks: Path
    transport: Transport
    mails: Mapping[str, Mail]  # by variant
    fields: Fields
    scope: Scope
    now: Callable[[], datetime]
    quota: Quota
    progress: Callable[[int, int], None]
    patience: Patience


@dataclass(frozen=True)
class Call:
    """Readers handed over together: all of them get the same variant, measured alike."""

    readers: Sequence[Claimed]
    at: datetime

    @property
    def variant(self) -> str:
        return self.readers[0].variant

    @property
    def tracking(self) -> Tracking:
        return self.readers[0].tracking


Answers = Future[list[Answer]]


def dispatch(job: Job) -> None:
    """Hand over what is pending until nothing is, or something stops the send; afterwards its state says which."""
    send_id, idempotent = job.scope.send_id, job.transport.idempotent
    with owner(job.locks) as name:
        recover(job.store, job.locks, send_id, now=job.now(), idempotent=idempotent)
        while True:
            run = _Run(job, name)
            with on_stop_signal(run.stop):
                run.go()
            # A process beside this one may have ended badly meanwhile: what it left behind is ours.
            left_behind = recover(job.store, job.locks, send_id, now=job.now(), idempotent=idempotent)
            if run.stopping or not left_behind:
                break
        with job.store.write() as connection:
            _close(connection, job, run)


def _close(connection: Connection, job: Job, run: _Run) -> None:
    """Write down how it ended. It goes on being `sending` while another process has readers in flight."""
    send = get(connection, job.scope.send_id)
    if send.state is not State.SENDING or ledger.settle(connection, send.id, job.now()):
        return
    if run.hold is not None:
        move(connection, send, State.HELD, reason=run.hold)
    elif run.stopping:
        move(connection, send, State.PAUSED, reason=STOPPED)


@dataclass
class _Run:
    """The loop and what it knows. Nothing here outlives it; the ledger does."""

    job: Job
    owner: str
    hold: str | None = None
    stopping: bool = False
    exhausted: bool = False  # nothing pending when last looked
    lost_in_a_row: int = 0
    went_out: bool = False
    done: int = 0
    total: int = 0
    inbox: SimpleQueue[Answers | None] = field(default_factory=SimpleQueue)
    under_way: dict[Answers, Call] = field(default_factory=dict)
    mails: dict[tuple[str, Tracking], Mail] = field(default_factory=dict)

    def stop(self) -> None:
        """Claim nothing more; what is under way is finished."""
        self.stopping = True
        self.inbox.put(None)

    def go(self) -> None:
        transport = self.job.transport
        self.claims = Claims(self.job.scope, self.owner)
        self.workers = max(1, transport.connections)
        self.tempo = Tempo(transport.scope, self.job.quota, transport.batch_size, self.job.patience)
        with self.job.store.write() as connection:
            self.tempo.start(connection)
            found = account(connection, self.job.scope.send_id)
        self.done, self.total = found.settled, found.audience - found.excluded
        with ThreadPoolExecutor(self.workers, thread_name_prefix="hand-over") as pool:
            try:
                self._loop(pool)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        while self.under_way or not (self.stopping or self.exhausted):
            finished = self._collect()
            if not finished and not self._may_claim():
                continue
            with self.job.store.write() as connection:
                self._record(connection, finished)
                calls = self._claim(connection) if self._may_claim() else []
            for call in calls:
                answers = pool.submit(self._hand_over, call)
                self.under_way[answers] = call
                answers.add_done_callback(self.inbox.put)
            if self.stopping:
                for answers in list(self.under_way):
                    answers.cancel()  # those not begun: certainly not handed over
            self.job.progress(self.done, self.total)

    # -- waiting ------------------------------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        """Calls there is room for. The window is twice the callers, so that none of them waits for a commit."""
        return 2 * self.workers - len(self.under_way)

    def _wants(self) -> bool:
        """Whether more readers should be claimed as soon as they may; in groups, not one by one."""
        return not (self.stopping or self.exhausted) and self._room >= max(1, self.workers // 2)

    def _may_claim(self) -> bool:
        return self._wants() and self.tempo.wait() == 0

    def _collect(self) -> list[tuple[Call, Answers]]:
        """The calls that finished, waiting for one, or for the moment to claim."""
        wait = self.tempo.wait() if self._wants() else None
        found: list[Answers | None] = []
        try:
            if wait != 0 and (wait is not None or self.under_way):
                found.append(self.inbox.get(timeout=wait))
            while True:
                found.append(self.inbox.get_nowait())
        except Empty:
            return [(self.under_way.pop(answers), answers) for answers in found if answers is not None]

    # -- calling (in threads) -----------------------------------------------------------------------------------------

    def _hand_over(self, call: Call) -> list[Answer]:
        send_id, fields = self.job.scope.send_id, self.job.fields
        recipients = [
            Recipient(
                reader.address,
                fields.of(reader.subscriber_id, reader.first_name),
                f"{send_id}-{reader.subscriber_id}-{reader.attempt}",
            )
            for reader in call.readers
        ]
        return self.job.transport.hand_over(self._mail(call.variant, call.tracking), recipients)

    def _mail(self, variant: str, tracking: Tracking) -> Mail:
        """The same mail object each time: transports remember what they composed by it."""
        key = variant, tracking
        if key not in self.mails:
            self.mails[key] = replace(self.job.mails[variant], tracking=tracking)
        return self.mails[key]

    # -- writing ------------------------------------------------------------------------------------------------------

    def _record(self, connection: Connection, finished: list[tuple[Call, Answers]]) -> None:
        if not finished:
            return
        send_id = self.job.scope.send_id
        outcomes = [self._outcome(call, answers) for call, answers in finished]
        changes = [change for outcome in outcomes for change in outcome.changes]
        ledger.record(connection, send_id, changes)
        if not self.went_out and any(outcome.went for outcome in outcomes):
            ledger.went_out(connection, send_id, min(call.at for call, _ in finished))
            self.went_out = True
        back = sum(change.state == "pending" for change in changes)
        self.done += len(changes) - back
        if back:
            self.tempo.spent(-back)
            self.exhausted = False
            if get(connection, send_id).state is State.CANCELLED:
                ledger.exclude(connection, send_id, CANCELLED)
        self._learn(connection, outcomes)

    def _outcome(self, call: Call, answers: Answers) -> Outcome:
        """What the ledger may believe of a call: a transport that broke its promise leaves all its readers in doubt."""
        idempotent, number = self.job.transport.idempotent, len(call.readers)
        if answers.cancelled():
            return judge(call.readers, [UNTOUCHED] * number, idempotent=idempotent)
        error = answers.exception()
        found = answers.result() if error is None else []
        if len(found) != number:
            reason = f"the transport failed: {error or f'{len(found)} answers for {number} readers'}"
            self._hold(reason)
            found = [Answer(Verdict.UNKNOWN, reason=reason)] * number
        return judge(call.readers, found, idempotent=idempotent)

    def _learn(self, connection: Connection, outcomes: list[Outcome]) -> None:
        """What the answers mean for the send as a whole."""
        patience = self.job.patience
        for outcome in outcomes:
            if outcome.hold is not None:
                self._hold(f"{self.job.transport.name}: {outcome.hold}")
            for number in outcome.retry_rounds:
                self.tempo.retry(number)
            self.lost_in_a_row = self.lost_in_a_row + 1 if outcome.lost else 0
            if self.lost_in_a_row >= patience.lost_calls:
                reason = outcome.changes[0].reason
                self._hold(
                    f"{self.lost_in_a_row} calls in a row were lost ({reason}): look at the connection, then resume"
                )
        throttled, taken = any(o.throttled for o in outcomes), any(o.taken for o in outcomes)
        self.tempo.heard(connection, throttled=throttled, taken=taken)
        if self.tempo.throttled_in_a_row >= patience.throttled_groups:
            self._hold(f"{self.job.transport.name}: keeps saying that we are too fast; wait a while, then resume")

    def _hold(self, reason: str) -> None:
        self.stopping = True
        self.hold = self.hold or reason

    def _claim(self, connection: Connection) -> list[Call]:
        """Claim as many readers as may go now, cut into calls."""
        scope, now = self.job.scope, self.job.now()
        if get(connection, scope.send_id).state is not State.SENDING:
            self.stopping = True  # somebody paused, held or cancelled it
            return []
        size = self.tempo.call_size
        most = min(self._room * size, self.tempo.most or self._room * size)
        before = self.tempo.before()
        waiting = ledger.count_pending(connection, scope.send_id, limit=most, before=before)
        if waiting == 0:
            self.exhausted = before is None
            self.tempo.await_round()
            return []
        if self.tempo.left is not None and self.tempo.left <= 0:
            self._hold(_quota_spent(now))
            return []
        limit = self.tempo.grant(connection, waiting)
        if limit == 0:
            return []
        claim = self.claims.claim(connection, limit=limit, before=before, now=now)
        self.tempo.spent(len(claim.readers))
        self.total -= claim.left_out
        return [Call(readers, now) for readers in _cut(claim.readers, size)]


def _cut(readers: list[Claimed], size: int) -> Iterator[list[Claimed]]:
    """Readers of one batch, or of one round of retries, of one variant and tracking, in calls the transport takes."""

    def together(reader: Claimed) -> tuple[int, str, Tracking]:
        batch = reader.batch if reader.batch < ROUND else reader.batch // ROUND * ROUND
        return batch, reader.variant, reader.tracking

    for _, group in groupby(sorted(readers, key=together), key=together):
        batch = list(group)
        yield from (batch[start : start + size] for start in range(0, len(batch), size))


def _quota_spent(now: datetime) -> str:
    until = (now + _DAY).strftime("%d %B %H:%M UTC")
    return f"the provider's daily quota is used up; it comes back over 24 hours, all of it by {until}: resume then"
