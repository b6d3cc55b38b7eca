"""Dates in words, in the language of what they stand in; the ISO date in languages we have no table for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from newsletter.editorial.languages import language, subtag
from newsletter.rendering.phrases import phrases, say

_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


def long_date(day: date, lang: str) -> str:
    """`Thursday, October 10, 2024`, `Donnerstag, 10. Oktober 2024`, `jeudi 10 octobre 2024`."""
    words = language(lang)
    return words.full(day) if words else day.isoformat()


def short_date(day: date, lang: str, *, beside: date) -> str:
    """`October 9`, `9. Oktober`, with the year only where it differs from the date it stands beside."""
    words = language(lang)
    return words.short(day, beside=beside) if words else day.isoformat()


def until_words(moment: datetime, lang: str, *, beside: date) -> str:
    """`the end of October 17`, or `18:00 New York time on October 17`: a moment of its own zone, said after "until"."""
    words = phrases(lang)
    last = (moment.astimezone(UTC) - timedelta(microseconds=1)).astimezone(moment.tzinfo)
    if last.date() < moment.date():  # not by the clock: some days begin at one, their midnight skipped
        return say(words["until_end"], lang=lang, date=short_date(last.date(), lang, beside=beside))
    name = getattr(moment.tzinfo, "key", "") or "UTC"
    time = f"{moment:%H:%M}"
    if "/" in name:
        city = name.rpartition("/")[2].replace("_", " ")
        known = language(lang)
        place = known.places.get(city, city) if known else city
        time = say(words["local_time"], lang=lang, time=time, place=place)
    else:
        time = f"{time} {name}"
    return say(words["until_time"], lang=lang, time=time, date=short_date(moment.date(), lang, beside=beside))


def direction(lang: str) -> str:
    """`rtl` for languages written from right to left, else `ltr`."""
    return "rtl" if subtag(lang) in _RIGHT_TO_LEFT else "ltr"
