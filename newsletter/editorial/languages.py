"""Days and dates in each language's words and order, from our own small table: no machine's locale shapes a build."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Language:
    """How a language names days and writes dates. Fields of its patterns: {weekday}, {date}, {month}, {day}, {year}."""

    weekdays: tuple[str, ...]  # Monday first, as in running text
    months: tuple[str, ...]
    day_month: str
    with_year: str  # behind day and month
    with_weekday: str  # a date with its weekday
    first: str = "1"  # the first day of a month
    elisions: tuple[tuple[re.Pattern[str], str], ...] = ()  # what joins with the number behind it
    places: Mapping[str, str] = field(default_factory=dict)  # cities whose zones have an English name

    def short(self, day: date, *, beside: date | None = None) -> str:
        """The date; with its year, but where that is the year of the date it stands beside."""
        number = self.first if day.day == 1 else str(day.day)
        written = self.day_month.format(month=self.months[day.month - 1], day=number)
        same = beside is not None and beside.year == day.year
        return written if same else written + self.with_year.format(year=day.year)

    def full(self, day: date) -> str:
        """The date with its weekday and year."""
        return self.with_weekday.format(weekday=self.weekdays[day.weekday()], date=self.short(day))

    def say(self, pattern: str, **fields: object) -> str:
        """The pattern filled in, words before a number joined with it where the language does so: “l’8 ottobre”."""
        said = pattern.format(**fields)
        for found, joined in self.elisions:
            said = found.sub(joined, said)
        return said


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


LANGUAGES = {
    "en": Language(
        _names("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
        _names("January February March April May June July August September October November December"),
        day_month="{month} {day}",
        with_year=", {year}",
        with_weekday="{weekday}, {date}",
    ),
    "de": Language(
        _names("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
        _names("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        day_month="{day}. {month}",
        with_year=" {year}",
        with_weekday="{weekday}, {date}",
        places={"Vienna": "Wien", "Zurich": "Zürich", "Brussels": "Brüssel"},
    ),
    "es": Language(
        _names("lunes martes miércoles jueves viernes sábado domingo"),
        _names("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        day_month="{day} de {month}",
        with_year=" de {year}",
        with_weekday="{weekday}, {date}",
        places={"Mexico City": "Ciudad de México", "Bogota": "Bogotá"},
    ),
    "fr": Language(
        _names("lundi mardi mercredi jeudi vendredi samedi dimanche"),
        _names("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        day_month="{day} {month}",
        with_year=" {year}",
        with_weekday="{weekday} {date}",
        first="1er",
        places={"Brussels": "Bruxelles"},
    ),
    "it": Language(
        _names("lunedì martedì mercoledì giovedì venerdì sabato domenica"),
        _names("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        day_month="{day} {month}",
        with_year=" {year}",
        with_weekday="{weekday} {date}",
        first="1º",
        elisions=(
            (re.compile(r"\b([dn])([ae])l (?=(?:8|11)\b)"), r"\1\2ll’"),
            (re.compile(r"\bil (?=(?:8|11)\b)"), "l’"),
        ),
        places={"Rome": "Roma", "Zurich": "Zurigo"},
    ),
    "nl": Language(
        _names("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
        _names("januari februari maart april mei juni juli augustus september oktober november december"),
        day_month="{day} {month}",
        with_year=" {year}",
        with_weekday="{weekday} {date}",
        places={"Brussels": "Brussel"},
    ),
    "pt": Language(
        _names("segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo"),
        _names("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        day_month="{day} de {month}",
        with_year=" de {year}",
        with_weekday="{weekday}, {date}",
        first="1º",
        places={"Lisbon": "Lisboa", "Sao Paulo": "São Paulo"},
    ),
}


def subtag(lang: str) -> str:
    """The language itself: `de` of `de-AT`."""
    return lang.partition("-")[0].lower()


def language(lang: str) -> Language | None:
    """The words of a language, by its first subtag: `en-GB` reads English. None where we have no table."""
    return LANGUAGES.get(subtag(lang))


def capital(text: str) -> str:
    """As it stands at the beginning of a sentence."""
    return text[:1].upper() + text[1:]
