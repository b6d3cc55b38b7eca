"""Leaving a newsletter: a page whose button acts, and the mail program's one click (RFC 8058).

GET shows and changes nothing, because mail scanners follow links. A POST acts whatever its body says: only someone
who holds the signed link can make it, and a reader who wants to go must not fail over the form of a request.
`List-Unsubscribe=One-Click` is answered as the RFC wants (200, short text, no redirect, also for an unknown link);
every other body is answered with a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, FastAPI, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from newsletter.app import App
from newsletter.audience.links import ReaderLink, read_unsubscribe
from newsletter.audience.unsubscribe import unsubscribe
from newsletter.web.public.body import form_fields
from newsletter.web.public.pages import Pages

RECEIVED = "Your request to unsubscribe was received.\n"


def add_leaving(site: FastAPI, app: App, pages: Pages) -> None:
    """GET and POST /u/<token>."""

    @site.api_route("/u/{token}", methods=["GET", "HEAD"])
    def ask(token: str) -> Response:
        link = read_unsubscribe(app.keys, token)
        return _page(pages, "unsubscribe.html", link) if link else _incomplete(pages)

    @site.post("/u/{token}")
    def act(token: str, form: Annotated[Mapping[str, str], Depends(form_fields)]) -> Response:
        link = read_unsubscribe(app.keys, token)
        one_click = form.get("List-Unsubscribe") == "One-Click" and form.get("from") != "page"
        if link:
            unsubscribe(app.store, link, source="one-click" if one_click else "page", now=app.now())
        if one_click:
            return PlainTextResponse(RECEIVED)
        return _page(pages, "unsubscribed.html", link) if link else _incomplete(pages)


def _page(pages: Pages, template: str, link: ReaderLink) -> HTMLResponse:
    # A newsletter that was given up since is still named, by the word its links carry.
    newsletter = pages.newsletters.get(link.newsletter)
    return pages.show(template, newsletter=newsletter, name=newsletter.name if newsletter else link.newsletter)


def _incomplete(pages: Pages) -> HTMLResponse:
    return pages.show("link-incomplete.html", status=404)
