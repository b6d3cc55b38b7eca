"""One process's run through a send: one writer, many callers.

The main thread alone writes. It puts the answers of all finished calls and the claims of the next ones into one
transaction, and has none open while it waits; the threads only fill in fields and call the transport. So the ledger
costs a commit per group, not per reader, and what is in doubt after a kill is at most the window of calls. Answers are
heard before they are written, so none is lost with a transaction that fails: it is tried again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from newsletter.errors import StoreError
from newsletter.sending import ledger
from newsletter.sending.accounts import account
from newsletter.sending.answers import UNTOUCHED, Hold, Outcome, Why, judge
from newsletter.sending.breaking import outranked_by
from newsletter.sending.ledger import ROUND, Change, Claim, Claimed, Claims
from newsletter.sending.parking import accepted_again
from newsletter.sending.sends import Send, State, get, move, shared, unfinished
from newsletter.sending.tempo import Tempo
from newsletter.transports.mail import Answer, Mail, Recipient, Tracking, Verdict

if TYPE_CHECKING:
    from newsletter.sending.dispatch import Job
    from newsletter.sending.owners import Owner

CANCELLED = "cancelled"
_DAY = timedelta(days=1)
_ASIDE = 1.0  # seconds until it is looked whether the others have gone first
_LONGEST_WAIT = 2.0  # seconds between two tries to reach the database

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """Readers handed over together: all of them get the same variant, measured alike."""

    readers: Sequence[Claimed]
    at: datetime
    rate: float  # of their slot

    @property
    def variant(self) -> str:
        return self.readers[0].variant

    @property
    def tracking(self) -> Tracking:
        return self.readers[0].tracking


Answers = Future[list[Answer]]


@dataclass
class Run:
    """The loop and what it knows. Nothing here outlives it; the ledger does."""

    job: Job
    owner: Owner
    hold: Hold | None = None
    told: bool = False  # to stop
    outdated: bool = False  # this owner may have been given up by others: a new one must go on
    stopping: bool = False  # for any of these reasons, or because the send was stopped elsewhere
    exhausted: bool = False  # nothing pending when last looked
    probing: bool = False  # it was parked: one reader at a time until the provider takes one
    lost_in_a_row: int = 0
    went_out: bool = False
    done: int = 0
    total: int = 0
    aside_for: str | None = None  # the breaking send that goes first, when last looked
    failures: int = 0  # transactions in a row
    failing_since: float = 0.0
    inbox: SimpleQueue[Answers | None] = field(default_factory=SimpleQueue)
    under_way: dict[Answers, Call] = field(default_factory=dict)
    unwritten: list[tuple[Call, Outcome]] = field(default_factory=list)
    mails: dict[tuple[str, Tracking], Mail] = field(default_factory=dict)

    def stop(self) -> None:
        """Claim nothing more; what is under way is finished."""
        self.told = self.stopping = True
        self.inbox.put(None)

    def go(self) -> None:
        job = self.job
        self.claims = Claims(job.scope, self.owner.name)
        self.workers = max(1, job.transport.connections)
        apart = job.store.is_postgresql
        self.tempo = Tempo(job.transport.scope, job.quota, job.transport.batch_size, job.patience, apart=apart)
        whole = job.scope.batches is None
        with job.store.read() as connection:
            self.probing = get(connection, job.scope.send_id).resume_at is not None
            if whole:
                found = account(connection, job.scope.send_id)
                self.done, self.total = found.settled, found.audience - found.excluded
        with job.store.write(alone=False) as connection:
            self.tempo.start(connection, anew=whole)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="hand-over") as pool:
            try:
                self._loop(pool)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        while self.under_way or self.unwritten or not (self.stopping or self.exhausted):
            for call, answers in self._collect():
                self._hear(call, answers)
            if not self.unwritten and not self._may_claim():
                continue
            try:
                calls = self._write()
            except StoreError as error:
                self._bear_with(error)
                continue
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
        """Calls there is room for."""
        return (1 if self.probing else self.tempo.window(self.workers)) - len(self.under_way)

    def _wants(self) -> bool:
        """Whether more readers should be claimed as soon as they may; in groups, not one by one."""
        if not self.owner.holds():
            self.outdated = self.stopping = True
        return not (self.stopping or self.exhausted) and self._room >= (
            1 if self.probing else max(1, self.workers // 2)
        )

    def _may_claim(self) -> bool:
        return self._wants() and self.tempo.wait() == 0

    def _collect(self) -> list[tuple[Call, Answers]]:
        """The calls that finished, waiting for one, or for the moment to claim."""
        wait = self.tempo.wait() if self._wants() else None
        found: list[Answers | None] = []
        try:
            if not self.unwritten and wait != 0 and (wait is not None or self.under_way):
                found.append(self.inbox.get(timeout=wait))
            while True:
                found.append(self.inbox.get_nowait())
        except Empty:
            return [(self.under_way.pop(answers), answers) for answers in found if answers is not None]

    def _bear_with(self, error: StoreError) -> None:
        """The database did not do it: wait a little and try again. Raises it when that has gone on for too long."""
        now = time.monotonic()
        if not self.failures:
            self.failing_since = now
            seconds = self.job.patience.store_seconds
            log.warning("%s Send %s waits for it, up to %d s.", error, self.job.scope.send_id, seconds)
        if now - self.failing_since >= self.job.patience.store_seconds:
            raise error
        self.tempo.lose_slot()
        time.sleep(min(_LONGEST_WAIT, 0.05 * 2.0 ** min(self.failures, 10)))
        self.failures += 1

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
        mail = self._mail(call.variant, call.tracking)
        if not self.owner.holds():
            return [UNTOUCHED] * len(recipients)
        return self.job.transport.hand_over(mail, recipients)

    def _mail(self, variant: str, tracking: Tracking) -> Mail:
        """The same mail object each time: transports remember what they composed by it."""
        key = variant, tracking
        if key not in self.mails:
            self.mails[key] = replace(self.job.mails[variant], tracking=tracking)
        return self.mails[key]

    # -- hearing ------------------------------------------------------------------------------------------------------

    def _hear(self, call: Call, answers: Answers) -> None:
        """What a finished call means for its readers, and for the send as a whole."""
        outcome = self._outcome(call, answers)
        self.unwritten.append((call, outcome))
        back = sum(change.state == "pending" for change in outcome.changes)
        self.done += len(outcome.changes) - back
        if back:
            self.tempo.spent(-back)
            self.exhausted = False
        for number in outcome.retry_rounds:
            self.tempo.retry(number)
        self.tempo.heard(throttled=outcome.throttled, taken=outcome.taken, rate=call.rate)
        self.lost_in_a_row = self.lost_in_a_row + 1 if outcome.lost else 0
        if outcome.lost and (self.probing or self.lost_in_a_row >= self.job.patience.lost_calls):
            calls = "a call" if self.probing else f"{self.lost_in_a_row} calls in a row"
            self._hold(Hold(f"{calls} came to nothing ({outcome.changes[0].reason}): look at the connection", Why.AWAY))
        if outcome.hold is not None:
            self._hold(outcome.hold)
        if self.tempo.throttled_in_a_row >= self.job.patience.throttled_groups:
            self._hold(Hold("keeps saying that we are too fast", Why.AWAY))

    def _outcome(self, call: Call, answers: Answers) -> Outcome:
        """What the ledger may believe of a call: a transport that broke its promise leaves all its readers in doubt."""
        idempotent, number = self.job.transport.idempotent, len(call.readers)
        if answers.cancelled():
            return judge(call.readers, [UNTOUCHED] * number, idempotent=idempotent)
        error = answers.exception()
        found = answers.result() if error is None else []
        if len(found) != number:
            reason = f"the transport failed: {error or f'{len(found)} answers for {number} readers'}"
            self._hold(Hold(reason))
            found = [Answer(Verdict.UNKNOWN, reason=reason)] * number
        return judge(call.readers, found, idempotent=idempotent)

    def _hold(self, hold: Hold) -> None:
        self.stopping = True
        self.hold = self.hold or replace(hold, reason=f"{self.job.transport.name}: {hold.reason}")

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self) -> list[Call]:
        """Record what was heard and claim what may go now, in one transaction. Raises StoreError: then do it again."""
        taken = self.probing and any(outcome.taken for _, outcome in self.unwritten)
        with self.job.store.write(alone=False) as connection:
            send = shared(connection, self.job.scope.send_id)
            changes = [change for _, outcome in self.unwritten for change in outcome.changes]
            if self.failures:
                changes += self._claimed_in_vain(connection, changes)
            send = self._record(connection, send, changes)
            if taken:
                accepted_again(connection, send.id)
            self.tempo.write(connection)
            now = self.job.now()
            claim = self._claim(connection, send, now) if self._may_claim() else None
        self.failures = 0
        self.went_out = self.went_out or any(outcome.went for _, outcome in self.unwritten)
        self.unwritten.clear()
        self.tempo.written()
        self.probing = self.probing and not taken
        if claim is None:
            return []
        self.tempo.spent(len(claim.readers))
        self.total -= claim.left_out
        return [Call(readers, now, self.tempo.rate) for readers in _cut(claim.readers, self.tempo.call_size)]

    def _record(self, connection: Connection, send: Send, changes: list[Change]) -> Send:
        """Write the changes down; the send as it stands then."""
        if not changes:
            return send
        ledger.record(connection, send.id, changes)
        if not self.went_out and any(outcome.went for _, outcome in self.unwritten):
            ledger.went_out(connection, send.id, min(call.at for call, _ in self.unwritten))
        if any(change.state == "pending" for change in changes) and send.finished:
            return self._put_back_late(connection, send)
        return send

    def _put_back_late(self, connection: Connection, send: Send) -> Send:
        """Readers came back after the send had ended: it was cancelled, or others took them for lost meanwhile."""
        if send.state is State.CANCELLED or unfinished(connection, send.issue) is not None:
            ledger.exclude(connection, send.id, CANCELLED)
            return send
        return move(connection, send, State.SENDING)

    def _stand_aside(self, breaking: str) -> None:
        """Breaking news goes first. A job ends, for its worker is needed; the slice gets another one later."""
        if self.job.scope.batches is not None:
            self.stopping = True
            return
        self.tempo.pause(_ASIDE)
        if self.aside_for != breaking:
            log.warning("Send %s stands aside until breaking send %s has gone.", self.job.scope.send_id, breaking)
        self.aside_for = breaking

    def _claimed_in_vain(self, connection: Connection, known: list[Change]) -> list[Change]:
        """Readers whose claim was committed although we heard otherwise: nobody was given them."""
        ours = {reader.subscriber_id for call in self.under_way.values() for reader in call.readers}
        ours |= {change.subscriber_id for change in known}
        rows = ledger.in_flight_of(connection, self.job.scope.send_id, self.owner.name)
        lost = [reader for reader in rows if reader.subscriber_id not in ours]
        return judge(lost, [UNTOUCHED] * len(lost), idempotent=self.job.transport.idempotent).changes

    def _claim(self, connection: Connection, send: Send, now: datetime) -> Claim | None:
        """Claim as many readers as may go now."""
        if send.state is not State.SENDING:
            self.stopping = True  # somebody paused, held or cancelled it
            return None
        if (breaking := outranked_by(connection, send, now=now)) is not None:
            self._stand_aside(breaking)
            return None
        most = 1 if self.probing else self._room * self.tempo.call_size
        most = min(most, self.tempo.most or most)
        before = self.tempo.before()
        waiting = self.claims.waiting(connection, limit=most, before=before)
        if waiting == 0:
            self.exhausted = before is None
            self.tempo.await_round()
            return None
        if self.tempo.left is not None and self.tempo.left <= 0:
            self._hold(Hold(_quota_spent(now), Why.QUOTA))
            return None
        limit = self.tempo.grant(connection, waiting)
        return self.claims.claim(connection, limit=limit, before=before, now=now) if limit else None


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
    return f"the provider's daily quota is used up; it comes back over 24 hours, all of it by {until}"
