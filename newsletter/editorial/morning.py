"""What an editor should see when a new issue is opened: questions still open, yesterday's leftovers, the inbox.

Written as comments into the new issue.toml, where they are in the way of nobody and can be turned into blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from newsletter.editorial.index import Index, Sought, StoryEntry
from newsletter.editorial.library import INBOX, Heading, Library
from newsletter.editorial.lookback import Lookback
from newsletter.editorial.register import CLOSED, PLANNED, Question, read_register
from newsletter.editorial.sent import read_sent

MOST = 12  # of each kind: the rest is a command away
WINDOW = timedelta(days=366)
_LONGEST = 90  # characters of a title


@dataclass(frozen=True)
class Morning:
    """What is on the desk."""

    open: tuple[Question, ...]  # the oldest promise first
    yesterday: str | None  # the newsletter's issue before
    leftovers: tuple[StoryEntry, ...]  # of its folder, in no block of any issue
    inbox: tuple[StoryEntry, ...]  # in no issue that went out, the newest first

    def comments(self) -> str:
        """The lines of a TOML comment; "" when there is nothing to say."""
        parts = [
            *_part("Questions still open. Each becomes a block of type follow-up:", map(_asked, self.open)),
            *_part(f"In the folder of {self.yesterday}, and in no issue:", map(_titled, self.leftovers)),
            *_part("In the inbox, not sent yet:", map(_titled, self.inbox)),
        ]
        return "".join(f"# {line}".rstrip() + "\n" for line in parts)


def morning(library: Library, index: Index, newsletter: str, *, zone: tzinfo, day: date) -> Morning:
    """What lies on the desk of a newsletter on a day."""
    sent = read_sent(index.connection, newsletter, zone)
    lookback = Lookback(library, index, sent, Heading(day, "", newsletter), "")
    since = day - WINDOW if day.toordinal() > WINDOW.days else date.min
    known = read_register(library, index, {newsletter: sent}, {newsletter: day}, since=since).questions
    owed = [asked for asked in known if asked.status not in CLOSED and asked.status != PLANNED]
    owed.sort(key=lambda asked: (asked.promised_by or date.max, asked.asked_on or date.max, asked.id))
    before = next((each for each in lookback.earlier if each.newsletter == newsletter and each.date < day), None)
    folder = index.stories(Sought(folders=[before.issue])) if before else iter(())
    left = [entry for entry in folder if not lookback.carriers(entry.story)]
    inbox = [entry for entry in index.stories(Sought(folders=[INBOX])) if not _went_out(lookback, entry)]
    yesterday = before.issue if before else None
    return Morning(tuple(owed[:MOST]), yesterday, tuple(left[:MOST]), tuple(inbox[:MOST]))


def _went_out(lookback: Lookback, entry: StoryEntry) -> bool:
    return lookback.first_sent(entry.story)[1] is not None


def _part(heading: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ("", heading, *(f"  {line}" for line in found))


def _asked(asked: Question) -> str:
    promise = f", promised by {asked.promised_by}" if asked.promised_by else ""
    late = ": overdue" if asked.overdue else ""
    return f'question = "{asked.id}"  {_short(asked.question)} (asked in {asked.asked_in}{promise}{late})'


def _titled(entry: StoryEntry) -> str:
    return f'story = "{entry.story}"  {_short(entry.title)}'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
