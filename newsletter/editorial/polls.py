"""Polls: a question to readers, the answers offered, and until when they may vote.

A poll closes at a moment of the newsletter's own zone; a vote at that very moment is too late. What readers were asked
stands in their build's facts, so that nothing written later changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

OPEN_FOR = timedelta(days=7)  # after the date, where the editor says nothing
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Poll:
    """A poll as readers were asked it; its options are numbered from 1."""

    id: str
    question: str
    options: tuple[str, ...]
    closes: datetime  # aware

    def is_open(self, at: datetime) -> bool:
        return at < self.closes

    def has(self, choice: int | None) -> bool:
        return choice is not None and 1 <= choice <= len(self.options)

    def facts(self) -> dict[str, object]:
        """What a build's manifest keeps of it."""
        closes = self.closes.astimezone(UTC).isoformat()
        return {"id": self.id, "question": self.question, "options": list(self.options), "closes": closes}


def closing(written: date | datetime | None, *, issued: date, zone: tzinfo) -> datetime:
    """The moment a poll closes: the one written, in the newsletter's zone; the end of the day written; or a week on.

    Raises ValueError, in words, for a moment that the clocks skip, the calendar does not have, or the issue is after.
    """
    try:
        if isinstance(written, datetime):
            moment = written.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
            if moment.replace(tzinfo=None) != written:
                raise ValueError(f"the clocks of {zone} skip {written:%Y-%m-%d %H:%M}.")
        else:
            # Where a day begins with a skipped hour, this is the moment of the skip: the day before ends there too.
            midnight = datetime.combine((written or issued + OPEN_FOR) + _DAY, time.min, zone)
            moment = midnight.astimezone(UTC).astimezone(zone)
        if moment <= datetime.combine(issued, time.min, zone):
            raise ValueError(f"it is over before the issue's own day, {issued}.")
    except OverflowError:
        raise ValueError("no calendar goes as far as this poll.") from None
    return moment


def polls_in(facts: Mapping[str, Any]) -> Iterator[Poll]:
    """The polls a build's facts tell of; none in builds older than polls."""
    for fact in facts.get("polls", ()):
        yield Poll(fact["id"], fact["question"], tuple(fact["options"]), datetime.fromisoformat(fact["closes"]))
