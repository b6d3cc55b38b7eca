"""Signing up from a site's own form: one JSON address, for the sites the settings name and for programs.

The site shows the text itself, so it must say which version its reader saw. A browser is let in from the named sites
alone (CORS); what it is told is the same whether or not the address is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from newsletter.app import App
from newsletter.audience.addresses import printable
from newsletter.audience.limits import Limit
from newsletter.audience.signup import CONSENT, EMAIL, LANG, NEWSLETTERS, request
from newsletter.errors import InputError, Place, Problem
from newsletter.settings import Settings
from newsletter.web.public.body import whole_body
from newsletter.web.public.signup import form_origins, origin_of, seconds_until
from newsletter.web.public.visit import visit_of

PATH = "/signup.json"
AGREED = "agreed"
_KEYS = (EMAIL, NEWSLETTERS, LANG, AGREED, CONSENT)
_A_MINUTE = "600"
_NOT_READ = {413: "That is more than this form takes.", 408: "It did not come in whole in time."}


@dataclass(frozen=True)
class Asked:
    """What a request's JSON says, checked for its types."""

    email: str
    newsletters: Mapping[str, str]
    lang: str | None


def add_signup_json(site: FastAPI, app: App) -> None:
    """GET, POST and OPTIONS /signup.json."""
    origins = form_origins(app)
    own = origin_of(app.settings.public_url)

    def shared(asked: Request, answer: Response) -> Response:
        """Readable for the page of a site that may use the form, and for no other."""
        answer.headers["Vary"] = "Origin"
        if asked.headers.get("origin") in origins:
            answer.headers["Access-Control-Allow-Origin"] = asked.headers["origin"]
        return answer

    @site.api_route(PATH, methods=["GET", "HEAD"])
    def tell(asked: Request) -> Response:
        return shared(asked, JSONResponse({"newsletters": offer(app.settings)}))

    @site.options(PATH)
    def preflight(asked: Request) -> Response:
        answer = Response(status_code=204)
        if asked.headers.get("origin") in origins:
            answer.headers["Access-Control-Allow-Methods"] = "GET, POST"
            answer.headers["Access-Control-Allow-Headers"] = "Content-Type"
            answer.headers["Access-Control-Max-Age"] = _A_MINUTE
        return shared(asked, answer)

    @site.post(PATH)
    def act(asked: Request, body: Annotated[bytes | int, Depends(_body)]) -> Response:
        origin = asked.headers.get("origin")
        if origin is not None and origin != own and origin not in origins:
            return shared(asked, _errors(403, [Problem(Place("origin"), "This site may not use the form.")]))
        if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return shared(asked, _errors(415, [Problem(Place("body"), "Send it as application/json.")]))
        if isinstance(body, int):
            answer = _errors(body, [Problem(Place("body"), f"{_NOT_READ[body]} Nothing was changed.")])
            answer.headers["Connection"] = "close"  # the rest of the body was never read
            return shared(asked, answer)
        return shared(asked, _taken(app, asked, body))


async def _body(asked: Request) -> bytes | int:
    """What was sent; or the status that says why it was not read, so that it is told in JSON as everything here is."""
    try:
        return await whole_body(asked)
    except HTTPException as error:
        return error.status_code


def offer(settings: Settings) -> list[dict[str, object]]:
    """What a form must show: the newsletters, who sends them, and the text a reader agrees to."""
    return [
        {
            "newsletter": name,
            "name": each.name,
            "tagline": each.tagline,
            "lang": each.lang,
            "consent_text": each.wording,
            "consent_version": each.consent_version,
            "organisation": each.organisation,
            "postal_address": each.postal_address,
            "privacy_url": each.privacy_url,
        }
        for name, each in settings.newsletters.items()
    ]


def _taken(app: App, asked: Request, body: bytes) -> Response:
    origin, now = asked.headers.get("origin"), app.now()
    try:
        said = read(body, tuple(app.settings.newsletters))
    except InputError as error:
        return _errors(422, error.problems)
    try:
        taken = request(
            app.store,
            app.workspace,
            app.keys,
            address=said.email,
            newsletters=said.newsletters,
            lang=said.lang,
            source=f"JSON from {origin}" if origin else "JSON",
            visit=visit_of(asked),
            now=now,
        )
    except InputError as error:
        if any(problem.place.file == CONSENT for problem in error.problems):
            return _errors(409, error.problems, newsletters=offer(app.settings))
        return _errors(422, error.problems)
    if taken.over and taken.over.limit is Limit.NETWORK:
        answer = _errors(429, [Problem(Place("body"), "Too many requests from this network. Try again later.")])
        answer.headers["Retry-After"] = str(seconds_until(taken.over.again, now))
        return answer
    return JSONResponse({"status": "pending"}, 202)


def read(body: bytes, known: tuple[str, ...]) -> Asked:
    """What the JSON says; without `newsletters` the only one of the known is meant. Raises InputError, by field."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InputError([Problem(Place("body"), "It is not a JSON object.")])
    problems = [Problem(Place(printable(key)), "There is no such field.") for key in data if key not in _KEYS]
    if not isinstance(data.get(EMAIL), str):
        problems.append(Problem(Place(EMAIL), "It must be a text."))
    if data.get(AGREED) is not True:
        problems.append(Problem(Place(AGREED), "It must be true: the reader has agreed to the text you showed."))
    if not isinstance(data.get(LANG), str | None):
        problems.append(Problem(Place(LANG), "It must be a text."))
    chosen = data.get(NEWSLETTERS, list(known) if len(known) == 1 else None)
    if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
        problems.append(Problem(Place(NEWSLETTERS), "It must be a list of names."))
        chosen = []
    versions = _versions(data.get(CONSENT), chosen)
    if versions is None:
        message = "It must be the version of the text you showed; for several texts, an object of name and version."
        problems.append(Problem(Place(CONSENT), message))
    if problems or versions is None:
        raise InputError(problems)
    return Asked(data[EMAIL], versions, data.get(LANG))


def _versions(said: Any, chosen: list[str]) -> dict[str, str] | None:
    """The version each newsletter's text was shown in; one alone is that of all."""
    if isinstance(said, str):
        return dict.fromkeys(chosen, said)
    if isinstance(said, dict) and all(isinstance(said.get(name), str) for name in chosen):
        return {name: said[name] for name in chosen}
    return None


def _errors(status: int, problems: Sequence[Problem], **more: object) -> Response:
    found = [{"field": problem.place.file, "message": problem.message} for problem in problems]
    return JSONResponse({"errors": found, **more}, status)
