"""Leaving a newsletter: a page whose button acts, and the mail program's one click (RFC 8058).

GET shows and changes nothing, because mail scanners follow links. A POST acts whatever its body says: only someone
who holds the signed link can make it, and a reader who wants to go must not fail over the form of a request. So what
names neither a pause nor everything leaves this newsletter. `List-Unsubscribe=One-Click` is answered as the RFC wants
(200, short text, no redirect, also for an unknown link); every other body is answered with a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from sqlalchemy import Connection

from newsletter.app import App
from newsletter.audience import pausing
from newsletter.audience.links import Purpose, ReaderLink, read_ticket, read_unsubscribe, sign_reader, sign_ticket
from newsletter.audience.pausing import Length
from newsletter.audience.preferences import Person, Standing, end_pause, reader_of, standing_of, take_pause
from newsletter.audience.proofs import Visit
from newsletter.audience.returning import Act, Undone, act_of_leaving, undo_leaving
from newsletter.audience.unsubscribe import counting, leave_everything, still_in, unsubscribe, withdrawal_in_force
from newsletter.rendering.dates import long_date, until_words
from newsletter.settings import NewsletterSettings
from newsletter.web.public.body import form_fields
from newsletter.web.public.pages import Pages
from newsletter.web.public.visit import visit_of

RECEIVED = "Your request to unsubscribe was received.\n"
LENGTHS = {Length.WEEK: "1 week", Length.MONTH: "1 month", Length.QUARTER: "3 months"}
Form = Annotated[Mapping[str, str], Depends(form_fields)]


def add_leaving(site: FastAPI, app: App, pages: Pages) -> None:
    """GET and POST /u/<token>, and the undo: GET and POST /undo/<ticket>."""
    door = _Door(app, pages)

    @site.api_route("/u/{token}", methods=["GET", "HEAD"])
    def ask(token: str) -> Response:
        link = read_unsubscribe(app.keys, token)
        return door.show(link) if link else door.incomplete()

    @site.post("/u/{token}")
    def act(token: str, form: Form) -> Response:
        link = read_unsubscribe(app.keys, token)
        if form.get("List-Unsubscribe") == "One-Click" and form.get("from") != "page":
            if link:
                unsubscribe(app.store, link, source="one-click", now=app.now())
            return PlainTextResponse(RECEIVED)
        return door.act(link, form) if link else door.incomplete()

    @site.api_route("/undo/{ticket}", methods=["GET", "HEAD"])
    def ask_back(ticket: str) -> Response:
        return door.ask_back(ticket)

    @site.post("/undo/{ticket}")
    def come_back(ticket: str, asked: Request) -> Response:
        return door.come_back(ticket, asked)


@dataclass(frozen=True)
class _Door:
    """What the links lead to."""

    app: App
    pages: Pages

    def act(self, link: ReaderLink, form: Mapping[str, str]) -> Response:
        action = form.get("action")
        if action == "pause":
            return self._pause(link, form.get("for", ""))
        if action == "resume":
            over = end_pause(self.app.store, self.app.workspace, self._person(link), link.newsletter)
            return self.show(link, said="The pause is over: you get every issue again." if over else "")
        if action == "leave-all":
            left = leave_everything(self.app.store, link.subscriber_id, now=self.app.now(), send=link.send)
        else:
            left = unsubscribe(self.app.store, link, source="page", now=self.app.now())
        with self.app.store.read() as connection:
            return self._left(connection, link, left.entry)

    def show(self, link: ReaderLink, *, said: str = "") -> Response:
        """How the reader stands: in, pausing, or out already."""
        with self.app.store.read() as connection:
            number = withdrawal_in_force(counting(connection, link.subscriber_id, link.newsletter), link.newsletter)
            if number is not None:
                return self._left(connection, link, number)
            standing = self._standing(connection, link)
            return self._page(
                "unsubscribe.html",
                link,
                said=said,
                lengths=LENGTHS if standing and standing.on else {},
                paused=_day(standing) if standing else "",
                others=self._names(still_in(connection, link.subscriber_id), but=link.newsletter),
            )

    def _left(self, connection: Connection, link: ReaderLink, number: int | None) -> Response:
        """The page of someone who is out; only for a day there is a way back by one button."""
        act = act_of_leaving(connection, number, self.pages.newsletters) if number is not None else None
        return self._page(
            "unsubscribed.html",
            link,
            names=self._names(act.left if act and link.newsletter in act.left else [link.newsletter]),
            back=self._names(act.newsletters if act else []),
            undo=self._undo(act),
            until=self._until(act) if act else "",
            others=self._names(still_in(connection, link.subscriber_id), but=link.newsletter),
        )

    def _pause(self, link: ReaderLink, wanted: str) -> Response:
        settings, now = self.pages.newsletters.get(link.newsletter), self.app.now()
        if settings is None:  # given up since: there is nothing to pause, and leaving is always possible
            return self.show(link)
        length = Length(wanted) if wanted in {each.value for each in Length} else Length.MONTH
        day = pausing.last_day_of(length, settings.zone, now)
        if not take_pause(self.app.store, self.app.workspace, self._person(link), link.newsletter, until=day):
            return self.show(link)
        return self._page("paused.html", link, day=long_date(day, "en"))

    def _person(self, link: ReaderLink) -> Person:
        return Person(link.subscriber_id, Visit(), self.app.now())  # a pause is no consent: nothing is to be proved

    def ask_back(self, token: str) -> Response:
        with self.app.store.read() as connection:
            act = self._act(connection, token)
        if act is None:
            return self.incomplete()
        if act.undone:
            return self._back(Undone.ALREADY, act)
        if not act.can_be_undone(self.app.now()):
            return self._back(Undone.TOO_LATE, act)
        return self.pages.show("undo.html", newsletter=self._one(act), names=self._names(act.newsletters))

    def come_back(self, token: str, asked: Request) -> Response:
        ticket = read_ticket(self.app.keys, Purpose.UNDO, token)
        if ticket is None:
            return self.incomplete()
        days = self.app.settings.retention.proof_days
        known, now = self.pages.newsletters, self.app.now()
        done, act = undo_leaving(
            self.app.store, ticket.number, newsletters=known, visit=visit_of(asked), now=now, days=days
        )
        return self._back(done, act) if act else self.incomplete()

    def _back(self, done: Undone, act: Act) -> Response:
        late = done is Undone.TOO_LATE
        # After an undo nothing is left to bring back: the act itself says what it was about.
        names = self._names(act.newsletters or act.left)
        return self.pages.show(
            "undone.html", newsletter=self._one(act), status=410 if late else 200, late=late, names=names
        )

    def incomplete(self) -> HTMLResponse:
        return self.pages.show("link-incomplete.html", status=404)

    def _act(self, connection: Connection, token: str) -> Act | None:
        ticket = read_ticket(self.app.keys, Purpose.UNDO, token)
        return act_of_leaving(connection, ticket.number, self.pages.newsletters) if ticket else None

    def _undo(self, act: Act | None) -> str:
        """The address of the undo button, or "" where there is none."""
        if act is None or not act.can_be_undone(self.app.now()):
            return ""
        return f"{self.pages.base}/undo/{sign_ticket(self.app.keys, Purpose.UNDO, act.number, act.until)}"

    def _until(self, act: Act) -> str:
        settings = self._one(act) or next(iter(self.pages.newsletters.values()))
        until = act.until.astimezone(settings.zone)
        return until_words(until, "en", beside=self.app.now().astimezone(settings.zone).date())

    def _standing(self, connection: Connection, link: ReaderLink) -> Standing | None:
        settings = self.pages.newsletters.get(link.newsletter)
        reader = reader_of(connection, link.subscriber_id)
        if settings is None or reader is None or reader.gone:
            return None
        return standing_of(connection, reader, link.newsletter, settings, self.app.now())

    def _one(self, act: Act) -> NewsletterSettings | None:
        """The newsletter a page about this act speaks for, when it is about one."""
        return self.pages.newsletters.get(act.left[0]) if len(act.left) == 1 else None

    def _names(self, keys: list[str] | tuple[str, ...], *, but: str = "") -> list[tuple[str, str]]:
        """Names with their languages. One that was given up since is still named, by the word its links carry."""
        known = {key: (each.name, each.lang) for key, each in self.pages.newsletters.items()}
        return [known.get(key, (key, "")) for key in keys if key != but]

    def _page(self, template: str, link: ReaderLink, **words: object) -> HTMLResponse:
        newsletter = self.pages.newsletters.get(link.newsletter)
        [name] = self._names([link.newsletter])
        token = sign_reader(self.app.keys, Purpose.PREFERENCES, link.subscriber_id, link.newsletter, link.send)
        preferences = f"{self.pages.base}/p/{token}"
        return self.pages.show(template, newsletter=newsletter, status=200, name=name, preferences=preferences, **words)


def _day(standing: Standing) -> str:
    """The day a pause ends on, in the newsletter's zone; "" while there is none."""
    if not standing.paused or standing.paused_until is None:
        return ""
    return long_date(standing.paused_until.astimezone(standing.settings.zone).date(), "en")
