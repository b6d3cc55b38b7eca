"""Signing up: the form, whole or in another site's frame, and the answer that is the same for everybody.

Every form says which text its reader saw: a newsletter's field is `newsletter.<name>`, its value the version of that
text. One that is no longer the present text is shown again and never counts as agreed to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, HTTPException, Request, Response

from newsletter.app import App
from newsletter.audience.limits import Limit, Over
from newsletter.audience.proofs import Visit
from newsletter.audience.signup import CONSENT, EMAIL, NEWSLETTERS, request
from newsletter.errors import InputError
from newsletter.settings import NewsletterSettings
from newsletter.web.public.body import form_fields
from newsletter.web.public.edge import HEADERS
from newsletter.web.public.pages import Pages
from newsletter.web.public.visit import visit_of

CHOICE = "newsletter."  # what the names of the newsletters' fields begin with
TRAP = "homepage"  # a field nobody sees: only a program fills it in
_LONGEST_SHOWN = 320


@dataclass(frozen=True)
class Typed:
    """What a form held, and what is wrong with it, by field."""

    email: str = ""
    chosen: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)


def add_signup(site: FastAPI, app: App, pages: Pages) -> None:
    """GET and POST /signup, /signup/<newsletter>, and each with /embed behind it."""
    for path in ("/signup/embed", "/signup/{newsletter}/embed", "/signup", "/signup/{newsletter}"):
        _add(site, app, pages, path)


def _add(site: FastAPI, app: App, pages: Pages, path: str) -> None:
    framed = path.endswith("/embed")
    origins = form_origins(app)

    def form_of(asked: Request) -> _Form:
        name = asked.path_params.get("newsletter")
        known = app.settings.newsletters
        if (framed and not origins) or (name is not None and name not in known):
            raise HTTPException(404)
        return _Form(app, pages, known if name is None else {name: known[name]}, origins if framed else ())

    @site.api_route(path, methods=["GET", "HEAD"])
    def ask(asked: Request) -> Response:
        return form_of(asked).show(Typed())

    @site.post(path)
    def act(asked: Request, fields: Annotated[Mapping[str, str], Depends(form_fields)]) -> Response:
        return form_of(asked).take(fields, visit_of(asked))


@dataclass(frozen=True)
class _Form:
    """One form: the newsletters it offers, and the sites in whose frames it may stand."""

    app: App
    pages: Pages
    offered: Mapping[str, NewsletterSettings]
    origins: Sequence[str]

    def show(self, typed: Typed) -> Response:
        """The form, empty or with what was typed and what is wrong with it."""
        status = 422 if typed.errors else 200
        answer = self._page("signup.html", status, typed=typed, choice=CHOICE, trap=TRAP)
        if not self.origins:
            answer.headers["X-Robots-Tag"] = "all"
        return answer

    def take(self, fields: Mapping[str, str], visit: Visit) -> Response:
        """Act on a form. The answer is the same whether or not the address is known."""
        address = fields.get(EMAIL, "")
        agreed = {name.removeprefix(CHOICE): fields[name] for name in fields if name.startswith(CHOICE)}
        if fields.get(TRAP):
            return self._sent(address.strip()[:_LONGEST_SHOWN])
        now = self.app.now()
        try:
            taken = request(
                self.app.store,
                self.app.workspace,
                self.app.keys,
                address=address,
                newsletters=agreed,
                lang=None,
                source="sign-up form in a frame" if self.origins else "sign-up page",
                visit=visit,
                now=now,
            )
        except InputError as error:
            # A box whose text has changed must be ticked anew.
            chosen = tuple(name for name, each in self.offered.items() if agreed.get(name) == each.consent_version)
            return self.show(Typed(address[:_LONGEST_SHOWN], chosen, _errors(error, address)))
        if taken.over and taken.over.limit is Limit.NETWORK:
            return self._too_often(taken.over, now)
        return self._sent(taken.address)

    def _sent(self, address: str) -> Response:
        return self._page("signup-sent.html", address=address, days=self.app.settings.signup.purge_after_days)

    def _too_often(self, over: Over, now: datetime) -> Response:
        seconds = seconds_until(over.again, now)
        answer = self._page("signup-later.html", 429, minutes=-(-seconds // 60))
        answer.headers["Retry-After"] = str(seconds)
        return answer

    def _page(self, template: str, status: int = 200, **words: object) -> Response:
        about = next(iter(self.offered.values())) if len(self.offered) == 1 else None
        framed = bool(self.origins)
        answer = self.pages.show(
            template, newsletter=about, status=status, framed=framed, offered=self.offered, **words
        )
        if framed:
            strict = HEADERS["Content-Security-Policy"]
            open_to = f"frame-ancestors {' '.join(self.origins)}"
            answer.headers["Content-Security-Policy"] = strict.replace("frame-ancestors 'none'", open_to)
        return answer


def form_origins(app: App) -> tuple[str, ...]:
    """The sites that may show or use our form, as browsers write them."""
    return tuple(origin_of(url) for url in app.settings.web.form_origins)


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, without the port that goes without saying."""
    parts = urlsplit(url.lower())
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"


def seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, ceil((moment - now).total_seconds()))


def _errors(error: InputError, address: str) -> dict[str, str]:
    """What is wrong, by field and in words for readers."""
    found = {problem.place.file: problem.message for problem in error.problems}
    if CONSENT in found:
        found[NEWSLETTERS] = found.pop(CONSENT)
    if EMAIL in found:
        example = "Write it like this: name@example.org."
        found[EMAIL] = f"This address cannot be used. {found[EMAIL]}" if address.strip() else example
    return found
