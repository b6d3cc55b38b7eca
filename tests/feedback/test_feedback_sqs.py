"""Events by way of an SQS queue: a real one, as moto keeps it, with real delivery from an SNS topic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from feedback_rig import NOW, add_send, delivery, hear, said
from moto.server import ThreadedMotoServer
from sqlalchemy import func, select

from newsletter.app import App
from newsletter.errors import Refused, StoreError
from newsletter.feedback import sqs as queue_of
from newsletter.feedback.collect import collect
from newsletter.feedback.envelopes import Poison, records_in
from newsletter.feedback.sqs import Queue
from newsletter.settings import FeedbackSettings, Settings
from newsletter.store.tables import raw_events

SEND = "abcdefgh"
REGION = "eu-west-1"


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Line:
    """A topic, a queue subscribed to it, and a ledger at the end."""

    app: App
    sqs: Any
    sns: Any
    url: str
    topic: str
    settings: Settings

    def publish(self, message: str) -> None:
        self.sns.publish(TopicArn=self.topic, Message=message)

    def put(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def queue(self) -> Queue:
        return Queue(self.app.store, self.settings, self.app.keys, self.url, lambda: NOW)

    def stored(self) -> int:
        with self.app.store.read() as connection:
            return connection.scalar(select(func.count()).select_from(raw_events)) or 0


def connect(app: App, amazon: str, name: str, *, raw: bool = False, **attributes: str) -> Line:
    session = boto3.session.Session("local", "local", region_name=REGION)
    sqs, sns = session.client("sqs", endpoint_url=amazon), session.client("sns", endpoint_url=amazon)
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    options = {"RawMessageDelivery": "true"} if raw else {}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=options)
    feedback = FeedbackSettings(topics=(topic,), queue_url=url, queue_region=REGION, queue_endpoint_url=amazon)
    return Line(app, sqs, sns, url, topic, app.settings.model_copy(update={"feedback": feedback}))


@pytest.fixture
def line(app: App, amazon: str, request: pytest.FixtureRequest) -> Line:
    add_send(app, SEND, readers=60)
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[-70:]
    return connect(app, amazon, name)


def test_what_the_topic_says_comes_through_the_queue_once_and_is_gone_from_it(line: Line) -> None:
    for reader in range(1, 26):
        line.publish(said("Delivery", SEND, reader))
    line.publish(said("Delivery", SEND, 1))
    done = collect(line.app.store, line.settings, line.app.keys, now=lambda: NOW)
    assert done.outcomes == 25
    assert done.duplicates == done.received - 25 >= 1  # a queue delivers at least once, now and then twice
    assert line.left() == 0
    assert line.stored() == 25
    assert collect(line.app.store, line.settings, line.app.keys, now=lambda: NOW).received == 0


def test_raw_delivery_comes_through_as_well(app: App, amazon: str) -> None:
    add_send(app, SEND, readers=3)
    line = connect(app, amazon, f"raw-{app.store.is_postgresql}", raw=True)
    line.publish(said("Bounce", SEND, 2))
    line.publish("Successfully validated SNS topic for Amazon SES event publishing.")
    assert line.queue().drain().suppressed == 1
    assert delivery(app, SEND, 2).outcome == "bounced"
    assert line.left() == 0


def test_events_are_deleted_only_once_they_are_stored(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.publish(said("Delivery", SEND, 1))

    def broken(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(queue_of, "apply_messages", broken)
        with pytest.raises(StoreError):
            line.queue().drain()
    assert line.left() == 1
    assert line.stored() == 0


def test_what_nothing_can_be_made_of_is_named_once_left_there_and_holds_up_nobody(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    line.sqs.set_queue_attributes(QueueUrl=line.url, Attributes={"VisibilityTimeout": "0"})
    line.put("hello")
    line.put(json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:theirs", "Message": "{}"}))
    for reader in range(1, 4):
        line.publish(said("Delivery", SEND, reader))
    queue = line.queue()
    assert queue.drain().outcomes == 3
    assert queue.drain().received == 0
    assert line.left() == 2
    named = [record.getMessage() for record in caplog.records if "is left there" in record.getMessage()]
    assert len(named) == 2
    assert sum("not listed in [feedback] topics" in text for text in named) == 1


def test_an_event_that_meets_a_defect_does_not_keep_its_neighbours(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    apply = queue_of.apply_messages

    def stumbles(connection: Any, messages: Any, **given: Any) -> Any:
        done = apply(connection, messages, **given)
        if any(f"{SEND}-2-1" in message for message in messages):
            raise ZeroDivisionError
        return done

    monkeypatch.setattr(queue_of, "apply_messages", stumbles)
    for reader in range(1, 5):
        line.publish(said("Delivery", SEND, reader))
    assert line.queue().drain().outcomes == 3
    assert [delivery(line.app, SEND, reader).outcome for reader in range(1, 5)] == [
        "delivered",
        "none",
        "delivered",
        "delivered",
    ]
    assert line.left() == 1
    assert "applying it fails with ZeroDivisionError" in caplog.text


def test_a_queue_that_is_not_there_is_said_in_a_line(line: Line) -> None:
    line.sqs.delete_queue(QueueUrl=line.url)
    with pytest.raises(Refused, match=r"queue of events cannot be read: .*Check \[feedback\] queue_url"):
        line.queue().drain()


def test_every_wrapping_is_opened() -> None:
    topics, record = {"t"}, said("Send", SEND)
    wrapped = {"Type": "Notification", "TopicArn": "t", "Message": record}
    bus = {"detail-type": "Email Sent", "source": "aws.ses", "detail": json.loads(record)}
    assert records_in(record, topics) == [record]
    assert records_in(json.dumps(wrapped), topics) == [record]
    assert [json.loads(found) for found in records_in(json.dumps(bus), topics)] == [json.loads(record)]
    assert records_in(f"{record}\n{record}\n", topics) == [record, record]
    assert records_in(json.dumps({**wrapped, "Message": "Successfully validated SNS topic …"}), topics) == []
    assert records_in(json.dumps({**wrapped, "Type": "UnsubscribeConfirmation"}), topics) == []
    paused = {**bus, "detail-type": "Sending Status Disabled", "detail": {}}
    assert records_in(json.dumps(paused), topics) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        '{"eventType": "Bounce"}',
        '{"Type": "Notification", "TopicArn": ["t"], "Message": "{}"}',
        '{"Type": "Notification", "TopicArn": "t", "Message": {"eventType": "Bounce"}}',
        '{"Type": "Notification", "TopicArn": "t", "Message": "{}"}',
        '{"detail-type": "Object Created", "source": "aws.s3", "detail": {}}',
        '{"detail-type": "Email Sent", "source": "aws.ses", "detail": "x"}',
        said("Send", SEND) + "\nhello",
    ],
)
def test_what_is_no_event_in_no_wrapping_is_told_from_what_is(body: str) -> None:
    with pytest.raises(Poison):
        records_in(body, {"t"})


def test_a_page_of_the_queue_that_was_applied_by_hand_before_changes_nothing(line: Line) -> None:
    message = said("Complaint", SEND, 5)
    hear(line.app, message)
    line.publish(message)
    assert line.queue().drain().duplicates == 1
