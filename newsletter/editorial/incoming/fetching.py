"""One GET to the open web, for copy and pictures: to public addresses only, limited in size, time and redirects.

The name is looked up once, every address it has is checked, and the connection goes to the address that was checked, so
that a name cannot point elsewhere in between (DNS rebinding). Each redirect is checked like the first address. Nothing
of ours goes along: no cookies, no credentials, no proxy.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from newsletter.errors import Refused

Ip = IPv4Address | IPv6Address
PORTS = {"http": 80, "https": 443}
MOST_REDIRECTS = 5
TIMEOUT = 10.0  # seconds to connect, and between two pieces of the answer
LONGEST = 30.0  # seconds for the whole of it
AGENT = "newsletter (feed reader)"
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Ip) -> bool:
    """Whether an address lies on the open internet: no loopback, no private or link-local network, none mapped in."""
    inner = _inner(address)
    return address.is_global and not address.is_multicast and (inner is None or is_public(inner))


def _inner(address: Ip) -> IPv4Address | None:
    """The IPv4 address an IPv6 one stands for: mapped, 6to4 (RFC 3056) or NAT64 (RFC 6052)."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def look_up(host: str, port: int) -> list[str]:
    """Every address of a host."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Fetched:
    """An answer: its status (200 or 304), headers with lower-case names, and body."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Fetcher:
    """Fetches. `allowed` says which addresses may be asked."""

    most_bytes: int
    allowed: Callable[[Ip], bool] = is_public
    resolve: Callable[[str, int], list[str]] = look_up
    ports: frozenset[int] = frozenset(PORTS.values())
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """The answer at an address, redirects followed. Raises Refused saying why there is none."""
        started, here = self.clock(), url
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._ask(here, {"User-Agent": AGENT, **(headers or {})}, started)
            if answer.status not in {301, 302, 303, 307, 308}:
                if answer.status not in {200, 304}:
                    raise Refused(f"{url} answers {answer.status}.")
                return answer
            here = urljoin(here, answer.headers.get("location", ""))
        raise Refused(f"{url} leads on and on ({MOST_REDIRECTS} redirects).")

    def _ask(self, url: str, headers: Mapping[str, str], started: float) -> Fetched:
        scheme, host, port, target = self._parts(url)
        address = self._checked(host, port, url)
        timeout = urllib3.Timeout(connect=TIMEOUT, read=TIMEOUT)
        pool: urllib3.HTTPConnectionPool
        if scheme == "https":
            context = ssl.create_default_context()
            pool = urllib3.HTTPSConnectionPool(
                address, port, ssl_context=context, server_hostname=host, assert_hostname=host, timeout=timeout
            )
        else:
            pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout)
        named = f"[{host}]" if ":" in host else host
        named = named if port == PORTS[scheme] else f"{named}:{port}"
        try:
            with pool:
                answer = pool.urlopen(
                    "GET",
                    target,
                    headers={**headers, "Host": named, "Accept-Encoding": "gzip, deflate"},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    assert_same_host=False,
                )
                body = self._read(answer, url, started)
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Fetched(url, answer.status, found, body)
        except (HTTPError, OSError) as error:
            raise Refused(f"{url} cannot be fetched: {_plain(error)}.") from None

    def _read(self, answer: urllib3.BaseHTTPResponse, url: str, started: float) -> bytes:
        """The body, unpacked as it comes, so that a small answer cannot unpack into a huge one."""
        body = bytearray()
        for piece in answer.stream(65_536, decode_content=True):
            body += piece
            if len(body) > self.most_bytes:
                raise Refused(f"{url} is larger than {self.most_bytes:,} bytes.")
            if self.clock() - started > LONGEST:
                raise Refused(f"{url} takes longer than {LONGEST:.0f} seconds.")
        return bytes(body)

    def _parts(self, url: str) -> tuple[str, str, int, str]:
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            raise Refused(f"{url} is not an address.") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise Refused(f"{url} is not an http(s) address.")
        if parts.username is not None or port not in self.ports:
            raise Refused(f"{url} names a user or an unusual port.")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return parts.scheme, parts.hostname, port, target

    def _checked(self, host: str, port: int, url: str) -> str:
        """The address to connect to: the first, when all of them may be asked."""
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError):
            raise Refused(f"{url}: there is no host {host}.") from None
        if not found:
            raise Refused(f"{url}: there is no host {host}.")
        for address in found:
            if not self.allowed(ip_address(address.partition("%")[0])):
                raise Refused(f"{url} leads into a private network ({address}); only public addresses are asked.")
        return found[0]


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
