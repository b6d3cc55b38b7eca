"""What a message of the queue holds: event records in whichever wrapping they came.

SNS wraps a record in an envelope, EventBridge in a frame of its own; with raw delivery it comes as it is, and Firehose
writes one a line. Whoever may write into the queue is decided by its policy at Amazon, not by signatures: a message
without any envelope is as welcome, so checking the signature of those that have one would keep nobody out. The topic
is looked at all the same, because a topic too many is an easy mistake.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable
from typing import Any

from newsletter.feedback.vocabulary import NotAnEvent, parse

_SET_UP = "Successfully validated SNS topic"  # what SES publishes when a topic is connected
_STATUS = "Sending Status"  # EventBridge: the account was paused, or may send again

log = logging.getLogger(__name__)


class Poison(Exception):
    """A message we cannot make anything of; the text says why."""


def records_in(body: str, topics: Container[str]) -> list[str]:
    """The event records in a message of the queue; none in what is only to be acknowledged. Raises Poison."""
    if body.startswith(_SET_UP):
        return []
    found = _json(body)
    if found is None:
        return _checked(line for line in body.splitlines() if line.strip())
    if not isinstance(found, dict):
        raise Poison("it is no event record")
    if "TopicArn" in found and "Type" in found:
        return _of_topic(found, topics)
    if "detail-type" in found:
        return _of_bus(found)
    return _checked([body])


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _of_topic(envelope: dict[str, Any], topics: Container[str]) -> list[str]:
    topic = envelope["TopicArn"]
    if not isinstance(topic, str) or topic not in topics:
        raise Poison("it is of a topic that is not listed in [feedback] topics")
    if envelope["Type"] != "Notification":
        return []
    message = envelope.get("Message")
    if not isinstance(message, str):
        raise Poison("its envelope holds no message")
    return _checked([message]) if isinstance(_json(message), dict) else []


def _of_bus(frame: dict[str, Any]) -> list[str]:
    detail = frame.get("detail")
    if frame.get("source") != "aws.ses" or not isinstance(detail, dict):
        raise Poison("it is an event of EventBridge, and not of Amazon SES")
    if str(frame["detail-type"]).startswith(_STATUS):
        log.warning("Amazon SES says: %s.", "".join(c for c in str(frame["detail-type"])[:80] if c.isprintable()))
        return []
    return _checked([json.dumps(detail)])


def _checked(records: Iterable[str]) -> list[str]:
    """The records, when each can be read: what cannot must stay in the queue, and not be lost."""
    found = list(records)
    if not found:
        raise Poison("it is empty")
    for record in found:
        try:
            parse(record)
        except NotAnEvent as error:
            raise Poison(f"it is no event record ({error})") from None
    return found
