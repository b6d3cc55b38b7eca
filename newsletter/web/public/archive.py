"""Issues to read online: the build that was sent, as a page that belongs to no reader.

The mail stands on its page byte for byte, its merge fields at their fallbacks. Around it, written by us, stands what
came later: corrections, answers, the result of its polls, the issues before and after.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request, Response
from sqlalchemy import Connection

from newsletter.app import App
from newsletter.editorial.facts import facts_of
from newsletter.editorial.polls import polls_in
from newsletter.editorial.results import tally_of
from newsletter.rendering.dates import long_date, short_date, until_words
from newsletter.rendering.freeze import load_build
from newsletter.rendering.words import in_words
from newsletter.sending.archive import (
    Archived,
    Note,
    archived,
    neighbours,
    newest_first,
    notes_about,
    notes_in,
    notes_waiting,
    number_of_issues,
)
from newsletter.sending.messages import public_url_of
from newsletter.settings import NewsletterSettings
from newsletter.transports.fields import Place, archive_values, fill
from newsletter.web.public.archive_phrases import Speech
from newsletter.web.public.around import POLL, READERS_OWN, Pieces, first_image, put_around
from newsletter.web.public.kept import kept
from newsletter.web.public.pages import Pages

A_PAGE = 50  # issues
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


def add_archive(site: FastAPI, app: App, pages: Pages) -> None:
    """GET /archive, /archive/<newsletter> and /archive/<newsletter>/<issue>."""

    @site.api_route("/archive", methods=["GET", "HEAD"])
    def newsletters(request: Request) -> Response:
        shown = {name: each for name, each in pages.newsletters.items() if each.archive != "off"}
        with app.store.read() as connection:
            numbers = {name: number_of_issues(connection, name) for name in shown}
        page = pages.show("archive.html", shown=shown, numbers=numbers)
        return kept(request, bytes(page.body), kind="text/html", headers=reading_headers(None))

    @site.api_route("/archive/{newsletter}", methods=["GET", "HEAD"])
    def issues(request: Request, newsletter: str) -> Response:
        settings = readable(pages, newsletter)
        number = _page_number(request)
        with app.store.read() as connection:
            found = newest_first(connection, newsletter, limit=A_PAGE, skip=(number - 1) * A_PAGE)
            total = number_of_issues(connection, newsletter)
        if not found and number > 1:
            raise HTTPException(404)
        page = pages.show(
            "issues.html",
            newsletter=settings,
            name=newsletter,
            issues=[(each, long_date(each.date, "en")) for each in found],
            number=number,
            pages=-(-total // A_PAGE),
            url=f"{app.settings.public_url}/archive/{newsletter}",
            feed=feed_url(app, newsletter),
        )
        return kept(request, bytes(page.body), kind="text/html", headers=reading_headers(settings))

    @site.api_route("/archive/{newsletter}/{issue}", methods=["GET", "HEAD"])
    def one_issue(request: Request, newsletter: str, issue: str) -> Response:
        settings = readable(pages, newsletter)
        with app.store.read() as connection:
            shown = archived(connection, newsletter, issue)
            if shown is None:
                raise HTTPException(404)
        build = load_build(app.store, shown.build)
        speech = Speech(str(build.manifest.get("settings", {}).get("lang") or settings.lang))
        with app.store.read() as connection:
            said = _said_around(connection, pages, shown, speech, now=app.now())
        links = dict.fromkeys(archive_values(), READERS_OWN) | {"vote_url": POLL}
        mail = fill(build.html, links, Place.HTML)
        head = pages.piece(
            "archived-head.html",
            about=settings,
            say=speech,
            shown=shown,
            url=f"{app.settings.public_url}/archive/{newsletter}/{issue}",
            feed=feed_url(app, newsletter),
            image=first_image(mail),
        )
        addresses = (app.settings.public_url, public_url_of(build, app.settings.public_url))
        headers = {**reading_headers(settings), "Content-Security-Policy": _mail_policy(addresses)}
        return kept(request, put_around(mail, replace(said, head=head)), kind="text/html", headers=headers)


def readable(pages: Pages, newsletter: str) -> NewsletterSettings:
    """The settings of a newsletter whose issues may be read online; 404 for any other."""
    settings = pages.newsletters.get(newsletter)
    if settings is None or settings.archive == "off":
        raise HTTPException(404)
    return settings


def reading_headers(settings: NewsletterSettings | None) -> dict[str, str]:
    """Anyone may keep it for a while; search engines may too, unless the newsroom does not want it."""
    robots = "noindex" if settings is not None and settings.archive == "noindex" else "all"
    return {"Cache-Control": "public, max-age=300", "X-Robots-Tag": robots}


def feed_url(app: App, newsletter: str) -> str:
    return f"{app.settings.public_url}/feed/{newsletter}.atom"


def _said_around(connection: Connection, pages: Pages, shown: Archived, speech: Speech, *, now: datetime) -> Pieces:
    """What stands above, below and under the polls of an issue."""
    settings = pages.newsletters[shown.newsletter]
    notes = [*notes_about(connection, [shown.issue]), *notes_waiting(connection, [shown.issue], settings)]

    def dated(found: Iterable[Note]) -> list[tuple[Note, str]]:
        return [(note, short_date(note.date, speech.lang, beside=shown.date)) for note in found]

    told = dated(notes_in(connection, shown.issue))
    polls = polls_in(facts_of(connection, shown.build))
    before, after = neighbours(connection, shown)
    return Pieces(
        above=pages.piece(
            "archived-above.html", about=settings, say=speech, shown=shown, notes=dated(notes), told=told
        ),
        below=pages.piece("archived-below.html", about=settings, say=speech, shown=shown, before=before, after=after),
        under_polls=_under_polls(connection, pages, shown, speech, now=now),
        closed_polls=frozenset(poll.id for poll in polls if not poll.is_open(now)),
        sign_up=f"{pages.base}/signup",
        sign_up_words=speech("sign_up"),
    )


def _under_polls(
    connection: Connection, pages: Pages, shown: Archived, speech: Speech, *, now: datetime
) -> Mapping[str, str]:
    settings = pages.newsletters[shown.newsletter]
    found = {}
    for poll in polls_in(facts_of(connection, shown.build)):
        found[poll.id] = pages.piece(
            "archived-poll.html",
            about=settings,
            say=speech,
            poll=in_words(poll, lang=speech.mail_lang),
            tally=None if poll.is_open(now) else tally_of(connection, shown.issue, poll),
            until=until_words(poll.closes.astimezone(settings.zone), speech.lang, beside=shown.date),
        )
    return found


def _page_number(request: Request) -> int:
    written = request.query_params.get("page", "1")
    if not _NUMBER.fullmatch(written):
        raise HTTPException(404)
    return int(written)


def _mail_policy(addresses: tuple[str, ...]) -> str:
    """Mail carries its style in its elements and its images' full address; scripts, frames and forms stay out."""
    origins = dict.fromkeys(f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, addresses))
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' {' '.join(origins)}; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
