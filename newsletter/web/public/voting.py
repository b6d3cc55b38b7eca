"""Voting: the link in the mail shows the poll with one answer chosen; only the button on the page votes.

GET changes nothing, because mail scanners follow every option's link. A vote counts once a reader, can be changed until
the poll closes, and only who has voted (or came too late) is shown how others did. A vote that looks like a machine's
is not counted, and its page says no more of that than that it was taken down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from sqlalchemy import Connection

from newsletter.app import App
from newsletter.audience.links import Purpose, ReaderLink, read_reader
from newsletter.editorial.results import tally_of
from newsletter.editorial.votes import Ballot, Cast, Tally, ballot, cast
from newsletter.rendering.dates import until_words
from newsletter.rendering.words import in_words
from newsletter.web.public.archive_phrases import Speech
from newsletter.web.public.automatic import suspicion
from newsletter.web.public.body import form_fields
from newsletter.web.public.pages import Pages
from newsletter.web.public.visit import visit_of

_NUMBER = re.compile(r"[1-9][0-9]?")
Form = Annotated[Mapping[str, str], Depends(form_fields)]
_STATUS = {Cast.COUNTED: 200, Cast.NOTED: 200, Cast.NO_SUCH_OPTION: 422, Cast.CLOSED: 409}


def add_voting(site: FastAPI, app: App, pages: Pages) -> None:
    """GET and POST /v/<token>/<poll>/<option>."""

    @site.api_route("/v/{token}/{poll}/{option}", methods=["GET", "HEAD"])
    def ask(token: str, poll: str, option: str) -> Response:
        link = _reader(app, token)
        with app.store.read() as connection:
            found = _asked(connection, link, poll)
            votes = tally_of(connection, found.issue, found.poll)
        return _page(app, pages, link, found, votes=votes, chosen=_number(option))

    @site.post("/v/{token}/{poll}/{option}")
    def vote(token: str, poll: str, option: str, asked: Request, form: Form) -> Response:
        link, now = _reader(app, token), app.now()
        choice = _number(form.get("choice", ""))
        with app.store.write() as connection:
            found = _asked(connection, link, poll)
            doubt = suspicion(connection, link, found, choice, visit=visit_of(asked), now=now)
            done = cast(connection, _asked(connection, link, poll), choice, now=now, suspect=doubt)
            found = _asked(connection, link, poll)
            votes = tally_of(connection, found.issue, found.poll)
        return _page(app, pages, link, found, votes=votes, chosen=choice, done=done)


def _reader(app: App, token: str) -> ReaderLink:
    link = read_reader(app.keys, Purpose.VOTE, token)
    if link is None:
        raise HTTPException(404)
    return link


def _asked(connection: Connection, link: ReaderLink, poll: str) -> Ballot:
    found = ballot(connection, link.subscriber_id, send=link.send, newsletter=link.newsletter, poll=poll)
    if found is None:
        raise HTTPException(404)
    return found


def _number(written: str) -> int | None:
    return int(written) if _NUMBER.fullmatch(written) else None


def _page(
    app: App,
    pages: Pages,
    link: ReaderLink,
    found: Ballot,
    *,
    votes: Tally,
    chosen: int | None,
    done: Cast | None = None,
) -> Response:
    # A newsletter that was given up since has no zone any more.
    settings = pages.newsletters.get(link.newsletter)
    zone, lang = (settings.zone, settings.lang) if settings else (UTC, "en")
    now = app.now()
    until = until_words(found.poll.closes.astimezone(zone), "en", beside=now.astimezone(zone).date())
    found = replace(found, poll=in_words(found.poll, lang=lang))
    is_open = found.poll.is_open(now)
    readable = settings is not None and settings.archive != "off"
    return pages.show(
        "vote.html",
        newsletter=settings,
        status=_STATUS[done] if done else 200,
        poll=found.poll,
        said=[*_said(found, done, is_open=is_open, until=until), *_offered(found, chosen if done is None else None)],
        tally=votes if found.choice or not is_open else None,
        left_out=0 if found.suspect else votes.left_out,
        mine=found.choice,
        chosen=chosen,
        open=is_open,
        until=until,
        say=Speech("en"),
        archived=f"{pages.base}/archive/{link.newsletter}/{found.issue}" if readable else "",
    )


def _offered(found: Ballot, followed: int | None) -> list[str]:
    """Who has voted and follows another answer's link is offered the change: she must not take it for done."""
    if found.choice is None or followed is None or followed == found.choice or not found.poll.has(followed):
        return []
    return [
        f"The link you followed is for “{found.poll.options[followed - 1]}”. To change your vote to it, press Vote."
    ]


def _said(found: Ballot, done: Cast | None, *, is_open: bool, until: str) -> list[str]:
    """What happened, how she has voted, and until when that may change."""
    mine = f"“{found.poll.options[found.choice - 1]}”" if found.choice and found.poll.has(found.choice) else ""
    said = []
    if done is Cast.NO_SUCH_OPTION:
        said.append("Please choose one of the answers: this time nothing was counted.")
    if done is Cast.CLOSED:
        said.append(f"Too late: votes were counted until {until}, and this one was not.")
    if done is Cast.COUNTED:
        said.append(f"Your vote is counted: {mine}. You can change it until {until}.")
    elif mine:
        said.append(f"You voted for {mine}." + (f" You can change it until {until}." if is_open else ""))
    if not is_open and done is not Cast.CLOSED:
        said.append(f"This poll is closed: votes were counted until {until}.")
    return said
