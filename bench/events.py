"""Events applied a second: parsed, stored, folded into the ledger, with the suppression list and the breaker's figures.

Prints one JSON line. The plain alternative in the same run: a loop that inserts the same messages as raw rows only, a
transaction for as many as a page has, and knows nothing of what they say.

    python bench/events.py [--events N] [--page N]
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select

from newsletter.app import App, make_workspace
from newsletter.feedback.apply import Applied, apply_messages
from newsletter.feedback.vocabulary import parse
from newsletter.store.tables import builds, deliveries, raw_events, sends, subscribers

SEND = "abcdefgh"
AT = datetime(2024, 10, 10, 11, 0, tzinfo=UTC)
BAD = 50  # one reader in so many bounces or complains


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=100_000)
    options.add_argument("--page", type=int, default=1_000)
    chosen = options.parse_args()
    logging.disable(logging.ERROR)  # the breaker speaks up: so many complaints are far too many
    messages = messages_about(range(1, chosen.events // 2 + 1))
    with tempfile.TemporaryDirectory() as folder:
        app = make_workspace(Path(folder) / "ours", sample=True)
        _send(app, chosen.events // 2)
        seconds, done = _apply(app, messages, chosen.page)
        suppressed = done.suppressed
        app.store.close()
        plain_app = make_workspace(Path(folder) / "plain", sample=True)
        plain = _plain(plain_app, messages, chosen.page)
        plain_app.store.close()
    print(
        json.dumps(
            {
                "bench": "events",
                "events": len(messages),
                "page": chosen.page,
                "applied_a_second": round(len(messages) / seconds),
                "outcomes": done.outcomes,
                "suppressed": suppressed,
                "plain_rows_a_second": round(len(messages) / plain),
            }
        )
    )


def _apply(app: App, messages: Sequence[str], page: int) -> tuple[float, Applied]:
    total, began = Applied(), time.perf_counter()
    for start in range(0, len(messages), page):
        with app.store.write() as connection:
            part = messages[start : start + page]
            total += apply_messages(connection, part, settings=app.settings, keys=app.keys, now=app.now())
    return time.perf_counter() - began, total


def _plain(app: App, messages: Sequence[str], page: int) -> float:
    keys = [parse(message).dedup for message in messages]  # not counted: the rows need something unique
    began = time.perf_counter()
    for start in range(0, len(messages), page):
        with app.store.write() as connection:
            for number in range(start, min(start + page, len(messages))):
                row = {"dedup": keys[number], "body": messages[number], "received_at": AT}
                connection.execute(insert(raw_events).values(row))
    seconds = time.perf_counter() - began
    with app.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(raw_events)) == len(messages)
    return seconds


def _send(app: App, readers: int) -> None:
    """A send whose readers were all accepted."""
    with app.store.write() as connection:
        row = {"hash": "b" * 64, "newsletter": "daily", "issue": "i", "date": date(2024, 10, 10)}
        connection.execute(insert(builds).values(built_at=AT, **row))
        row = {"id": SEND, "newsletter": "daily", "issue": "i", "build": "b" * 64, "state": "done", "person": "bench"}
        row |= {"transport": "ses", "date_waived": False}
        connection.execute(insert(sends).values(created_at=AT, first_handover_at=AT, **row))
        people = [
            {"id": n, "address_hash": f"h1:{n:064x}", "address": f"reader{n}@example.com", "created_at": AT}
            for n in range(1, readers + 1)
        ]
        connection.execute(insert(subscribers), people)
        rows = [
            {"send_id": SEND, "subscriber_id": n, "message_id": f"0100-{n}", "attempt": 1, "batch": n // 50}
            | {"state": "accepted", "handed_over_at": AT}
            for n in range(1, readers + 1)
        ]
        connection.execute(insert(deliveries), rows)


def messages_about(readers: Iterable[int]) -> list[str]:
    """Two events a reader, a Send and what became of it, out of order as they come."""
    found = []
    for number in readers:
        found += [_record("Send", number), _record(_outcome(number), number)]
    random.Random(1).shuffle(found)
    return found


def _outcome(number: int) -> str:
    return "Delivery" if number % BAD else ("Bounce", "Soft", "Complaint")[number // BAD % 3]


def _record(kind: str, number: int) -> str:
    at = (AT + timedelta(milliseconds=number)).isoformat()
    address = f"reader{number}@example.com"
    details: dict[str, tuple[str, str, dict[str, object]]] = {
        "Send": ("Send", "send", {}),
        "Delivery": ("Delivery", "delivery", {"recipients": [address], "smtpResponse": "250 ok"}),
        "Bounce": ("Bounce", "bounce", _bounce("Permanent", "General", address)),
        "Soft": ("Bounce", "bounce", _bounce("Transient", "MailboxFull", address)),
        "Complaint": ("Complaint", "complaint", {"complainedRecipients": [{"emailAddress": address}]}),
    }
    event, part, values = details[kind]
    mail = {
        "timestamp": at,
        "messageId": f"0100-{number}",
        "source": "The Daily <daily@news.example.org>",
        "destination": [address],
        "headersTruncated": False,
        "headers": [{"name": "List-Id", "value": "daily.news.example.org"}, {"name": "Subject", "value": "A wall"}],
        "commonHeaders": {"from": ["daily@news.example.org"], "to": [address], "subject": "A wall"},
        "tags": {"ses:configuration-set": ["daily"], "delivery": [f"{SEND}-{number}-1"]},
    }
    detail = {"timestamp": at, "feedbackId": f"{kind}-{number}", **values}
    return json.dumps({"eventType": event, "mail": mail, part: detail})


def _bounce(kind: str, subtype: str, address: str) -> dict[str, object]:
    who = {"emailAddress": address, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 unknown"}
    return {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [who]}


if __name__ == "__main__":
    main()
