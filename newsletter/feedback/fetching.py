"""One GET to an address that was checked before: no redirect, no proxy, an end to its size and to its time."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from newsletter.errors import Refused

_CONNECT = 5.0


class Unreachable(Refused):
    """Nobody answers there now; trying again may help."""


class NotThere(Refused):
    """Somebody answers, and not with what was asked for."""


def fetch(url: str, *, most_bytes: int, seconds: float) -> bytes:
    """What lies at an address. Raises Unreachable or NotThere."""
    ends = time.monotonic() + seconds
    timeout = urllib3.Timeout(connect=min(_CONNECT, seconds), read=seconds)
    site = urlsplit(url)._replace(path="", query="").geturl()
    try:
        with urllib3.PoolManager(timeout=timeout, retries=False) as pool:
            answer = pool.request("GET", url, redirect=False, preload_content=False)
            if answer.status != 200:
                raise NotThere(f"{site} answers {answer.status}.")
            data = bytearray()
            for piece in answer.stream(65_536):
                data += piece
                if len(data) > most_bytes:
                    raise NotThere(f"{site} answers with more than {most_bytes:,} bytes.")
                if time.monotonic() > ends:
                    raise Unreachable(f"{site} takes longer than {seconds:.0f} seconds.")
            return bytes(data)
    except (HTTPError, OSError) as error:
        raise Unreachable(f"{site} does not answer: {type(error).__name__}.") from None
