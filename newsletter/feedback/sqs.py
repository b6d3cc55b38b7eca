"""Events by way of an SQS queue: the dependable one. What nobody could apply waits there, for days if need be.

Pages are applied in one transaction and deleted only after it: a crash in between brings them again, and each event
still counts once. A message nothing can be made of is named once and left alone, so that the queue's redrive policy
moves it to where somebody can look at it; it never keeps its neighbours from being applied.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import OperationalError

from newsletter.errors import Refused, StoreError
from newsletter.feedback.apply import Applied, apply_messages
from newsletter.feedback.aws import ERRORS, client, in_words
from newsletter.feedback.envelopes import Poison, records_in
from newsletter.settings import Settings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing

A_CALL = 10  # messages: what SQS gives at most
AT_ONCE = 8  # calls, when there is much to fetch
LONGEST_WAIT = 20  # seconds: what SQS allows
_MOST_NAMED = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One message as the queue hands it over."""

    id: str
    receipt: str
    body: str


@dataclass
class Queue:
    """The configured queue, read by whoever holds this object. Raises Refused when it cannot be."""

    store: Store
    settings: Settings
    keys: KeyRing
    url: str
    now: Callable[[], datetime]
    _named: set[str] = field(default_factory=set)  # messages nothing can be made of, and that was said

    def __post_init__(self) -> None:
        feedback = self.settings.feedback
        region = feedback.queue_region or self.settings.ses.region
        seconds = LONGEST_WAIT + 10
        self._client = client("sqs", region, feedback.queue_endpoint_url, seconds=seconds, pool=AT_ONCE)

    def drain(self, *, wait: float = 0, stop: Callable[[], bool] = lambda: False) -> Applied:
        """Apply all there is; when there is nothing, wait so many seconds for something."""
        total = Applied()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="queue") as pool:
            page = self._receive(wait)
            while page:
                if len(page) >= A_CALL:
                    for more in pool.map(self._receive, [0] * AT_ONCE):
                        page += more
                taken, done = self._take(page)
                total += done
                self._delete(taken)
                if stop() or not taken:  # with nothing but what is left alone, asking again brings it again
                    break
                page = self._receive(0)
        return total

    def _take(self, page: Sequence[Message]) -> tuple[list[Message], Applied]:
        """Apply a page; the messages that are done with. One that cannot be applied does not keep the others."""
        readable: list[tuple[Message, list[str]]] = []
        for message in page:
            try:
                readable.append((message, records_in(message.body, self.settings.feedback.topics)))
            except Poison as error:
                self._name(message, str(error))
        messages = [message for message, _ in readable]
        try:
            return messages, self._apply([record for _, records in readable for record in records])
        except (StoreError, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - a record that meets a defect must not hold up all that follow
            if len(page) > 1:
                alone = [self._take([message]) for message in messages]
                return [m for taken, _ in alone for m in taken], sum((done for _, done in alone), Applied())
            self._name(page[0], f"applying it fails with {type(error).__name__}")
            return [], Applied()

    def _apply(self, records: Sequence[str]) -> Applied:
        if not records:
            return Applied()
        with self.store.write() as connection:
            return apply_messages(connection, records, settings=self.settings, keys=self.keys, now=self.now())

    def _name(self, message: Message, why: str) -> None:
        if message.id not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(message.id)
            log.error("Message %s of the queue is left there: %s.", message.id, why)

    def _receive(self, wait: float) -> list[Message]:
        seconds = min(LONGEST_WAIT, int(wait))
        answer = self._ask("receive_message", MaxNumberOfMessages=A_CALL, WaitTimeSeconds=seconds)
        return [Message(m["MessageId"], m["ReceiptHandle"], m["Body"]) for m in answer.get("Messages", [])]

    def _delete(self, messages: Sequence[Message]) -> None:
        """What is not deleted comes again, and changes nothing then."""
        for start in range(0, len(messages), A_CALL):
            part = messages[start : start + A_CALL]
            entries = [{"Id": str(number), "ReceiptHandle": each.receipt} for number, each in enumerate(part)]
            self._ask("delete_message_batch", Entries=entries)

    def _ask(self, what: str, **given: object) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, what)(QueueUrl=self.url, **given)
        except ERRORS as error:
            raise Refused(
                f"The queue of events cannot be read: {in_words(error)}. Check [feedback] queue_url, queue_region and "
                "the AWS keys: they need sqs:ReceiveMessage and sqs:DeleteMessage."
            ) from None
        return answer
