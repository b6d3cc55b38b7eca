"""The site's outer edge: every answer leaves with the security headers, and no error leaves as a traceback.

The defaults are the strictest: nothing may load, be framed, be kept or be indexed. A route that may be more open
(an image, the archive) says so itself. What went wrong is logged without paths and values: a path may hold a
reader's token.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping

from fastapi import Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.errors import StoreError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}

log = logging.getLogger(__name__)


class Edge:
    """ASGI middleware around the whole site. `failures` are the finished pages for 500 and 503.

    `base` is the path of public_url: addresses are answered whether or not a proxy in front has taken it off.
    """

    def __init__(self, site: ASGIApp, base: str, failures: Mapping[int, Response]) -> None:
        self.site = site
        self.base = base
        self.failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.site(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.site({**scope, "root_path": self.base}, receive, send_with_headers)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge: nothing may leave as a traceback
            status = _status(error)
            if not started:
                await self.failures[status](scope, receive, send_with_headers)


def _status(error: Exception) -> int:
    """503 when the database cannot be used now, 500 for a defect; the log says which and where."""
    if isinstance(error, StoreError):
        log.error("The database cannot be used: %s", error)
        return 503
    if isinstance(error, OperationalError | NoConnection):
        log.error("The database cannot be used: %s", error.orig if isinstance(error, OperationalError) else error)
        return 503
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("A page failed with %s:\n%s", type(error).__name__, where)
    return 500
