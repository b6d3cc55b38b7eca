"""The readers' site: where the links in mails lead. Small pages that work without JavaScript, cookies or a login."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from newsletter.app import App
from newsletter.sending.archive import latest_issue, refresh
from newsletter.web.public.address import add_address
from newsletter.web.public.agreeing import add_agreeing
from newsletter.web.public.archive import add_archive
from newsletter.web.public.confirming import add_confirming
from newsletter.web.public.edge import Edge
from newsletter.web.public.feed import add_feed
from newsletter.web.public.images import add_images
from newsletter.web.public.leaving import add_leaving
from newsletter.web.public.notifications import add_notifications
from newsletter.web.public.pages import Pages
from newsletter.web.public.preferences import add_preferences
from newsletter.web.public.private import add_private
from newsletter.web.public.signup import add_signup
from newsletter.web.public.signup_json import add_signup_json
from newsletter.web.public.trial_links import add_trial_links
from newsletter.web.public.voting import add_voting


def create_site(app: App) -> FastAPI:
    """The site over an open workspace, for any ASGI server."""
    pages = Pages(app.settings)
    # RFC 8058: a POST is never redirected.
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    add_images(site, app.store)
    add_leaving(site, app, pages)
    add_preferences(site, app, pages)
    add_private(site, app, pages)
    add_address(site, app, pages)
    add_agreeing(site, app, pages)
    refresh(app.store)
    add_archive(site, app, pages)
    add_feed(site, app, pages)
    add_voting(site, app, pages)
    add_signup(site, app, pages)
    add_signup_json(site, app)
    add_confirming(site, app, pages)
    add_trial_links(site, pages)
    add_notifications(site, app)
    _front_page(site, app, pages)
    _stylesheet(site)

    @site.exception_handler(HTTPException)
    def trouble(request: Request, error: HTTPException) -> Response:
        answer = pages.trouble(error.status_code)
        answer.headers.update(error.headers or {})
        if error.status_code == 405:
            answer.headers["Allow"] = ", ".join(_allowed(site, request))
        return answer

    site.add_middleware(Edge, base=pages.base, failures={status: _failure(pages, status) for status in (500, 503)})
    return site


def _front_page(site: FastAPI, app: App, pages: Pages) -> None:
    @site.api_route("/", methods=["GET", "HEAD"])
    def front() -> Response:
        with app.store.read() as connection:
            readable = {name for name, each in pages.newsletters.items() if each.archive != "off"}
            latest = {name: latest_issue(connection, name) if name in readable else None for name in pages.newsletters}
        answer = pages.show("front.html", latest=latest)
        answer.headers["X-Robots-Tag"] = "all"
        return answer


def _stylesheet(site: FastAPI) -> None:
    css = (Path(__file__).parent / "style.css").read_bytes()

    @site.api_route("/style.css", methods=["GET", "HEAD"])
    def style() -> Response:
        return Response(css, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    @site.api_route("/favicon.ico", methods=["GET", "HEAD"])
    def icon() -> Response:
        """Browsers ask for one by themselves; there is none, which is no error."""
        return Response(status_code=204, media_type="image/x-icon", headers={"Cache-Control": "public, max-age=86400"})


def _allowed(site: FastAPI, request: Request) -> list[str]:
    """The methods an address answers; two routes may share one address."""
    routes = [route for route in site.routes if isinstance(route, Route)]
    partly = [route for route in routes if route.matches(request.scope)[0] is Match.PARTIAL]
    return sorted({method for route in partly for method in route.methods or ()})


def _failure(pages: Pages, status: int) -> Response:
    """A page made beforehand: when something is broken, as little as possible should have to work."""
    answer = pages.trouble(status)
    if status == 503:
        answer.headers["Retry-After"] = "60"
    return answer
