"""`newsletter serve`: the readers' site behind uvicorn, on this machine unless told otherwise."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from newsletter.app import App
from newsletter.config import Workspace
from newsletter.errors import NewsletterError
from newsletter.web.public.site import create_site
from newsletter.work.settings import Standing


def serve(
    app: App,
    host: str,
    port: int,
    *,
    after_post: Callable[[], None] | None = None,
    workspace: Callable[[], Workspace] | None = None,
) -> None:
    """Serve until interrupted; port 0 takes any free one. Raises NewsletterError when the address cannot be used.

    `after_post` is called when a POST was answered: it may have asked for a mail, and somebody here may send it.
    `workspace` gives the settings as they stand; without it config.toml is looked at here.
    There is no access log: a line of it would hold a reader's unsubscribe token.
    """
    site = _as_settings_stand(app, workspace or Standing(app.workspace).look)
    if after_post is not None:
        site = _then(site, after_post)
    with _listen(host, port) as listener:
        sys.stdout.write(f"Serving the readers' pages at {_shown(listener)} (press Ctrl-C to stop).\n")
        if not _is_loopback(listener):
            sys.stdout.write("Others can reach this address: put a proxy with HTTPS before it.\n")
        sys.stdout.flush()
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # any stranger's broken form; answered already
        proxies = list(app.settings.web.trusted_proxies)
        config = uvicorn.Config(
            site,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            # The reader's own address, in the place of that of a proxy we trust.
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _as_settings_stand(app: App, workspace: Callable[[], Workspace]) -> ASGIApp:
    """The site of the newsletters' settings of now: made anew when they have changed."""
    site, known = create_site(app), app.workspace

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal site, known
        if (found := workspace()) is not known:
            known = found  # the others are served as before until the new one stands
            site = await run_in_threadpool(create_site, replace(app, workspace=found))
        await site(scope, receive, send)

    return served


def _then(site: ASGIApp, after_post: Callable[[], None]) -> ASGIApp:
    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await site(scope, receive, send)
        if scope["type"] == "http" and scope["method"] == "POST":
            after_post()

    return served


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, TypeError) as error:
        raise NewsletterError(
            f"Cannot listen on {host} port {port}: {error}. Stop what uses it, or set another `port` in [web]."
        ) from None


def _shown(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0].split("%")[0]).is_loopback
