"""What stands around an issue in the archive, in each language: the page speaks the language of the mail on it.

Together with the theme's own words (`rendering/phrases.py`). English is complete, and every other language must be too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.editorial.languages import subtag
from newsletter.rendering.phrases import PHRASES, say
from newsletter.rendering.typography import Quotes, quotes_of

ENGLISH = {
    "archive": "Archive",
    "all_issues": "All issues",
    "issues": "Issues",
    "previous_issue": "Previous issue",
    "next_issue": "Next issue",
    "sign_up": "Sign up",
    "to_get": " to get {name} by email.",
    "correction_on": "Correction, {date}:",
    "we_said": "we wrote:",
    "issue_of": "The issue of {date}",
    "answered_on": "Answered on {date}:",
    "partly_on": "Partly answered on {date}:",
    "still-open_on": "Taken up again on {date}:",
    "dropped_on": "Taken up for the last time on {date}:",
    "a_question": "a question of this issue",
    "continued_on": "Continued on {date}:",
    "continues": "This continues an issue of {date}:",
    "poll_closed": "This poll is closed.",
    "vote_by_mail": "Readers vote by the link in their mail.",
    "result_here": "Then the result stands here.",
    "one_vote": "1 vote",
    "many_votes": "{number} votes",
    "votes": "Votes",
    "share": "{number}%",
    "left_out_one": "1 vote that came from a program rather than a reader is left out.",
    "left_out_many": "{number} votes that came from a program rather than a reader are left out.",
}
GERMAN = {
    "archive": "Archiv",
    "all_issues": "Alle Ausgaben",
    "issues": "Ausgaben",
    "previous_issue": "Vorige Ausgabe",
    "next_issue": "Nächste Ausgabe",
    "sign_up": "Anmelden",
    "to_get": ", um {name} per E-Mail zu bekommen.",
    "correction_on": "Korrektur vom {date}:",
    "we_said": "wir schrieben:",
    "issue_of": "Die Ausgabe vom {date}",
    "answered_on": "Beantwortet am {date}:",
    "partly_on": "Teilweise beantwortet am {date}:",
    "still-open_on": "Wieder aufgegriffen am {date}:",
    "dropped_on": "Zum letzten Mal aufgegriffen am {date}:",
    "a_question": "eine Frage dieser Ausgabe",
    "continued_on": "Fortgesetzt am {date}:",
    "continues": "Setzt eine Ausgabe vom {date} fort:",
    "poll_closed": "Diese Umfrage ist beendet.",
    "vote_by_mail": "Abgestimmt wird über den Link in der Mail.",
    "result_here": "Danach steht hier das Ergebnis.",
    "one_vote": "1 Stimme",
    "many_votes": "{number} Stimmen",
    "votes": "Stimmen",
    "share": "{number} %",
    "left_out_one": "1 Stimme, die von einem Programm statt von Lesenden kam, zählt nicht mit.",
    "left_out_many": "{number} Stimmen, die von Programmen statt von Lesenden kamen, zählen nicht mit.",
}
SPANISH = {
    "archive": "Archivo",
    "all_issues": "Todas las ediciones",
    "issues": "Ediciones",
    "previous_issue": "Edición anterior",
    "next_issue": "Edición siguiente",
    "sign_up": "Suscríbase",
    "to_get": " para recibir {name} por correo electrónico.",
    "correction_on": "Corrección del {date}:",
    "we_said": "escribimos:",
    "issue_of": "La edición del {date}",
    "answered_on": "Respondida el {date}:",
    "partly_on": "Respondida en parte el {date}:",
    "still-open_on": "Retomada el {date}:",
    "dropped_on": "Retomada por última vez el {date}:",
    "a_question": "una pregunta de esta edición",
    "continued_on": "Continuada el {date}:",
    "continues": "Continúa una edición del {date}:",
    "poll_closed": "Esta encuesta está cerrada.",
    "vote_by_mail": "Se vota con el enlace del correo.",
    "result_here": "Después, el resultado estará aquí.",
    "one_vote": "1 voto",
    "many_votes": "{number} votos",
    "votes": "Votos",
    "share": "{number} %",
    "left_out_one": "No cuenta 1 voto que vino de un programa y no de un lector.",
    "left_out_many": "No cuentan {number} votos que vinieron de un programa y no de un lector.",
}
FRENCH = {
    "archive": "Archives",
    "all_issues": "Tous les numéros",
    "issues": "Numéros",
    "previous_issue": "Numéro précédent",
    "next_issue": "Numéro suivant",
    "sign_up": "S’abonner",
    "to_get": " pour recevoir {name} par e-mail.",
    "correction_on": "Rectificatif du {date}\u00a0:",
    "we_said": "nous écrivions\u00a0:",
    "issue_of": "Le numéro du {date}",
    "answered_on": "Réponse le {date}\u00a0:",
    "partly_on": "Réponse partielle le {date}\u00a0:",
    "still-open_on": "Reprise le {date}\u00a0:",
    "dropped_on": "Reprise pour la dernière fois le {date}\u00a0:",
    "a_question": "une question de ce numéro",
    "continued_on": "Suite le {date}\u00a0:",
    "continues": "Suite d’un numéro du {date}\u00a0:",
    "poll_closed": "Ce sondage est clos.",
    "vote_by_mail": "On vote par le lien reçu dans l’e-mail.",
    "result_here": "Le résultat sera ensuite ici.",
    "one_vote": "1 vote",
    "many_votes": "{number} votes",
    "votes": "Votes",
    "share": "{number}\u00a0%",
    "left_out_one": "1 vote, venu d’un programme et non d’une personne, n’est pas compté.",
    "left_out_many": "{number} votes, venus d’un programme et non d’une personne, ne sont pas comptés.",
}
ITALIAN = {
    "archive": "Archivio",
    "all_issues": "Tutti i numeri",
    "issues": "Numeri",
    "previous_issue": "Numero precedente",
    "next_issue": "Numero successivo",
    "sign_up": "Iscrivetevi",
    "to_get": " per ricevere {name} via email.",
    "correction_on": "Rettifica del {date}:",
    "we_said": "abbiamo scritto:",
    "issue_of": "Il numero del {date}",
    "answered_on": "Risposta del {date}:",
    "partly_on": "Risposta parziale del {date}:",
    "still-open_on": "Ripresa nel numero del {date}:",
    "dropped_on": "Ripresa per l’ultima volta nel numero del {date}:",
    "a_question": "una domanda di questo numero",
    "continued_on": "Continua nel numero del {date}:",
    "continues": "Continua da un numero del {date}:",
    "poll_closed": "Questo sondaggio è chiuso.",
    "vote_by_mail": "Si vota con il link ricevuto per email.",
    "result_here": "Poi il risultato sarà qui.",
    "one_vote": "1 voto",
    "many_votes": "{number} voti",
    "votes": "Voti",
    "share": "{number} %",
    "left_out_one": "1 voto, arrivato da un programma e non da una persona, non è contato.",
    "left_out_many": "{number} voti, arrivati da un programma e non da una persona, non sono contati.",
}
DUTCH = {
    "archive": "Archief",
    "all_issues": "Alle nummers",
    "issues": "Nummers",
    "previous_issue": "Vorig nummer",
    "next_issue": "Volgend nummer",
    "sign_up": "Aanmelden",
    "to_get": " om {name} per e-mail te krijgen.",
    "correction_on": "Correctie van {date}:",
    "we_said": "we schreven:",
    "issue_of": "Het nummer van {date}",
    "answered_on": "Beantwoord op {date}:",
    "partly_on": "Deels beantwoord op {date}:",
    "still-open_on": "Weer opgepakt op {date}:",
    "dropped_on": "Voor het laatst opgepakt op {date}:",
    "a_question": "een vraag uit dit nummer",
    "continued_on": "Vervolgd op {date}:",
    "continues": "Vervolg op een nummer van {date}:",
    "poll_closed": "Deze peiling is gesloten.",
    "vote_by_mail": "Stemmen gaat via de link in de mail.",
    "result_here": "Daarna staat hier de uitslag.",
    "one_vote": "1 stem",
    "many_votes": "{number} stemmen",
    "votes": "Stemmen",
    "share": "{number} %",
    "left_out_one": "1 stem die van een programma kwam en niet van een lezer, telt niet mee.",
    "left_out_many": "{number} stemmen die van een programma kwamen en niet van een lezer, tellen niet mee.",
}
PORTUGUESE = {
    "archive": "Arquivo",
    "all_issues": "Todas as edições",
    "issues": "Edições",
    "previous_issue": "Edição anterior",
    "next_issue": "Edição seguinte",
    "sign_up": "Inscreva-se",
    "to_get": " para receber {name} por e-mail.",
    "correction_on": "Correção de {date}:",
    "we_said": "escrevemos:",
    "issue_of": "A edição de {date}",
    "answered_on": "Respondida em {date}:",
    "partly_on": "Respondida em parte em {date}:",
    "still-open_on": "Retomada em {date}:",
    "dropped_on": "Retomada pela última vez em {date}:",
    "a_question": "uma pergunta desta edição",
    "continued_on": "Continuada em {date}:",
    "continues": "Continua uma edição de {date}:",
    "poll_closed": "Esta enquete está encerrada.",
    "vote_by_mail": "Vota-se pelo link recebido por e-mail.",
    "result_here": "Depois, o resultado fica aqui.",
    "one_vote": "1 voto",
    "many_votes": "{number} votos",
    "votes": "Votos",
    "share": "{number} %",
    "left_out_one": "1 voto, que veio de um programa e não de um leitor, não conta.",
    "left_out_many": "{number} votos, que vieram de um programa e não de um leitor, não contam.",
}
AROUND: Mapping[str, Mapping[str, str]] = {
    "en": ENGLISH,
    "de": GERMAN,
    "es": SPANISH,
    "fr": FRENCH,
    "it": ITALIAN,
    "nl": DUTCH,
    "pt": PORTUGUESE,
}


@dataclass(frozen=True)
class Speech:
    """How the page speaks around a mail of this language: English, where we have no words in it."""

    mail_lang: str

    @property
    def lang(self) -> str:
        """The language of the words, for who listens to the page."""
        return self.mail_lang if subtag(self.mail_lang) in AROUND else "en"

    @property
    def quotes(self) -> Quotes:
        return quotes_of(self.lang)

    def __call__(self, key: str, **fields: object) -> str:
        """One of our words, or the theme's, with its fields filled in."""
        name = subtag(self.lang)
        return say(AROUND[name].get(key) or PHRASES[name][key], lang=self.lang, **fields)
