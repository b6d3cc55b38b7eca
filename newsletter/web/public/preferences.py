"""What a reader changes on her preferences page.

A form sends along what it showed, so an old page changes only what was changed on it, and agrees to no text that was
not on it. Who sends a form that shows nothing changes nothing. Behind the footer's link, which may have been forwarded,
she can turn off, pause and take back; what would give a consent in her name needs the private link, or her mailbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from newsletter.app import App
from newsletter.audience import pausing, tracking
from newsletter.audience.consent import Purpose as Consent
from newsletter.audience.limits import Limit
from newsletter.audience.pausing import Length
from newsletter.audience.preferences import (
    Person,
    agree_anew,
    ask_for_mail,
    end_pause,
    masked,
    measure,
    set_profile,
    take_pause,
    text_id,
    turn,
)
from newsletter.audience.private_link import owe_private_link
from newsletter.errors import InputError
from newsletter.rendering.dates import long_date
from newsletter.web.public.body import form_fields
from newsletter.web.public.pages import Pages
from newsletter.web.public.preferences_page import Door, PreferencePages, Said
from newsletter.web.public.visit import visit_of

Form = Annotated[Mapping[str, str], Depends(form_fields)]

SAVED = Said("Saved.")
NOTHING = Said("Nothing was changed.")
PRIVATELY = Said("This needs your private link. You can have it mailed to you at the end of this page.")
TOO_OFTEN = "Too much was asked for from your network, so nothing was turned on. Please try again in an hour."
TEXT_CHANGED = "What you agree to has changed since you opened this page. Please read it and choose once more."


def add_preferences(site: FastAPI, app: App, pages: Pages) -> None:
    """GET and POST /p/<token> and /me/<ticket>; POST /p/<token>/private, which mails the private link.

    Browsers ask for the answer of a POST again with GET, so the addresses that only take a POST show the page too.
    """
    page = PreferencePages(app, pages)

    @site.api_route("/p/{token}", methods=["GET", "HEAD"])
    @site.api_route("/p/{token}/private", methods=["GET", "HEAD"])
    def look(token: str) -> Response:
        return page.show(page.footer_door(token))

    @site.post("/p/{token}")
    def change(token: str, asked: Request, form: Form) -> Response:
        door = page.footer_door(token)
        return page.show(door, _act(app, door, asked, form))

    @site.post("/p/{token}/private")
    def mail_private_link(token: str) -> Response:
        door = page.footer_door(token)
        owe_private_link(app.store, door.reader, page.speaks_for(door), now=app.now())
        return pages.show(
            "private-mailed.html", newsletter=pages.newsletters.get(door.newsletter), back=pages.base + door.path
        )

    @site.api_route("/me/{token}", methods=["GET", "HEAD"])
    @site.api_route("/me/{token}/address", methods=["GET", "HEAD"])
    @site.api_route("/me/{token}/data", methods=["GET", "HEAD"])
    def look_privately(token: str) -> Response:
        door = page.private_door(token)
        return page.show(door) if isinstance(door, Door) else door

    @site.post("/me/{token}")
    def change_privately(token: str, asked: Request, form: Form) -> Response:
        door = page.private_door(token)
        return page.show(door, _act(app, door, asked, form)) if isinstance(door, Door) else door


def _act(app: App, door: Door, asked: Request, form: Mapping[str, str]) -> Said:
    acts = _Acts(app, Person(door.reader, visit_of(asked), app.now()), form, door)
    by_name = {
        "newsletters": acts.newsletters,
        "agree": acts.agree,
        "pause": acts.pause,
        "resume": acts.resume,
        "profile": acts.profile,
        "measure": acts.measure,
    }
    act = by_name.get(form.get("act", ""))
    return act() if act else NOTHING


@dataclass(frozen=True)
class _Acts:
    """One reader's form, by what it is for."""

    app: App
    person: Person
    form: Mapping[str, str]
    door: Door

    def newsletters(self) -> Said:
        known = self.app.settings.newsletters
        wanted, outdated = self._boxes({name: text_id(settings) for name, settings in known.items()})
        by_mail = [] if self.door.private else [name for name, on in wanted.items() if on]
        now = {name: on for name, on in wanted.items() if name not in by_mail}
        turn(self.app.store, self.app.workspace, self.person, now, send=self.door.send)
        if outdated:
            return Said(wrong={"newsletters": TEXT_CHANGED})
        return self._asked(by_mail) if by_mail else SAVED

    def _asked(self, names: list[str]) -> Said:
        """Her mailbox was asked whether she wants them. Only the limit of the asker's own network is told."""
        asked = ask_for_mail(self.app.store, self.app.workspace, self.app.keys, self.person, names)
        if asked is None:
            return NOTHING
        if asked.over and asked.over.limit is Limit.NETWORK:
            return Said(wrong={"newsletters": TOO_OFTEN})
        called = ", ".join(self.app.settings.newsletters[name].name for name in names)
        return Said(
            f"We have sent a mail to {masked(asked.address)}. To get {called}, open that mail and press its button; "
            "nothing is turned on before."
        )

    def agree(self) -> Said:
        if not self.door.private:
            return PRIVATELY
        agreed = agree_anew(self.app.store, self.app.workspace, self.person, self._newsletter)
        return Said("Thank you: you get every issue again.") if agreed else NOTHING

    def pause(self) -> Said:
        name, settings = self._newsletter, self.app.settings.newsletters.get(self._newsletter)
        if settings is None:
            return NOTHING
        written, length = self.form.get("until", ""), self.form.get("for", "")
        try:
            if written:
                day = pausing.day_to_resume(written, settings.zone, self.person.now)
            elif length in {each.value for each in Length}:
                day = pausing.last_day_of(Length(length), settings.zone, self.person.now)
            else:
                return Said(wrong={f"pause-{name}": "Choose for how long, or until which day."})
        except InputError as error:
            return Said(wrong={f"pause-{name}": error.problems[0].message})
        if not take_pause(self.app.store, self.app.workspace, self.person, name, until=day):
            return NOTHING
        return Said(f"{settings.name} is paused: nothing is sent to you before {long_date(day, 'en')}.")

    def resume(self) -> Said:
        resumed = end_pause(self.app.store, self.app.workspace, self.person, self._newsletter)
        return Said("The pause is over: you get every issue again.") if resumed else NOTHING

    def profile(self) -> Said:
        first_name = self.form.get("first_name") if self.door.private else None
        lang = self.form.get("lang")
        if first_name is None and lang is None:
            return NOTHING if "first_name" not in self.form else PRIVATELY
        try:
            set_profile(self.app.store, self.app.workspace, self.person, first_name=first_name, lang=lang)
        except InputError as error:
            [problem] = error.problems
            return Said(wrong={problem.place.file: problem.message}, written={"first_name": first_name or ""})
        return SAVED

    def measure(self) -> Said:
        settings = self.app.settings.newsletters.get(self._newsletter)
        if settings is None:
            return NOTHING
        texts = {str(purpose): tracking.text_id(purpose, settings) for purpose in tracking.purposes_of(settings)}
        chosen, outdated = self._boxes(texts)
        wanted = {Consent(purpose): yes for purpose, yes in chosen.items() if self.door.private or not yes}
        measure(self.app.store, self.app.workspace, self.person, self._newsletter, wanted)
        if outdated:
            return Said(wrong={f"measure-{self._newsletter}": TEXT_CHANGED})
        return SAVED if len(wanted) == len(chosen) else PRIVATELY

    def _boxes(self, texts: Mapping[str, str]) -> tuple[dict[str, bool], bool]:
        """The boxes that were changed on the page, and whether one was ticked beside another text than the present."""
        changed = {}
        outdated = False
        for name, text in texts.items():
            was, ticked = self.form.get(f"was-{name}"), self.form.get(f"on-{name}")
            if was is None or (was == "on") == (ticked is not None):
                continue
            if ticked not in (None, text):
                outdated = True
            else:
                changed[name] = ticked is not None
        return changed, outdated

    @property
    def _newsletter(self) -> str:
        return self.form.get("newsletter", "")
