"""The page of a reader's preferences, behind two doors: the link in every mail's footer, and the private link.

The footer's link works for ever and travels with mails that get forwarded, so behind it the address is masked and
nothing about it can be changed; nor is her name told, or a consent given in it. The private link works for a day and
is mailed on request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import HTTPException, Response

from newsletter.app import App
from newsletter.audience import pausing, tracking
from newsletter.audience.consent import Purpose as Consent
from newsletter.audience.consent import Reason
from newsletter.audience.links import PATHS, Purpose, read_reader, read_ticket
from newsletter.audience.plain_record import plain_record, words_agreed
from newsletter.audience.policies import begins
from newsletter.audience.preferences import Preferences, Standing, languages, masked, read_preferences
from newsletter.audience.private_link import reader_behind
from newsletter.rendering.dates import long_date
from newsletter.settings import NewsletterSettings, PolicySettings
from newsletter.web.public.leaving import LENGTHS
from newsletter.web.public.pages import Pages

# Why a newsletter is off, where there is more to say than that it is.
_OWN_YES_LACKING = "We know you as a reader, but lack your own yes."
_WHY_OFF: Mapping[str, str] = {
    Reason.UNCONFIRMED: "You asked for it but have not confirmed it yet.",
    Reason.EXPIRED: "Your consent has run out.",
    Reason.BASIS_NOT_ACCEPTED: _OWN_YES_LACKING,
    Reason.IMPORT_NEEDS_CONFIRMATION: _OWN_YES_LACKING,
}
_WHY_BARRED: Mapping[str, str] = {
    Reason.SUPPRESSED_COMPLAINT: "Our mail to you was reported as spam, and only a person can turn it on again.",
    Reason.SUPPRESSED_HARD_BOUNCE: "Mail to your address came back for good, and a person has to put that right.",
    Reason.SUPPRESSED_MANUAL: "Your address is on our list of those we do not write to.",
}
_LANGUAGES = {
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
}


@dataclass(frozen=True)
class Door:
    """Which reader, and by which link she came; `newsletter` is the one whose mail held it, where that is known."""

    reader: int
    path: str  # the page's address under the site's base
    private: bool
    newsletter: str = ""
    send: str = ""  # whose mail held it


@dataclass(frozen=True)
class Said:
    """What the page tells after an act: a sentence on top, and what is wrong, by field, with what was written there."""

    words: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A consent to be measured, as it is asked for: its text, the text's name, and whether it was given."""

    purpose: Consent
    text: str
    text_id: str
    yes: bool


@dataclass(frozen=True)
class Row:
    """One newsletter on the page."""

    standing: Standing
    why_off: str
    why_barred: str
    paused: str
    first_day: str
    last_day: str
    policy: PolicySettings | None
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class PreferencePages:
    """Opens the doors, and makes the page behind them."""

    app: App
    pages: Pages

    def footer_door(self, token: str) -> Door:
        """Raises HTTPException (404) for anything we did not sign."""
        link = read_reader(self.app.keys, Purpose.PREFERENCES, token)
        if link is None:
            raise HTTPException(404)
        path = f"/{PATHS[Purpose.PREFERENCES]}/{token}"
        return Door(link.subscriber_id, path, private=False, newsletter=link.newsletter, send=link.send)

    def private_door(self, token: str) -> Door | Response:
        """The door, or the page that says why there is none. Raises HTTPException (404) for what we did not sign."""
        ticket = read_ticket(self.app.keys, Purpose.PRIVATE, token)
        if ticket is None:
            raise HTTPException(404)
        with self.app.store.read() as connection:
            reader = reader_behind(connection, ticket.number)
        if reader is not None and reader.gone:
            return self.nobody()
        if reader is None or ticket.expired(self.app.now()):
            return self._over()
        return Door(reader.id, f"/{PATHS[Purpose.PRIVATE]}/{token}", private=True)

    def show(self, door: Door, said: Said | None = None) -> Response:
        """The page as things stand now."""
        said = said or Said()
        newsletters, now = self.app.settings.newsletters, self.app.now()
        with self.app.store.read() as connection:
            found = read_preferences(connection, door.reader, newsletters, now)
            if found is None:
                return self.nobody()
            record = plain_record(connection, door.reader, found.reader.address_hash, newsletters=newsletters)
            wordings = words_agreed(connection, door.reader, newsletters=newsletters)
        return self.pages.show(
            "preferences.html",
            newsletter=newsletters.get(door.newsletter),
            status=422 if said.wrong else 200,
            here=self.pages.base + door.path,
            private=door.private,
            said=said,
            address=_address(found, door),
            rows=[self._row(standing) for standing in found.standings],
            lengths=LENGTHS,
            profile=found.reader.profile,
            languages=[(lang, language(lang)) for lang in languages(newsletters, found.reader.profile.lang)],
            record=[(long_date(line.day, "en"), line.words) for line in record],
            wordings=wordings,
        )

    def _over(self) -> Response:
        """The private link's day is over, or she has another address since."""
        return self.pages.show("private-over.html", status=410)

    def nobody(self) -> Response:
        """The reader was erased, or is on record no more for another reason, or never was."""
        return self.pages.show("preferences-nobody.html", status=404)

    def speaks_for(self, door: Door) -> str:
        """The newsletter in whose name a mail to this reader goes out."""
        newsletters = self.app.settings.newsletters
        if door.newsletter in newsletters:
            return door.newsletter
        with self.app.store.read() as connection:
            found = read_preferences(connection, door.reader, newsletters, self.app.now())
        standings = found.standings if found else ()
        return next((each.newsletter for each in standings if each.on), next(iter(newsletters)))

    def _row(self, standing: Standing) -> Row:
        settings, now = standing.settings, self.app.now()
        until = standing.paused_until if standing.paused else None
        return Row(
            standing,
            why_off="" if standing.on else _WHY_OFF.get(standing.reason or "", ""),
            why_barred="" if standing.on else _WHY_BARRED.get(standing.bar or "", ""),
            paused=long_date(until.astimezone(settings.zone).date(), "en") if until else "",
            first_day=pausing.shortest(settings.zone, now).isoformat(),
            last_day=pausing.longest(settings.zone, now).isoformat(),
            policy=self._to_agree_to(settings) if standing.owes_agreement else None,
            questions=_questions(standing) if standing.on else (),
        )

    def _to_agree_to(self, settings: NewsletterSettings) -> PolicySettings | None:
        asking = [policy for policy in settings.policies if policy.change == "reconsent"]
        return next((policy for policy in reversed(asking) if begins(policy, settings) <= self.app.now()), None)


def language(lang: str) -> str:
    """A language's own name for itself, where we know it."""
    name = _LANGUAGES.get(lang.partition("-")[0])
    return lang if name is None else name if "-" not in lang else f"{name} ({lang})"


def _address(found: Preferences, door: Door) -> str:
    address = str(found.reader.address)
    return address if door.private else masked(address)


def _questions(standing: Standing) -> tuple[Question, ...]:
    settings = standing.settings
    return tuple(
        Question(purpose, tracking.text_for(purpose, settings), tracking.text_id(purpose, settings), yes)
        for purpose, yes in standing.measured.items()
    )
