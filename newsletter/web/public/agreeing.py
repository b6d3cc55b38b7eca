"""The link of a mail that asks for consent to a new policy: a page that says what is new, and the button that agrees.

Not agreeing needs no button: without a yes nothing is sent, and leaving is one link away.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from newsletter.app import App
from newsletter.audience import notices
from newsletter.audience.links import Purpose, read_ticket, sign_reader
from newsletter.audience.notices import Agreed, Asked
from newsletter.rendering.dates import long_date
from newsletter.settings import PolicySettings
from newsletter.web.public.pages import Pages
from newsletter.web.public.visit import visit_of


def add_agreeing(site: FastAPI, app: App, pages: Pages) -> None:
    """GET and POST /agree/<ticket>."""

    @site.api_route("/agree/{token}", methods=["GET", "HEAD"])
    def look(token: str) -> Response:
        found = _asked(app, token)
        if found is None:
            return _over(pages)
        _, asked, policy = found
        return pages.show(
            "agree.html",
            newsletter=pages.newsletters[asked.newsletter],
            policy=policy,
            effective=long_date(policy.effective, "en"),
            leave=f"{pages.base}/u/{sign_reader(app.keys, Purpose.UNSUBSCRIBE, asked.subscriber_id, asked.newsletter)}",
        )

    @site.post("/agree/{token}")
    def agree(token: str, request: Request) -> Response:
        found = _asked(app, token)
        if found is None:
            return _over(pages)
        number, asked, _ = found
        done = notices.agree(app.store, app.workspace, number, visit=visit_of(request), now=app.now())
        yes = done in (Agreed.AGREED, Agreed.ALREADY)
        status = 200 if yes else 409
        return pages.show("agreed.html", newsletter=pages.newsletters[asked.newsletter], status=status, yes=yes)


def _asked(app: App, token: str) -> tuple[int, Asked, PolicySettings] | None:
    """The mail's number, whom it asked, and about which policy; None for a link that works no more, or never did."""
    ticket = read_ticket(app.keys, Purpose.AGREE, token)
    if ticket is None or ticket.expired(app.now()):
        return None
    with app.store.read() as connection:
        asked = notices.asked(connection, ticket.number)
    settings = app.settings.newsletters.get(asked.newsletter) if asked else None
    policies = settings.policies if settings else ()
    policy = next((each for each in policies if asked and each.version == asked.version), None)
    return (ticket.number, asked, policy) if asked and policy else None


def _over(pages: Pages) -> Response:
    return pages.show("link-over.html", status=404)
