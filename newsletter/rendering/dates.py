"""Dates in words, from our own small table: the machine's locale must not shape a build."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


def long_date(day: date, lang: str) -> str:
    """`Thursday, October 10, 2024` in English, the ISO date in languages we have no table for."""
    if not _english(lang):
        return day.isoformat()
    return f"{_DAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}, {day.year}"


def short_date(day: date, lang: str, *, beside: date) -> str:
    """`October 9`, with the year only where it differs from the date it stands beside."""
    if not _english(lang):
        return day.isoformat()
    year = "" if day.year == beside.year else f", {day.year}"
    return f"{_MONTHS[day.month - 1]} {day.day}{year}"


def until_words(moment: datetime, lang: str, *, beside: date) -> str:
    """`the end of October 17`, or `18:00 New York time on October 17`: a moment of its own zone, said after "until"."""
    last = (moment.astimezone(UTC) - timedelta(microseconds=1)).astimezone(moment.tzinfo)
    if last.date() < moment.date():  # not by the clock: some days begin at one, their midnight skipped
        return f"the end of {short_date(last.date(), lang, beside=beside)}"
    name = getattr(moment.tzinfo, "key", "") or "UTC"
    where = f"{name.rpartition('/')[2].replace('_', ' ')} time" if "/" in name else name
    return f"{moment:%H:%M} {where} on {short_date(moment.date(), lang, beside=beside)}"


def direction(lang: str) -> str:
    """`rtl` for languages written from right to left, else `ltr`."""
    return "rtl" if lang.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


def _english(lang: str) -> bool:
    return lang.partition("-")[0] == "en"
