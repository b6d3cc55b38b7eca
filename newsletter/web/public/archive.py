"""Issues to read online: the build that was sent, as a page that belongs to no reader."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, select

from newsletter.config import Settings
from newsletter.rendering.freeze import load_build
from newsletter.sending.sends import of_issue
from newsletter.store.engine import Store
from newsletter.store.tables import sends
from newsletter.transports.fields import Place, archive_values, fill


def add_archive(site: FastAPI, store: Store, settings: Settings) -> None:
    """GET /archive/<newsletter>/<issue>."""
    headers = {
        "Content-Security-Policy": _mail_policy(settings.public_url),
        "Cache-Control": "public, max-age=300",
        "X-Robots-Tag": "all",
    }

    @site.api_route("/archive/{newsletter}/{issue}", methods=["GET", "HEAD"])
    def archived_issue(newsletter: str, issue: str) -> Response:
        with store.read() as connection:
            build = sent_build(connection, newsletter, issue)
        if build is None:
            raise HTTPException(404)
        html = fill(load_build(store, build).html, archive_values(), Place.HTML)
        return HTMLResponse(html, headers=headers)


def sent_build(connection: Connection, newsletter: str, issue: str) -> str | None:
    """The newest build of an issue that any reader was handed, or None while it has not gone out."""
    builds = {
        send.first_handover_at: send.build
        for send in of_issue(connection, issue)
        if send.newsletter == newsletter and send.first_handover_at is not None
    }
    return builds[max(builds)] if builds else None


def latest_issue(connection: Connection, newsletter: str) -> str | None:
    """The issue of a newsletter that went out last, or None before the first."""
    found: str | None = connection.scalar(
        select(sends.c.issue)
        .where(sends.c.newsletter == newsletter, sends.c.first_handover_at.is_not(None))
        .order_by(sends.c.first_handover_at.desc(), sends.c.id)
        .limit(1)
    )
    return found


def _mail_policy(public_url: str) -> str:
    """Mail carries its style in its elements and its images' full address; scripts, frames and forms stay out."""
    parts = urlsplit(public_url)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' {parts.scheme}://{parts.netloc}; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
