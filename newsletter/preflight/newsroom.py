"""Rules of the newsroom: the day, credits of pictures, and slips of the pen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding
from newsletter.preflight.sources import Copy

_DOUBLED = re.compile(r"\b([^\W\d_]{2,})[ \n]+\1\b", re.IGNORECASE)
# Doubled words that are right: had had, that that, die die, nous nous; and names sung twice.
_RIGHTLY = {
    "had",
    "that",
    "die",
    "der",
    "das",
    "nous",
    "vous",
    "bye",
    "no",
    "so",
    "very",
    "hong",
    "pago",
    "bora",
    "baden",
}
_GLUED = re.compile(r"(?<![\w./@])([a-zà-ÿ’')]{3,}[.!?…][”\"’)]?)([A-Z][a-zà-ÿ]+)(?![\w]*[./@(])")
_PARTED = re.compile(r"\n[ \t]*(?=\n)|(?:^|\n)[ \t]*(?=(?:[-*+]|\d{1,3}[.)])[ ]+\S)")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")
_MOJIBAKE = re.compile("â€[™œ\u009d“”˜¦]|Ã[©¨¤¶¼Ÿ±¡³]|\ufffd")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def day(examined: Examined) -> Iterator[Finding]:
    """DATE: a build goes out on its own day, in the newsletter's zone."""
    today = examined.context.now.astimezone(examined.context.zone).date()
    if examined.build.date != today:
        message = f"the issue is for {_said(examined.build.date)}; it would go out on {_said(today)}."
        remedy = 'Set its date, or send it knowingly: --waive DATE="rehearsal of an old issue".'
        yield error("DATE", examined.sources.key("date"), message, remedy)


def _said(moment: date) -> str:
    return f"{_DAYS[moment.weekday()].capitalize()}, {moment.isoformat()}"


def picture_credits(examined: Examined) -> Iterator[Finding]:
    """SENSITIVE: a picture names whose it is."""
    for block in examined.resolved.blocks if examined.resolved else ():
        for story in block.stories:
            if story.meta.image and not story.meta.image.credit:
                place = story.front.place(["image"])
                message = f"the picture {story.meta.image.src} has no credit."
                yield warning("SENSITIVE", place, message, 'Write credit = "…" under [image].')


def slips(examined: Examined) -> Iterator[Finding]:
    """COPY: doubled words, glued sentences, invisible characters, broken accents."""
    for copy in examined.sources.copies:
        for at, finding in sorted(_slips(copy), key=lambda found: found[0]):
            message, remedy, wrong = finding
            place = copy.place(copy.text.count("\n", 0, at) + 1)
            yield (error if wrong else warning)("COPY", place, message, remedy)


def _slips(copy: Copy) -> Iterator[tuple[int, tuple[str, str, bool]]]:
    """(position, (message, remedy, whether it is certainly wrong))."""
    if copy.one_paragraph and (broken := _PARTED.search(copy.text)):
        message = "an item is set as one paragraph: its lists and paragraphs run together."
        yield broken.end(), (message, "Make it one paragraph, or several items.", False)
    for match in _DOUBLED.finditer(copy.text):
        if match[1].lower() not in _RIGHTLY:
            yield match.start(), (f"“{shortened(match[0])}” stands twice.", "Keep one.", False)
    for match in _GLUED.finditer(copy.text):
        yield match.start(), (f"“{match[0]}” has no space between sentences.", f"Write “{match[1]} {match[2]}”.", False)
    for match in _INVISIBLE.finditer(copy.text):
        code = f"U+{ord(match[0]):04X}"
        yield match.start(), (f"there is an invisible character ({code}).", "Delete it; readers never get it.", False)
    for match in _MOJIBAKE.finditer(copy.text):
        message = f"“{match[0]}” is a character that was read in the wrong encoding."
        yield match.start(), (message, "Type it again.", True)
