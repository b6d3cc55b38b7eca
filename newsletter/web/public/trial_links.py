"""Where the personal links of test mails lead: a page that says so. Nothing here can do anything to anybody."""

from __future__ import annotations

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse

from newsletter.sending.trial import HARMLESS
from newsletter.web.public.pages import Pages

SAID = "This was a test mail: nobody was unsubscribed.\n"


def add_trial_links(site: FastAPI, pages: Pages) -> None:
    """GET and POST /test-mail, and whatever a mail puts behind it."""

    @site.api_route(f"/{HARMLESS}", methods=["GET", "HEAD"])
    @site.api_route(f"/{HARMLESS}/{{rest:path}}", methods=["GET", "HEAD"])
    def show(rest: str = "") -> Response:
        return pages.show("test-mail.html")

    @site.post(f"/{HARMLESS}")
    def one_click() -> Response:
        return PlainTextResponse(SAID)
