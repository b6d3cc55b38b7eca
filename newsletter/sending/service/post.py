"""Handing service mail over: one at a time, at the account's pace, never the same one twice.

A mail is looked at again in the transaction that claims it, composed after the claim is committed, and its answer is
committed by itself. So a kill leaves at most one mail in doubt, and a mail in doubt is never sent again by itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from newsletter.audience.mail_owed import MailKind
from newsletter.config import Workspace
from newsletter.errors import NewsletterError, Refused
from newsletter.sending import pace
from newsletter.sending.answers import UNTOUCHED, in_a_line
from newsletter.sending.late import join_latest
from newsletter.sending.owners import Owner, owner
from newsletter.sending.service import queue
from newsletter.sending.service.letters import FIELDS, Letter, write
from newsletter.sending.service.matters import Matter, look_up
from newsletter.sending.service.queue import Request
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import pace as pace_rows
from newsletter.store.upsert import insert_new
from newsletter.transports.mail import Answer, Quota, Recipient, Transport, Verdict
from newsletter.transports.mime import compiled_mail

TRIES = 8  # hand-overs of one mail that fail by themselves before it is given up
WAITS = (1, 5, 15, 60)  # minutes before the next try; the last for all further ones
_ADDRESS = re.compile(r"[^\s'\"<>]+@[^\s'\"<>]+")
_A_MINUTE, _HALF_AN_HOUR = timedelta(minutes=1), timedelta(minutes=30)


@dataclass
class Delivered:
    """What one round did."""

    accepted: int = 0
    refused: int = 0
    uncertain: int = 0
    put_back: int = 0
    problem: str | None = None  # why the round ended with mail still due, when that needs a person


def deliver(
    store: Store,
    workspace: Workspace,
    ring: KeyRing,
    transport: Transport,
    *,
    now: Callable[[], datetime],
    limit: int = 1_000,
    stop: Callable[[], bool] = lambda: False,
    wait: Callable[[float], None] = time.sleep,
) -> Delivered:
    """Hand over what is due, at most `limit` mails. What is under way when `stop` turns true is finished.

    Raises Refused when the transport cannot send at all, StoreError when the database cannot be used.
    """
    with store.read() as connection:
        if not queue.has_work(connection, now()):
            return Delivered()
    with owner(store, workspace.locks) as ours:
        queue.recover(store, workspace.locks, transport)
        post = _Post(store, workspace, ring, transport, now, ours, transport.quota())
        for _ in range(limit):
            if stop() or not post.reserve_slot(wait):
                break
            claimed = post.claim()
            if claimed is None or not post.hand_over(claimed):
                break
    return post.done


@dataclass
class _Post:
    """One round: who it is, and what it did."""

    store: Store
    workspace: Workspace
    ring: KeyRing
    transport: Transport
    now: Callable[[], datetime]
    owner: Owner
    quota: Quota
    done: Delivered = field(default_factory=Delivered)
    _rate: float | None = None  # of the last slot

    def reserve_slot(self, wait: Callable[[float], None]) -> bool:
        """Wait for the account's next slot, if anything is due; whether to go on."""
        if self.quota.left_today is not None and self.done.accepted >= self.quota.left_today:
            self.done.problem = "the provider's daily quota is used up; service mail waits until it comes back"
            return False
        if self.quota.rate is None:
            return True
        with self.store.write() as connection:
            if queue.next_due(connection, self.now()) is None:
                return False
            # A send under way may have lowered the rate: that stays. Only a missing row is opened.
            insert_new(
                connection, pace_rows, [{"scope": self.transport.scope, "next_slot": 0.0, "rate": self.quota.rate}]
            )
            slot = pace.reserve(connection, self.transport.scope, 1)
        self._rate = slot.rate
        if slot.wait > 0:
            wait(slot.wait)
        return True

    def claim(self) -> Matter | None:
        """The next mail that may go out, in flight and ours; those before it that may not are refused."""
        with self.store.write() as connection:
            while (request := queue.next_due(connection, self.now())) is not None:
                matter = look_up(connection, request, self.workspace.settings, self.ring, self.now())
                if isinstance(matter, Matter):
                    name = queue.owner_of(self.owner.name, self.transport)
                    return matter if queue.take(connection, request, name, self.now()) else None
                queue.refuse(connection, request, matter)
                self.done.refused += 1
        return None

    def hand_over(self, matter: Matter) -> bool:
        """Compose, hand over, write down the answer. Whether others may follow in this round."""
        request = matter.request
        try:
            letter = write(matter, self.workspace, self.ring)
            compiled_mail(letter.mail)
        except Refused as error:
            answer = Answer(Verdict.REFUSED, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a theme that cannot be used, a defect: certainly not handed over
            said = str(error) if isinstance(error, NewsletterError | OSError) else type(error).__name__
            self.done.problem = f"service mail {request.id} ({request.kind}) could not be composed: {said}"
            answer = Answer(Verdict.RETRY, reason=f"could not be composed: {said}")
        else:
            answer = self._call(letter, request)
        with self.store.write() as connection:
            return self._record(connection, request, answer)

    def _call(self, letter: Letter, request: Request) -> Answer:
        if not self.owner.holds():
            return UNTOUCHED
        recipient = Recipient(letter.address, FIELDS, request.tag)
        try:
            [answer] = self.transport.hand_over(letter.mail, [recipient])
        except Exception as error:  # noqa: BLE001 - a transport that broke its promise: who knows what it did
            answer = Answer(Verdict.UNKNOWN, reason=f"the transport failed: {type(error).__name__}")
        if answer.verdict is Verdict.UNKNOWN and self.transport.idempotent:
            return Answer(Verdict.RETRY, reason=answer.reason)
        return answer

    def _record(self, connection: Connection, request: Request, answer: Answer) -> bool:
        # What identifies a person stands in its own tables only.
        reason = _ADDRESS.sub("…", in_a_line(answer.reason)) or None
        if answer.verdict is Verdict.ACCEPTED:
            queue.settle(connection, request, "accepted", message_id=answer.message_id)
            self.done.accepted += 1
            self._welcome(connection, request)
            return True
        if answer.verdict is Verdict.REFUSED:
            queue.settle(connection, request, "refused", message_id=answer.message_id, reason=reason or "refused")
            self.done.refused += 1
            return True
        if answer.verdict is Verdict.UNKNOWN:
            queue.settle(connection, request, "uncertain", reason=reason or "the answer was lost")
            self.done.uncertain += 1
            return True
        return self._again(connection, request, answer, reason=reason or "try again later")

    def _again(self, connection: Connection, request: Request, answer: Answer, *, reason: str) -> bool:
        """It was not taken. What is no fault of this mail ends the round, and is not counted against it."""
        general = answer.throttled or answer.quota_spent or answer.verdict is Verdict.STOP or answer is UNTOUCHED
        if answer.throttled and self.quota.rate is not None:
            pace.slower(connection, self.transport.scope, known=self._rate)
        if not general and request.attempt + 1 >= TRIES:
            queue.settle(connection, request, "refused", reason=f"given up after {TRIES} tries: {reason}")
            self.done.refused += 1
            return True
        minutes = timedelta(minutes=WAITS[min(request.attempt, len(WAITS) - 1)])
        later = _HALF_AN_HOUR if answer.quota_spent else _A_MINUTE if general else minutes
        due = self.now() if answer.throttled else self.now() + later
        queue.put_back(connection, request, reason, due=due, counted=not general)
        self.done.put_back += 1
        if answer.verdict is Verdict.STOP or answer.quota_spent:
            self.done.problem = f"{self.transport.name}: {reason}"
        return not general

    def _welcome(self, connection: Connection, request: Request) -> None:
        """A new reader gets today's issue, where the newsletter says so."""
        known = self.workspace.settings.newsletters
        if request.kind is not MailKind.WELCOME or not known[request.newsletter].welcome_issue:
            return
        try:
            join_latest(
                connection,
                request.newsletter,
                request.subscriber_id,
                newsletters=known,
                transport=self.transport,
                now=self.now(),
            )
        except NewsletterError as error:  # that she was welcomed is written down all the same
            self.done.problem = f"today's issue cannot be given to a new reader: {error}"
