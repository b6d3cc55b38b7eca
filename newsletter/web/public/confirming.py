"""The link of a confirmation mail: a page that says what will be agreed, and the button that agrees.

GET shows and changes nothing, because mail scanners follow links. The button says which text was read, so that a text
changed in between is shown again and not agreed to unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from newsletter.app import App
from newsletter.audience.links import Purpose, read_ticket
from newsletter.audience.signup import SignUp, State, confirm, look_up
from newsletter.web.public.body import form_fields
from newsletter.web.public.pages import Pages
from newsletter.web.public.signup import CHOICE
from newsletter.web.public.visit import visit_of


def add_confirming(site: FastAPI, app: App, pages: Pages) -> None:
    """GET and POST /c/<token>."""

    @site.api_route("/c/{token}", methods=["GET", "HEAD"])
    def ask(token: str) -> Response:
        number = _number(app, token)
        found = look_up(app.store, app.workspace, number, now=app.now()) if number else SignUp(State.GONE)
        return _page(app, pages, found)

    @site.post("/c/{token}")
    def act(token: str, asked: Request, fields: Annotated[Mapping[str, str], Depends(form_fields)]) -> Response:
        number = _number(app, token)
        if number is None:
            return _page(app, pages, SignUp(State.GONE))
        if not _read_the_text(app, number, fields):
            return _page(app, pages, look_up(app.store, app.workspace, number, now=app.now()), changed=True)
        return _page(app, pages, confirm(app.store, app.workspace, number, visit=visit_of(asked), now=app.now()))


def _number(app: App, token: str) -> int | None:
    ticket = read_ticket(app.keys, Purpose.CONFIRM, token)
    return None if ticket is None or ticket.expired(app.now()) else ticket.number


def _read_the_text(app: App, number: int, fields: Mapping[str, str]) -> bool:
    """Whether she has seen the present text of each newsletter: here, or else when she asked."""
    found = look_up(app.store, app.workspace, number, now=app.now())
    known = app.settings.newsletters
    return all(
        fields.get(CHOICE + name, found.versions.get(name)) == known[name].consent_version
        for name in found.newsletters
        if found.state is State.WAITING
    )


def _page(app: App, pages: Pages, found: SignUp, *, changed: bool = False) -> Response:
    known = app.settings.newsletters
    about = known[found.newsletters[0]] if len(found.newsletters) == 1 else None
    days = app.settings.signup.purge_after_days
    if found.state is State.GONE:
        return pages.show("confirm-gone.html", status=404, days=days)
    offered = {name: known[name] for name in found.newsletters}
    if found.state is State.DONE:
        return pages.show("confirmed.html", newsletter=about, offered=offered, kept_out=found.kept_out)
    status = 409 if changed else 200
    words = {"offered": offered, "days": days, "choice": CHOICE, "changed": changed}
    return pages.show("confirm.html", newsletter=about, status=status, **words)
