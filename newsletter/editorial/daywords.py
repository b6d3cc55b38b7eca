"""What copy says about days, and whether it is true on the day it is read: "yesterday", "on Wednesday, October 9".

A word such as "yesterday" is right on the day it was written for and wrong on any other. A weekday stays right as long
as no such day lies between: "on Wednesday", written on a Thursday, is the same Wednesday on Friday, and another one a
week later. One table holds a language; of other languages nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Slip:
    """Words about a day that are not true, and where they begin."""

    at: int
    message: str
    remedy: str


@dataclass(frozen=True)
class Tongue:
    """How a language speaks of days. Groups: `day` a weekday; `n`, `m`, `y` of a date, by its ways to be written."""

    weekdays: tuple[str, ...]  # Monday first
    months: tuple[str, ...]  # the three letters by which each is known
    relative: tuple[tuple[re.Pattern[str], int], ...]  # words, and how many days on they mean
    dated_relative: tuple[tuple[re.Pattern[str], int], ...]  # the same with a date behind them
    nearest: re.Pattern[str]  # a weekday that means the last, or the next, there is
    dated: tuple[re.Pattern[str], ...]  # a weekday and the date it is said to be


def _tongue(
    weekdays: str, months: str, words: dict[str, int], *, day_month: str, nearest: str, dated: tuple[str, ...]
) -> Tongue:
    known = tuple(name[:3].lower() for name in months.split())
    names = tuple(weekdays.split())
    long = "|".join(f"{name[:3]}(?:{name[3:]}|t)?" for name in months.split())
    when = day_month.replace("MONTH", f"(?:{long})")
    day = f"(?P<day>{'|'.join(names)})"

    def ready(pattern: str) -> re.Pattern[str]:
        spaced = pattern.replace("DAY", day).replace("DATE", when).replace(" ", r"\s+")
        return re.compile(rf"(?<![\w-])(?:{spaced})(?![\w-])", re.IGNORECASE)

    return Tongue(
        names,
        known,
        relative=tuple((ready(word), days) for word, days in words.items()),
        dated_relative=tuple((ready(rf"(?:{word}),? \(?(?:on |am |den )?DATE"), days) for word, days in words.items()),
        nearest=ready(nearest),
        dated=tuple(ready(pattern) for pattern in dated),
    )


ENGLISH = _tongue(
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August September October November December",
    {
        "the day before yesterday": -2,
        "(?<!before\\s)yesterday(?:'s|’s)?|last night|(?:24|twenty-four) hours ago": -1,
        "today|tonight|this (?:morning|afternoon|evening)": 0,
        "(?<!after\\s)tomorrow(?:'s|’s)?": 1,
        "the day after tomorrow": 2,
    },
    day_month=(
        r"(?:(?P<m1>MONTH)\.? (?P<n1>\d{1,2})(?:st|nd|rd|th)?"
        r"|(?P<n2>\d{1,2})(?:st|nd|rd|th)? (?:of )?(?P<m2>MONTH)\.?)(?:,? (?P<y>\d{4}))?"
    ),
    nearest="(?:on|last|next|this|since|until|by) DAY(?:'s|’s)?",
    dated=(r"DAY,? \(?(?:the )?DATE", r"DATE,? (?:\(|a )DAY"),
)
GERMAN = _tongue(
    "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    {
        "vorgestern": -2,
        "gestern|vor 24 Stunden": -1,
        "heute": 0,
        "übermorgen": 2,
    },
    day_month=r"(?P<n1>\d{1,2})\.\s*(?:(?P<m1>MONTH)\.?|(?P<k1>\d{1,2})\.)(?:\s*(?P<y>\d{4}))?",
    nearest="(?:am|letzten|vergangenen|nächsten|kommenden|diesen|seit|bis) DAY",
    dated=(r"DAY,? \(?(?:den |der |dem )?DATE",),
)
TONGUES = {"en": ENGLISH, "de": GERMAN}


def wrong_dates(text: str, lang: str, day: date) -> Iterator[Slip]:
    """Dates whose weekday is another, or that are not yesterday, in a text written for that day."""
    tongue = TONGUES.get(lang.partition("-")[0].lower())
    if tongue is None:
        return
    for pattern in tongue.dated:
        for match in pattern.finditer(text):
            meant = _meant(match, tongue, day)
            if meant is not None and _weekday(match, tongue) != meant.weekday():
                name = tongue.weekdays[meant.weekday()]
                yield Slip(match.start(), f"“{_said(match)}” is a {name}.", f"Write {name}, or mend the date.")
    for pattern, days in tongue.dated_relative:
        for match in pattern.finditer(text):
            meant, right = _meant(match, tongue, day), day + timedelta(days)
            if meant is not None and meant != right:
                message = f"“{_said(match)}” is not the day meant: that is {_named(right, tongue)}."
                yield Slip(match.start(), message, "Mend the date, or leave it out.")


def moved_words(text: str, lang: str, *, written: date, read: date) -> Iterator[Slip]:
    """Words about days that were right on the day they were written for and are not on the day they are read."""
    tongue = TONGUES.get(lang.partition("-")[0].lower())
    if tongue is None or written == read:
        return
    for pattern, days in tongue.relative:
        for match in pattern.finditer(text):
            yield _moved(match, _named(written + timedelta(days), tongue), written, read)
    dated = {match.start("day") for pattern in tongue.dated for match in pattern.finditer(text)}
    for match in tongue.nearest.finditer(text):
        weekday = _weekday(match, tongue)
        if match.start("day") not in dated and _last(weekday, written) != _last(weekday, read):
            before, after = _last(weekday, written), _last(weekday, written) + timedelta(7)
            yield _moved(match, f"{before.isoformat()} or {after.isoformat()}", written, read)


def _moved(match: re.Match[str], meant: str, written: date, read: date) -> Slip:
    message = f"“{_said(match)}” was written for {written.isoformat()} and is read on {read.isoformat()}."
    return Slip(match.start(), message, f"It meant {meant}: say it so that it is true on the day it is read.")


def _meant(match: re.Match[str], tongue: Tongue, near: date) -> date | None:
    """The date written: in the year named, else in the year that brings it nearest."""
    parts = match.groupdict()
    number = int(parts.get("n1") or parts["n2"])
    month = parts.get("k1")
    if month is None:
        named = str(parts.get("m1") or parts["m2"])[:3].lower()
        month = tongue.months.index(named) + 1
    years = [int(parts["y"])] if parts["y"] else [near.year - 1, near.year, near.year + 1]
    found = []
    for year in years:
        try:
            found.append(date(year, int(month), number))
        except ValueError:
            continue
    return min(found, key=lambda day: abs(day - near), default=None)


def _weekday(match: re.Match[str], tongue: Tongue) -> int:
    return [name.lower() for name in tongue.weekdays].index(match["day"].lower())


def _last(weekday: int, day: date) -> date:
    """The last such weekday up to that day."""
    return day - timedelta((day.weekday() - weekday) % 7)


def _named(day: date, tongue: Tongue) -> str:
    return f"{tongue.weekdays[day.weekday()]}, {day.isoformat()}"


def _said(match: re.Match[str]) -> str:
    said = " ".join(match[0].split())
    return f"{said})" if "(" in said and ")" not in said else said
