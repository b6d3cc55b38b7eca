"""The topic's subscribers: endpoints on this machine that events are posted to, and SQS queues on this machine.

As with SNS an endpoint is asked first and gets events only from its confirmation on; a post that fails is tried again a
few times and then given up, unless the endpoint said that it does not want it (4xx). A queue gets everything.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from newsletter.simulator.errors import SesError, bad_request
from newsletter.simulator.events import Events
from newsletter.simulator.lists import TOPIC
from newsletter.simulator.loopback import is_loopback
from newsletter.simulator.script import SnsScript
from newsletter.simulator.sns import Envelope

PAGE = 10  # what SQS takes at once
_TIMEOUT = 15
_BETWEEN_LOOKS = 0.05


@dataclass
class Subscription:
    """One subscriber and how it is doing."""

    to: str
    protocol: str  # http | https | sqs
    token: str = ""
    confirmed: bool = False
    position: int = 0
    delivered: int = 0
    given_up: int = 0

    @property
    def arn(self) -> str:
        return f"{TOPIC}:{self.token[:8]}"

    def as_json(self) -> dict[str, object]:
        return {
            "to": self.to,
            "protocol": self.protocol,
            "confirmed": self.confirmed,
            "delivered": self.delivered,
            "given_up": self.given_up,
        }


class Push:
    """Everybody subscribed. `url` is where the simulator itself is reached."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()
        self.script = SnsScript()
        self.subscriptions: list[Subscription] = []

    def subscribe(self, endpoint: str, *, url: str) -> Subscription:
        """Ask an endpoint of this machine. Raises SesError for another."""
        scheme = checked(endpoint)
        subscription = Subscription(endpoint, scheme, secrets.token_hex(32))
        self._begin(subscription, self._to_endpoint(subscription, url))
        return subscription

    def feed(self, queue: str, endpoint: str, *, url: str) -> Subscription:
        """Send everything from now on to an SQS queue of this machine. Raises SesError for another."""
        checked(endpoint)
        subscription = Subscription(queue, "sqs", confirmed=True, position=self._events.count())
        self._begin(subscription, self._to_queue(subscription, endpoint, url))
        return subscription

    def confirm(self, token: str) -> str:
        """The subscription's name, once its token has come back. Raises SesError."""
        for subscription in self.subscriptions:
            if subscription.token and secrets.compare_digest(subscription.token.encode(), token.encode()):
                if not subscription.confirmed:
                    subscription.confirmed, subscription.position = True, self._events.count()
                return subscription.arn
        raise SesError("NotFound", "There is no subscription with this token.", status=404)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, subscription: Subscription, work: Awaitable[None]) -> None:
        self.subscriptions.append(subscription)
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)  # noqa: S101 - asyncio's typing, not a check
        self._tasks.add(task)

    async def _to_endpoint(self, subscription: Subscription, url: str) -> None:
        asked = self._events.signer.confirmation(subscription.token, url=url)
        await self._tried(partial(post, subscription, asked))

        async def one_by_one(envelopes: Sequence[Envelope]) -> None:
            for envelope in envelopes:
                taken = await self._tried(partial(post, subscription, envelope))
                subscription.delivered += taken
                subscription.given_up += not taken

        await self._follow(subscription, url, one_by_one)

    async def _to_queue(self, subscription: Subscription, endpoint: str, url: str) -> None:
        client = await asyncio.to_thread(_sqs, endpoint)

        async def at_once(envelopes: Sequence[Envelope]) -> None:
            while not await self._tried(partial(_enqueue, client, subscription.to, envelopes)):
                subscription.given_up += 1  # a queue is tried until it takes it
            subscription.delivered += len(envelopes)

        await self._follow(subscription, url, at_once)

    async def _follow(
        self, subscription: Subscription, url: str, deliver: Callable[[Sequence[Envelope]], Awaitable[None]]
    ) -> None:
        while True:
            envelopes: list[Envelope] = []
            if subscription.confirmed:
                envelopes, subscription.position = self._events.read(subscription.position, PAGE, url)
            if envelopes:
                await deliver(envelopes)
            else:
                await asyncio.sleep(_BETWEEN_LOOKS)

    async def _tried(self, attempt: Callable[[], int]) -> bool:
        """Whether it was taken, now or at one of a few more tries."""
        for number in range(self.script.retries + 1):
            if number:
                await asyncio.sleep(self.script.wait)
            status = await asyncio.to_thread(attempt)
            if 200 <= status < 300:
                return True
            if 400 <= status < 500:
                return False
        return False


def checked(endpoint: str) -> str:
    """The scheme of an address of this machine. Raises SesError: events of a simulator are nobody else's business."""
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise bad_request(f"{endpoint[:100]!r} is not an address.") from None
    if parts.scheme not in {"http", "https"} or not is_loopback(host) or parts.username is not None:
        raise bad_request("The simulator sends events to this machine only, such as http://127.0.0.1:8000/….")
    return parts.scheme


def post(subscription: Subscription, envelope: Envelope) -> int:
    """One POST as SNS makes it; the answer's status, 0 for none."""
    parts = urlsplit(subscription.to)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": envelope["Type"],
        "x-amz-sns-message-id": envelope["MessageId"],
        "x-amz-sns-topic-arn": envelope["TopicArn"],
    }
    if envelope["Type"] == "Notification":
        headers["x-amz-sns-subscription-arn"] = subscription.arn
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, json.dumps(envelope).encode(), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _sqs(endpoint: str) -> Any:
    """A client for a local server: it needs keys but not real ones, and real ones must not reach it."""
    import botocore.session
    from botocore.config import Config

    return botocore.session.get_session().create_client(
        "sqs",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - no key of anybody
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=_TIMEOUT),
    )


def _enqueue(client: Any, queue: str, envelopes: Sequence[Envelope]) -> int:
    """One SendMessageBatch; a status as HTTP has them."""
    from botocore.exceptions import BotoCoreError, ClientError

    entries = [{"Id": str(number), "MessageBody": json.dumps(one)} for number, one in enumerate(envelopes)]
    try:
        answer = client.send_message_batch(QueueUrl=queue, Entries=entries)
    except (BotoCoreError, ClientError):
        return 0
    return 0 if answer.get("Failed") else 200
