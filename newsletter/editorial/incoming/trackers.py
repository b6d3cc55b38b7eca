"""Addresses without other people's trackers: what follows the reader is taken off, what leads to the page stays.

Parameters that shape the page are never touched, nor an address that looks signed.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_TRACKER = re.compile(
    r"utm_\w+|fbclid|gclid|dclid|msclkid|mc_cid|mc_eid|igshid|_hsenc|_hsmi|ref_src|yclid|vero_id|oly_\w+|wt_mc|ocid",
    re.IGNORECASE,
)
_SIGNED = re.compile(r"(^|&)(sig|signature|token|hash|hmac|x-amz-signature|unsub\w*)=", re.IGNORECASE)
# Hosts that only pass people on, and the parameter that holds where to.
_REDIRECTS = (
    (re.compile(r"(www\.)?google\.[a-z.]{2,6}"), "/url", ("q", "url")),
    (re.compile(r"[a-z0-9-]+\.safelinks\.protection\.outlook\.com"), "/", ("url",)),
    (re.compile(r"lm?\.facebook\.com"), "/l.php", ("u",)),
    (re.compile(r"l\.instagram\.com"), "/", ("u",)),
)
# Hosts that show other people's pages in a shape of their own (AMP): the page's address follows the mark.
_AMP = (
    (re.compile(r"(www\.)?google\.[a-z.]{2,6}"), re.compile(r"/amp/(s/)?(.+)")),
    (re.compile(r"[a-z0-9-]+\.cdn\.ampproject\.org"), re.compile(r"/[cv]/(s/)?(.+)")),
)
_AMP_PAGE = re.compile(r"(?<=[^/])/amp/?$")


def without_trackers(url: str) -> str:
    """The address itself; one that cannot be read stays as it is."""
    for _ in range(3):  # a redirect may lead to a redirect
        target = _behind(url)
        if target is None:
            break
        url = target
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if _SIGNED.search(parts.query):
        return url
    path = _AMP_PAGE.sub("", parts.path)
    if path != parts.path:
        parts = parts._replace(path=path)
        url = urlunsplit(parts)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _TRACKER.fullmatch(name)]
    if len(kept) == len(pairs):
        return url  # nothing to take off: the very same spelling
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _behind(url: str) -> str | None:
    """Where a redirecting address leads, or None when it is none."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    for hosts, path, names in _REDIRECTS:
        if hosts.fullmatch(host) and parts.path == path:
            query = parse_qs(parts.query)
            target = next((unquote(query[name][0]) for name in names if query.get(name)), "")
            return target if re.match(r"https?://[^\s/]", target) else None
    for hosts, shown in _AMP:
        if hosts.fullmatch(host) and (page := shown.fullmatch(parts.path)):
            asked = f"?{parts.query}" if parts.query else ""
            return f"http{'s' if page[1] else ''}://{page[2]}{asked}"
    return None
