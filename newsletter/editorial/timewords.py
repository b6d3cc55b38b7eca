"""The words for when something was asked: "Yesterday we asked", "On Tuesday we asked", "Gestern fragten wir".

They are a statement about two dates, the day the asking issue went out and the date of the issue that looks back, so
they are true for every reader and on every day the mail is read. One small table holds a language; in a language
without one nothing is said, because English words in a Swedish letter, or a guess, would be worse than none.

"Last Tuesday" is the Tuesday of the week before only in English: "letzten Dienstag", "mardi dernier" and "martedì
scorso" may be the one just past. Those languages name the weekday with its date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from newsletter.editorial.languages import LANGUAGES, Language, capital, subtag


@dataclass(frozen=True)
class Phrases:
    """One language's words. Fields: {when} in what was asked; {weekday} and {date} in when that was."""

    asked: str
    asked_you: str  # by a poll
    same_day: str
    yesterday: str
    this_week: str  # two to six days ago
    last_week: str  # seven to thirteen days ago
    on_date: str
    never: str  # it did not go out, or not before this issue
    today: str  # in front of an answer this issue gives
    earlier: str  # in front of an answer given before
    after: Mapping[str, str] = field(default_factory=dict)  # weekdays as they stand after a preposition


TIMES = {
    "en": Phrases(
        asked="{when} we asked",
        asked_you="{when} we asked you",
        same_day="Earlier today",
        yesterday="Yesterday",
        this_week="On {weekday}",
        last_week="Last {weekday}",
        on_date="On {date}",
        never="The question",
        today="Today",
        earlier="The answer",
    ),
    "de": Phrases(
        asked="{when} fragten wir",
        asked_you="{when} fragten wir Sie",
        same_day="Früher am heutigen Tag",
        yesterday="Gestern",
        this_week="Am {weekday}",
        last_week="Am {weekday}, dem {date},",
        on_date="Am {date}",
        never="Die Frage",
        today="Heute",
        earlier="Die Antwort",
    ),
    "es": Phrases(
        asked="{when} preguntamos",
        asked_you="{when} les preguntamos",
        same_day="Hoy mismo",
        yesterday="Ayer",
        this_week="El {weekday}",
        last_week="El {weekday} {date}",
        on_date="El {date}",
        never="La pregunta",
        today="Hoy",
        earlier="La respuesta",
    ),
    "fr": Phrases(
        asked="{when}, nous demandions",
        asked_you="{when}, nous vous demandions",
        same_day="Plus tôt dans la journée",
        yesterday="Hier",
        this_week="{weekday}",
        last_week="Le {weekday} {date}",
        on_date="Le {date}",
        never="La question",
        today="Aujourd’hui",
        earlier="La réponse",
    ),
    "it": Phrases(
        asked="{when} abbiamo chiesto",
        asked_you="{when} vi abbiamo chiesto",
        same_day="Oggi stesso",
        yesterday="Ieri",
        this_week="{weekday}",
        last_week="{weekday} {date}",
        on_date="il {date}",
        never="La domanda",
        today="Oggi",
        earlier="La risposta",
    ),
    "nl": Phrases(
        asked="{when} vroegen we",
        asked_you="{when} vroegen we u",
        same_day="Eerder vandaag",
        yesterday="Gisteren",
        this_week="{weekday}",
        last_week="Op {weekday} {date}",
        on_date="Op {date}",
        never="De vraag",
        today="Vandaag",
        earlier="Het antwoord",
    ),
    "pt": Phrases(
        asked="{when} perguntamos",
        asked_you="{when} perguntamos a você",
        same_day="Hoje mais cedo",
        yesterday="Ontem",
        this_week="{weekday}",
        last_week="{weekday}, {date},",
        on_date="Em {date}",
        never="A pergunta",
        today="Hoje",
        earlier="A resposta",
        after={
            **{f"{day}-feira": f"na {day}-feira" for day in ("segunda", "terça", "quarta", "quinta", "sexta")},
            **{day: f"no {day}" for day in ("sábado", "domingo")},
        },
    ),
}


def phrases(lang: str) -> Phrases | None:
    """The words of a language, by its first subtag: `en-GB` reads English."""
    return TIMES.get(subtag(lang))


def lead_in(asked_on: date | None, issue_date: date, lang: str, *, poll: bool = False) -> str:
    """The words in front of a question asked on that day, of readers by a poll; "" in a language without words."""
    words = phrases(lang)
    if words is None:
        return ""
    if asked_on is None or asked_on > issue_date:
        return words.never
    when = capital(_when(words, LANGUAGES[subtag(lang)], asked_on=asked_on, issue_date=issue_date))
    return (words.asked_you if poll else words.asked).format(when=when)


def _when(words: Phrases, language: Language, *, asked_on: date, issue_date: date) -> str:
    weekday = language.weekdays[asked_on.weekday()]
    return language.say(
        _phrase(words, (issue_date - asked_on).days),
        weekday=words.after.get(weekday, weekday),
        date=language.short(asked_on, beside=issue_date),
    )


def _phrase(words: Phrases, ago: int) -> str:
    if ago == 0:
        return words.same_day
    if ago == 1:
        return words.yesterday
    if ago <= 6:
        return words.this_week
    return words.last_week if ago <= 13 else words.on_date


def answer_label(*, here: bool, lang: str) -> str:
    """The words in front of an answer: "Today" only when this very issue gives it."""
    words = phrases(lang)
    if words is None:
        return ""
    return words.today if here else words.earlier
