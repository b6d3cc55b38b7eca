"""A poll's result as a theme sees it: a sentence, and a row for each option with its bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from newsletter.editorial.resolved import ReadersSaid
from newsletter.editorial.votes import Share
from newsletter.rendering.dates import until_words
from newsletter.rendering.phrases import phrases, say

BAR = 20  # characters of the text part's longest bar
_OPTION = 40  # characters an option may take in front of its bar


@dataclass(frozen=True)
class ResultRow:
    """An option: its share in words and in hundredths, and as a line of the text part."""

    option: str
    share: str
    percent: int
    line: str


@dataclass(frozen=True)
class PollResult:
    """What readers answered. Every sentence is ready to be shown; options are plain words."""

    lead_in: str
    question: str
    label: str
    sentence: str
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...]
    is_open: bool
    answer: str  # Markdown


def poll_result(said: ReadersSaid, *, lang: str, day: date) -> PollResult:
    """The result in the issue's language, seen from its date."""
    words = phrases(lang)
    shares = said.tally.shares(said.poll)
    widest = min(_OPTION, max(len(_line(share.option)) for share in shares))
    is_open = not said.tally.final
    return PollResult(
        said.lead_in,
        said.poll.question,
        words["so_far"] if is_open else said.label,
        _sentence(shares, words, lang),
        tuple(_row(share, words, lang, widest=widest) for share in shares),
        tuple(_notes(said, words, lang, day=day)),
        is_open,
        said.answer,
    )


def _sentence(shares: tuple[Share, ...], words: Mapping[str, str], lang: str) -> str:
    """`62 % of 1,340 said: Who pays for them`"""
    total, most = sum(share.votes for share in shares), max(share.votes for share in shares)
    if total == 0:
        return words["poll_nobody"]
    first = [share for share in shares if share.votes == most]
    options = " / ".join(_line(share.option) for share in first)
    pattern = words["poll_said"] if len(first) == 1 else words["poll_tied"]
    percent = say(words["percent"], lang=lang, number=first[0].percent)
    return say(pattern, lang=lang, percent=percent, votes=_number(total, words), option=options)


def _row(share: Share, words: Mapping[str, str], lang: str, *, widest: int) -> ResultRow:
    option, percent = _line(share.option), say(words["percent"], lang=lang, number=share.percent)
    bar = "#" * ((share.percent * BAR + 50) // 100)
    # An option that is too long stands on a line of its own.
    start = f"{option}\n{'':{widest}}" if len(option) > widest else f"{option:{widest}}"
    return ResultRow(option, percent, share.percent, f"{start}  {percent:>5}  {bar}".rstrip())


def _notes(said: ReadersSaid, words: Mapping[str, str], lang: str, *, day: date) -> list[str]:
    notes = [say(words["poll_votes"], lang=lang, votes=_number(said.tally.total, words))]
    if said.tally.left_out:
        notes.append(say(words["poll_left_out"], lang=lang, votes=_number(said.tally.left_out, words)))
    until = until_words(said.poll.closes, lang, beside=day)
    return [*notes, say(words["poll_open_until" if not said.tally.final else "poll_until"], lang=lang, closes=until)]


def _number(number: int, words: Mapping[str, str]) -> str:
    return f"{number:,}".replace(",", words["thousands"])


def _line(option: str) -> str:
    return " ".join(option.split())
