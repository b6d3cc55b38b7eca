"""What copy says about days, and whether it is true on the day it is read: "yesterday", "on Wednesday, October 9".

A word such as "yesterday" is right on the day it was written for and wrong on any other. A weekday stays right as long
as no such day lies between: "on Wednesday", written on a Thursday, is the same Wednesday on Friday, and another one a
week later. One table holds a language; of other languages nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from newsletter.editorial.languages import LANGUAGES, Language, subtag


@dataclass(frozen=True)
class Slip:
    """Words about a day that are not true, and where they begin."""

    at: int
    message: str
    remedy: str


@dataclass(frozen=True)
class Tongue:
    """How a language speaks of days. Groups: `day` a weekday; `n`, `m`, `y` of a date, by its ways to be written.

    Its patterns are made when they are first asked for: a newsroom writes in one or two languages of all.
    """

    language: Language
    words: Mapping[str, int]  # and how many days on they mean
    day_month: str
    near: str
    with_date: tuple[str, ...]

    @cached_property
    def relative(self) -> tuple[tuple[re.Pattern[str], int], ...]:
        """Words, and how many days on they mean."""
        return tuple((self._ready(word), days) for word, days in self.words.items())

    @cached_property
    def dated_relative(self) -> tuple[tuple[re.Pattern[str], int], ...]:
        """The same with a date behind them."""
        before = r",? \(?(?:(?:on|am|den|dem|le|el|il|op|dia|no dia) |l[’'])?DATE"
        return tuple((self._ready(f"(?:{word}){before}"), days) for word, days in self.words.items())

    @cached_property
    def nearest(self) -> re.Pattern[str]:
        """A weekday that means the last, or the next, there is."""
        return self._ready(self.near)

    @cached_property
    def dated(self) -> tuple[re.Pattern[str], ...]:
        """A weekday and the date it is said to be."""
        return tuple(self._ready(pattern) for pattern in self.with_date)

    def _ready(self, pattern: str) -> re.Pattern[str]:
        when = self.day_month.replace("MONTH", f"(?:{'|'.join(_ways(self.language))})")
        day = f"(?P<day>{'|'.join(self.language.weekdays)})"
        spaced = pattern.replace("DAY", day).replace("DATE", when).replace(" ", r"\s+")
        return re.compile(rf"(?<![\w-])(?:{spaced})(?![\w-])", re.IGNORECASE)


def _tongue(lang: str, words: dict[str, int], *, day_month: str, nearest: str, dated: tuple[str, ...]) -> Tongue:
    return Tongue(LANGUAGES[lang], words, day_month, nearest, dated)


def _ways(language: Language) -> Iterator[str]:
    """How its months are written: whole, or cut short to three letters and more, as long as that names one month."""
    for month in language.months:
        for end in range(len(month), 2, -1):
            if _months_named(month[:end], language) == [language.months.index(month)]:
                yield month[:end]


def _months_named(written: str, language: Language) -> list[int]:
    return [number for number, name in enumerate(language.months) if name.lower().startswith(written.lower())]


# Only words that can mean nothing else stand here: "the world of tomorrow" is no Friday, and "morgen", "mañana" and
# "demain" are not taken for a day where they may be a morning or the future.
ENGLISH = _tongue(
    "en",
    {
        "the day before yesterday": -2,
        r"(?<!before\s)yesterday(?:'s|’s)?|last night|(?:24|twenty-four) hours ago": -1,
        "today|tonight|this (?:morning|afternoon|evening)": 0,
        r"(?<!after\s)tomorrow(?:'s|’s)?": 1,
        "the day after tomorrow": 2,
    },
    day_month=(
        r"(?:(?P<m1>MONTH)\.? (?P<n1>\d{1,2})(?:st|nd|rd|th)?"
        r"|(?P<n2>\d{1,2})(?:st|nd|rd|th)? (?:of )?(?P<m2>MONTH)\.?)(?:,? (?P<y>\d{4}))?"
    ),
    nearest="(?:on|last|next|this|since|until|by) DAY(?:'s|’s)?",
    dated=(r"DAY,? \(?(?:the )?DATE", r"DATE,? (?:\(|a )DAY"),
)
_BEFORE_MORNING = "heute gestern tag mittwoch abend guten jeden am den der einen von"
_NO_MORNING = "".join(rf"(?<!{word}\s)" for word in _BEFORE_MORNING.split())
GERMAN = _tongue(
    "de",
    {
        "vorgestern": -2,
        r"(?<!von\s)gestern|vor 24 Stunden": -1,
        "heute": 0,
        rf"{_NO_MORNING}(?-i:morgen)": 1,
        "übermorgen": 2,
    },
    day_month=r"(?P<n1>\d{1,2})\.\s*(?:(?P<m1>MONTH)\.?|(?P<k1>\d{1,2})\.)(?:\s*(?P<y>\d{4}))?",
    nearest="(?:am|letzten|vergangenen|nächsten|kommenden|diesen|seit|bis) DAY",
    dated=(r"DAY,? \(?(?:den |der |dem )?DATE",),
)
SPANISH = _tongue(
    "es",
    {
        "anteayer|antes de ayer": -2,
        r"(?<!de\s)ayer|hace 24 horas": -1,
        "hoy(?! (?:en )?día)|esta (?:mañana|tarde|noche)": 0,
        r"(?<!\w\s)(?:mañana mismo|mañana(?= por la |,? \(?\d{1,2} de ))": 1,
        "pasado mañana": 2,
    },
    day_month=r"(?P<n1>\d{1,2})º? de (?P<m1>MONTH)(?:,? (?:del? )?(?P<y>\d{4}))?",
    nearest=("(?:el|este|próximo|pasado) DAY"),
    dated=(r"DAY,? \(?(?:día )?DATE",),
)
FRENCH = _tongue(
    "fr",
    {
        "avant-hier": -2,
        r"(?<!d[’'])hier|il y a 24 heures": -1,
        "aujourd[’']hui|ce matin|ce soir|cet après-midi": 0,
        r"(?<!de\s)demain": 1,
        "après-demain": 2,
    },
    day_month=r"(?P<n1>\d{1,2})(?:er)? (?P<m1>MONTH)\.?(?: (?P<y>\d{4}))?",
    nearest="(?P<sure>(?:ce|depuis|dès) )?DAY(?(sure)| (?:dernier|prochain))",
    dated=(r"DAY,? \(?(?:le )?DATE",),
)
ITALIAN = _tongue(
    "it",
    {
        "l[’']altro ieri|altroieri|avantieri": -2,
        r"(?<!altro\s)(?<!di\s)ieri|24 ore fa": -1,
        "(?<!d[’'])oggi|stamattina|stamani|stasera|quest[ao] (?:mattina|pomeriggio|sera)": 0,
        r"(?<!di\s)(?<!dopo\s)domani": 1,
        "dopodomani": 2,
    },
    day_month=r"(?P<n1>\d{1,2})[º°]? (?P<m1>MONTH)(?: (?P<y>\d{4}))?",
    nearest="(?P<sure>(?:scors[oa]|prossim[oa]|quest[oa]) )?DAY(?(sure)| (?:scors[oa]|prossim[oa]))",
    dated=(r"DAY,? \(?DATE",),
)
DUTCH = _tongue(
    "nl",
    {
        "eergisteren": -2,
        r"(?<!van\s)gisteren(?:avond|ochtend|middag)?|24 uur geleden": -1,
        "vandaag|vanochtend|vanmorgen|vanmiddag|vanavond": 0,
        r"morgen(?:ochtend|middag|avond)": 1,
        "overmorgen": 2,
    },
    day_month=r"(?P<n1>\d{1,2}) (?P<m1>MONTH)(?: (?P<y>\d{4}))?",
    nearest="(?:op|afgelopen|vorige|volgende|komende|aanstaande|deze|sinds|tot) DAY",
    dated=(r"DAY,? \(?DATE",),
)
PORTUGUESE = _tongue(
    "pt",
    {
        "anteontem": -2,
        r"(?<!de\s)ontem|há 24 horas": -1,
        "hoje(?! em dia)|esta (?:manhã|tarde|noite)": 0,
        r"(?<!de\s)amanhã": 1,
        "depois de amanhã": 2,
    },
    day_month=r"(?P<n1>\d{1,2})º? de (?P<m1>MONTH)(?: de (?P<y>\d{4}))?",
    nearest="(?P<sure>(?:n[ao]|est[ae]|próxim[ao]|desde) )?DAY(?(sure)| (?:passad[ao]|que vem))",
    dated=(r"DAY,? \(?(?:dia )?DATE",),
)
TONGUES = {
    "en": ENGLISH,
    "de": GERMAN,
    "es": SPANISH,
    "fr": FRENCH,
    "it": ITALIAN,
    "nl": DUTCH,
    "pt": PORTUGUESE,
}


def wrong_dates(text: str, lang: str, day: date) -> Iterator[Slip]:
    """Dates whose weekday is another, or that are not yesterday, in a text written for that day."""
    tongue = TONGUES.get(subtag(lang))
    if tongue is None:
        return
    for pattern in tongue.dated:
        for match in pattern.finditer(text):
            meant = _meant(match, tongue, day)
            if meant is not None and _weekday(match, tongue) != meant.weekday():
                name = tongue.language.weekdays[meant.weekday()]
                yield Slip(match.start(), f"“{_said(match)}” is a {name}.", f"Write {name}, or mend the date.")
    for pattern, days in tongue.dated_relative:
        for match in pattern.finditer(text):
            meant, right = _meant(match, tongue, day), day + timedelta(days)
            if meant is not None and meant != right:
                message = f"“{_said(match)}” is not the day meant: that is {_named(right, tongue)}."
                yield Slip(match.start(), message, "Mend the date, or leave it out.")


def moved_words(text: str, lang: str, *, written: date, read: date) -> Iterator[Slip]:
    """Words about days that were right on the day they were written for and are not on the day they are read."""
    tongue = TONGUES.get(subtag(lang))
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
        month = _months_named(parts.get("m1") or parts["m2"], tongue.language)[0] + 1
    years = [int(parts["y"])] if parts["y"] else [near.year - 1, near.year, near.year + 1]
    found = []
    for year in years:
        try:
            found.append(date(year, int(month), number))
        except ValueError:
            continue
    return min(found, key=lambda day: abs(day - near), default=None)


def _weekday(match: re.Match[str], tongue: Tongue) -> int:
    return [name.lower() for name in tongue.language.weekdays].index(match["day"].lower())


def _last(weekday: int, day: date) -> date:
    """The last such weekday up to that day."""
    return day - timedelta((day.weekday() - weekday) % 7)


def _named(day: date, tongue: Tongue) -> str:
    return f"{tongue.language.weekdays[day.weekday()]}, {day.isoformat()}"


def _said(match: re.Match[str]) -> str:
    said = " ".join(match[0].split())
    return f"{said})" if "(" in said and ")" not in said else said
