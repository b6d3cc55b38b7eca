"""What the program writes into an issue that puts an earlier one right, in each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from newsletter.editorial.languages import subtag
from newsletter.rendering.dates import short_date
from newsletter.rendering.phrases import say


@dataclass(frozen=True)
class Opening:
    """How such an issue begins. `{date}` is the day of the earlier one."""

    subject: str
    preheader: str
    intro: str


OPENINGS: Mapping[str, Opening] = {
    "en": Opening(
        "Correction to our issue of {date}",
        "What we got wrong, and what is right; it goes to those who had that issue",
        "In our issue of {date} we got something wrong. Here is what is right.",
    ),
    "de": Opening(
        "Korrektur zu unserer Ausgabe vom {date}",
        "Was falsch war und was richtig ist, an alle, die jene Ausgabe bekommen haben",
        "In unserer Ausgabe vom {date} war etwas falsch. Hier steht, was richtig ist.",
    ),
    "es": Opening(
        "Corrección a nuestra edición del {date}",
        "Qué estaba mal y qué es lo correcto, para quienes recibieron esa edición",
        "En nuestra edición del {date} había un error. Esto es lo correcto.",
    ),
    "fr": Opening(
        "Rectificatif à notre numéro du {date}",
        "Ce qui était faux et ce qui est juste, pour qui a reçu ce numéro",
        "Dans notre numéro du {date}, quelque chose était faux. Voici ce qui est juste.",
    ),
    "it": Opening(
        "Rettifica al nostro numero del {date}",
        "Che cosa era sbagliato e che cosa è giusto, per chi ha ricevuto quel numero",
        "Nel nostro numero del {date} c’era un errore. Ecco che cosa è giusto.",
    ),
    "nl": Opening(
        "Correctie op ons nummer van {date}",
        "Wat er niet klopte en wat wel juist is, voor wie dat nummer kreeg",
        "In ons nummer van {date} klopte iets niet. Dit is wat juist is.",
    ),
    "pt": Opening(
        "Correção à nossa edição de {date}",
        "O que estava errado e o que está certo, para quem recebeu aquela edição",
        "Na nossa edição de {date} havia um erro. Eis o que está certo.",
    ),
}


def opening(lang: str, dated: date, *, beside: date) -> Opening:
    """Its first words, about the issue of that day; English where we have none in a language, as the theme does."""
    lang = lang if subtag(lang) in OPENINGS else "en"
    words, day = OPENINGS[subtag(lang)], short_date(dated, lang, beside=beside)
    return Opening(*(say(said, lang=lang, date=day) for said in (words.subject, words.preheader, words.intro)))
