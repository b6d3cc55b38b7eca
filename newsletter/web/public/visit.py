"""Who is at the door, as far as the server can tell: the network address and the program of a request.

The address is the connection's own; behind a proxy that the settings trust, the server has put the reader's in its
place (`web/serve.py`). A header that anybody could send is never believed here.
"""

from __future__ import annotations

from ipaddress import ip_address

from fastapi import Request

from newsletter.audience.proofs import Visit


def visit_of(request: Request) -> Visit:
    """Where a request came from. What is no network address is none."""
    return Visit(_network_address(request), _agent(request))


def _network_address(request: Request) -> str | None:
    host = request.client.host if request.client else ""
    try:
        # An interface's name after the % says nothing about the reader.
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _agent(request: Request) -> str | None:
    said = request.headers.get("user-agent", "")
    return "".join(character for character in said if character.isprintable()).strip() or None
