"""Events pushed to us by Amazon SNS over HTTPS: quicker than a queue, and less dependable.

Anybody can post here, so every message is checked in full before anything of it is used. A message that is replayed
within the hour for which it is believed changes nothing: its event is known.

A request to confirm a subscription is answered by an API call of our own, to the topic's own Region, and never by
opening the address the message brings: then no message can make this server call an address of its choosing, and the
subscription can be ended only by who owns the topic (AuthenticateOnUnsubscribe). The simulator on this machine has no
such API; its address is opened, and only if it lies with the simulator itself.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from newsletter.feedback.apply import apply_messages
from newsletter.feedback.aws import ERRORS, client, in_words
from newsletter.feedback.certificates import Certificates
from newsletter.feedback.fetching import NotThere, Unreachable, fetch
from newsletter.feedback.sns import RAW, Forged, Trust, verified
from newsletter.settings import Settings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing

LONGEST_AGE = timedelta(hours=1)
_SECONDS = 5.0

log = logging.getLogger(__name__)


def confirm_by_api(said: Mapping[str, str]) -> None:
    """Confirm a subscription to one of our topics. Raises Unreachable."""
    topic = said["TopicArn"]
    sns = client("sns", topic.split(":")[3], attempts=1, seconds=_SECONDS)
    try:
        sns.confirm_subscription(TopicArn=topic, Token=said["Token"], AuthenticateOnUnsubscribe="true")
    except ERRORS as error:
        raise Unreachable(
            f"The subscription to {topic} could not be confirmed: {in_words(error)}. The AWS keys need "
            "sns:ConfirmSubscription; or confirm it in the SNS console."
        ) from None


@dataclass
class Notifications:
    """Takes what is posted. Keeps the certificates it has seen."""

    store: Store
    settings: Settings
    keys: KeyRing
    now: Callable[[], datetime]
    load: Callable[[str], bytes] = field(default_factory=Certificates)
    confirm: Callable[[Mapping[str, str]], None] = confirm_by_api

    def __post_init__(self) -> None:
        feedback = self.settings.feedback
        self._trust = Trust(
            load=self.load,
            topics=feedback.topics,
            simulator_url=feedback.simulator_url,
            allow_sha1=feedback.allow_sha1,
            longest_age=LONGEST_AGE,
        )

    def take(self, body: bytes, *, raw: bool = False) -> None:
        """Do what a message says. Raises Forged, Unreachable when it must come again, and StoreError."""
        if raw:
            raise Forged(RAW)
        said = verified(_read(body), self._trust, self.now())
        if said["Type"] == "Notification":
            with self.store.write() as connection:
                apply_messages(connection, [said["Message"]], settings=self.settings, keys=self.keys, now=self.now())
        elif said["Type"] == "SubscriptionConfirmation":
            self._confirm(said)
        else:
            # Confirming it would subscribe us again; whoever ended it had a reason.
            log.warning("%s sends nothing here any more: its subscription was ended.", said["TopicArn"])

    def _confirm(self, said: Mapping[str, str]) -> None:
        base = self.settings.feedback.simulator_url
        if base is None or said["TopicArn"] in self._trust.topics:
            self.confirm(said)
        elif said["SubscribeURL"].startswith(f"{base}/"):
            try:
                fetch(said["SubscribeURL"], most_bytes=100_000, seconds=_SECONDS)
            except NotThere as error:
                raise Forged(f"The simulator does not confirm the subscription: {error}") from None
        else:
            raise Forged("The address that confirms the subscription is not the simulator's.")
        log.warning("The subscription to %s is confirmed.", said["TopicArn"])


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Forged("The message is not a JSON object.")
    return found
