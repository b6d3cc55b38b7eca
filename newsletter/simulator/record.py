"""The simulator's own record: what it accepted, on disk before it answered.

Tests hold the sender's ledger against this record, so it must be true even when the simulator is killed: each request's
lines are flushed before its answer leaves, and a line cut short by a kill is dropped at the next start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError

DELIVERED, NOT_RENDERED = "delivered", "not-rendered"
_MAILBOXES = {
    "success": DELIVERED,
    "bounce": "bounced",
    "complaint": "complained",
    "ooto": "auto-replied",
    "suppressionlist": "suppressed",
}
_MAILBOX_DOMAIN = "simulator.amazonses.com"


def is_mailbox(address: str) -> bool:
    """Whether it is one of the mailbox simulator's, which count against no quota."""
    return address.lower().endswith("@" + _MAILBOX_DOMAIN)


def outcome_of(address: str) -> str:
    """What becomes of mail to an address: the mailbox simulator's decide by name, all others get it."""
    if not is_mailbox(address):
        return DELIVERED
    return _MAILBOXES.get(address.lower().partition("@")[0].partition("+")[0], DELIVERED)


@dataclass(slots=True)
class Accepted:
    """One message SES took: it has a message id, whatever becomes of it."""

    message_id: str
    accepted_at: str  # ISO 8601, UTC
    operation: str
    sender: str
    destination: list[str]
    outcomes: list[str]  # one for each destination
    tags: dict[str, str]
    configuration_set: str | None = None
    subject: str | None = None
    failure: str | None = None  # why it was not rendered
    template: str | None = None
    eml: str | None = None  # relative to the data folder
    tracking: str | None = None  # opens | clicks | both; None: nothing is measured
    links: int | None = None  # which of the record's sets of links is measured
    plan: list[list[Any]] | None = None  # its events, where they are not the usual ones: see fate.py


def new_message_id(at: datetime) -> str:
    """In the shape of SES's: time first, then chance."""
    chance = os.urandom(16).hex()
    parts = (chance[:8], chance[8:12], chance[12:16], chance[16:20], chance[20:])
    return f"{int(at.timestamp() * 1000):016x}-{'-'.join(parts)}-000000"


class Record:
    """Everything accepted so far, in order, over restarts."""

    def __init__(self, data: Path, *, keep_messages: bool) -> None:
        self._folder = data / "messages"
        self._keep = keep_messages
        self._folder.mkdir(parents=True, exist_ok=True)
        path = data / "record.jsonl"
        self._file = path.open("ab+")
        _lock(self._file.fileno(), data)
        self.accepted: list[Accepted] = self._read(path)
        self._places: dict[str, int] = {}
        self._links_path = data / "links.jsonl"
        written = self._links_path.read_bytes().splitlines() if self._links_path.exists() else []
        self.links = [tuple(json.loads(line)) for line in written]
        self._numbers = {links: number for number, links in enumerate(self.links)}

    @property
    def keeps_messages(self) -> bool:
        return self._keep

    def keep(self, message_id: str, data: bytes) -> str:
        """Store one message; gives its path within the data folder."""
        (self._folder / f"{message_id}.eml").write_bytes(data)
        return f"messages/{message_id}.eml"

    def link_set(self, links: tuple[str, ...]) -> int:
        """The number of a set of links: an issue's readers share a few."""
        known = self._numbers.get(links)
        if known is None:
            known = self._numbers[links] = len(self.links)
            with self._links_path.open("a") as file:
                file.write(json.dumps(links) + "\n")
            self.links.append(links)
        return known

    def find(self, message_id: str) -> Accepted | None:
        """A message by its id."""
        for number in range(len(self._places), len(self.accepted)):
            self._places[self.accepted[number].message_id] = number
        place = self._places.get(message_id)
        return self.accepted[place] if place is not None else None

    def add(self, messages: Sequence[Accepted]) -> None:
        """Write down what one request made us accept, before it is answered."""
        self._file.write("".join(map(_line, messages)).encode())
        self._file.flush()
        self.accepted.extend(messages)

    def close(self) -> None:
        self._file.close()

    def _read(self, path: Path) -> list[Accepted]:
        whole = path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):  # killed in the middle of a line: that request was never answered
            os.truncate(path, end)
        return [Accepted(**json.loads(line)) for line in whole[:end].splitlines()]


def as_json(message: Accepted) -> dict[str, object]:
    """The message as JSON holds it (dataclasses.asdict copies deeply, which costs more than all else here)."""
    return {name: getattr(message, name) for name in Accepted.__slots__}


def _line(message: Accepted) -> str:
    """A line of the record; what is not said of a message is left out."""
    return _ENCODE({name: value for name in Accepted.__slots__ if (value := getattr(message, name)) is not None}) + "\n"


_ENCODE = json.JSONEncoder(check_circular=False).encode


def now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)


def _lock(descriptor: int, data: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: one simulator a folder is then up to the person
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise NewsletterError(f"Another simulator is using {data}. Stop it, or give another folder.") from None
