"""Rules about links: that they lead somewhere, say where, and carry nobody else's codes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from newsletter.errors import Place
from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding
from newsletter.preflight.page import Link
from newsletter.transports.fields import FIELDS, TOKEN

_RESERVED = (
    "example",
    "test",
    "invalid",
    "localhost",
    "local",
    "internal",
    "example.com",
    "example.org",
    "example.net",
)
_TRACKERS = {"fbclid", "gclid", "dclid", "msclkid", "mc_cid", "mc_eid", "igshid", "_hsenc", "_hsmi", "ref_src", "yclid"}
_TRACKERS |= {"vero_id", "jsessionid", "phpsessid", "sessionid"}
_BROKEN = re.compile("[\\s{}“”‘’\u00ad\u200b-\u200f\u2060\ufeff]|%7B|%E2%80%8B", re.IGNORECASE)
_LOOKS_LIKE_SITE = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:/\S*)?", re.IGNORECASE)
MOST_LINKS = 100


def destinations(examined: Examined) -> Iterator[Finding]:
    """LINK: each address once, at the first place it stands."""
    links = list(_each_once(examined))
    for link in links:
        yield from _problem(examined, link)
    if len(links) > MOST_LINKS:
        message = f"the issue has {len(links)} different links."
        yield warning("LINK", Place("body.html"), message, f"More than {MOST_LINKS} look like spam to filters.")


def _problem(examined: Examined, link: Link) -> Iterator[Finding]:
    if TOKEN.fullmatch(link.href):
        return
    bare = TOKEN.sub(_stand_in, link.href)
    place = examined.place(link.href, link.element.start)
    shown = shortened(link.href)
    if not bare.strip():
        yield error("LINK", place, "a link has no address.", "Write a whole address, https://….")
    elif bare.startswith("#"):
        yield warning("LINK", place, f"the link {shown} jumps within the mail, which few clients do.", "Remove it.")
    elif _BROKEN.search(bare):
        message = f"the address {shown!r} holds a space, a brace, a curly quote or an invisible character."
        yield error("LINK", place, message, "Copy the address again from the browser.")
    elif not re.match(r"(?:https?://[^/]|mailto:[^@\s]+@[^@\s]|tel:\+?\d)", bare, re.IGNORECASE):
        yield error("LINK", place, f"the address {shown} leads nowhere from a mail.", "Write it in full: https://….")
    elif re.match(r"https?:", bare, re.IGNORECASE):
        yield from _host_problem(examined, bare, place)


def _stand_in(field: re.Match[str]) -> str:
    """What a merge field may stand for: a whole address, to which a poll's buttons add their part, or a word."""
    known = FIELDS.get(field[1])
    return "https://field" if known is not None and known.kind == "url" else "x"


def _host_problem(examined: Examined, url: str, place: Place) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        yield error("LINK", place, f"the address {shortened(url)} cannot be read.", "Copy it again from the browser.")
        return
    if parts.scheme.lower() == "http" and not _unreachable(host):
        yield warning("LINK", place, f"the address {shortened(url)} is not secured.", "Use https:// where it answers.")


def unreachable(examined: Examined) -> Iterator[Finding]:
    """LINK: addresses nobody outside can reach. They stop real mail; in a rehearsal one warning tells of all."""
    found = [(link, reason) for link in _each_once(examined) if (reason := _unreachable(_host(link.href)))]
    if not found:
        return
    remedy = "Use the addresses that readers see."
    if not examined.context.is_real:
        hosts = sorted({_host(link.href) for link, _ in found})
        count = "1 link leads" if len(found) == 1 else f"{len(found)} links lead"
        message = f"{count} where readers cannot get: {', '.join(hosts[:4])}{', …' * (len(hosts) > 4)}."
        yield warning("LINK", _link_place(examined, found[0][0]), message, f"{remedy} Real mail would be refused.")
        return
    said: set[str] = set()
    for link, reason in found:
        ours = _is_ours(examined, link.href)
        what = f"public_url, {examined.context.public_url}," if ours else f"the address {shortened(link.href)}"
        if what not in said:
            said.add(what)
            yield error("LINK", _link_place(examined, link), f"{what} leads to {reason}.", remedy)


def _each_once(examined: Examined) -> Iterator[Link]:
    first: dict[str, Link] = {}
    for link in examined.page.links:
        first.setdefault(link.href, link)
    yield from first.values()


def _link_place(examined: Examined, link: Link) -> Place:
    return Place("config.toml") if _is_ours(examined, link.href) else examined.place(link.href, link.element.start)


def _is_ours(examined: Examined, url: str) -> bool:
    return bool(examined.context.public_url) and url.startswith(examined.context.public_url)


def _host(url: str) -> str:
    try:
        parts = urlsplit(TOKEN.sub("x", url))
        return (parts.hostname or "").rstrip(".").lower() if parts.scheme in {"http", "https"} else ""
    except ValueError:
        return ""


def _unreachable(host: str) -> str:
    """Why nobody outside can reach this host; nothing when they can."""
    if not host:
        return ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return "this machine" if address.is_loopback else "a bare IP address"
    if host == "localhost" or "." not in host:
        return "this machine" if host == "localhost" else f"`{host}`, which is no public name"
    reserved = next((name for name in _RESERVED if host == name or host.endswith(f".{name}")), None)
    if reserved:
        return f"`{host}`, a name reserved for examples and tests"
    return f"`{host}`, a staging site" if re.match(r"(?:staging|stage|dev|preview)[.-]", host) else ""


def mismatches(examined: Examined) -> Iterator[Finding]:
    """LINK-MISMATCH: words that name one site, an address that leads to another."""
    for link in examined.page.links:
        named = _LOOKS_LIKE_SITE.fullmatch(" ".join(link.text.split()))
        if named is None or not re.match(r"https?://", link.href, re.IGNORECASE):
            continue
        host = _LOOKS_LIKE_SITE.match(link.href)
        said, leads = _site(named[1]), _site(host[1]) if host else ""
        if said != leads and not leads.endswith(f".{said}"):
            message = f"the link says {said} and leads to {leads or link.href}."
            place = examined.place(link.href, link.element.start)
            yield warning("LINK-MISMATCH", place, message, "Say where it leads, or mend the address.")


def _site(host: str) -> str:
    return host.lower().removeprefix("www.")


def trackers(examined: Examined) -> Iterator[Finding]:
    """LINK-TRACK: another sender's campaign codes and session ids."""
    for link in _each_once(examined):
        query = link.href.partition("?")[2].partition("#")[0]
        names = sorted(name for name, _ in parse_qsl(query, keep_blank_values=True) if _is_tracker(name))
        if names:
            message = f"the address {shortened(link.href)} carries {', '.join(names)}."
            place = examined.place(link.href, link.element.start)
            yield warning("LINK-TRACK", place, message, "Cut these from the address.")


def _is_tracker(name: str) -> bool:
    return name.lower() in _TRACKERS or name.lower().startswith(("utm_", "oly_"))
