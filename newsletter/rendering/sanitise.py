"""What may be in copy: the allowed tags and addresses, and the invisible characters that pasting brings along.

Only copy is sanitised, never the finished page: conditional comments and styles there are the theme's own.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

import nh3

SCHEMES = {"https", "http", "mailto", "tel"}
# Stands in front of a merge field that is a whole address, so that the sanitiser sees an address.
FIELD_ADDRESS = "https://tok.invalid/"

_INLINE_TAGS = {"br", "a", "strong", "b", "em", "i", "u", "s", "sub", "sup", "code", "span"}
_BLOCK_TAGS = {"p", "ul", "ol", "li", "blockquote", "h2", "h3", "h4", "hr", "pre"}
_TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "th": {"scope", "align"},
    "td": {"align", "colspan", "rowspan"},
    "ol": {"start"},
    "p": {"lang", "dir"},
    "span": {"lang", "dir"},
}
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u202d\u202e\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NOISE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]")  # never part of an address
_IN_ADDRESS = {" ": "%20", '"': "%22", "<": "%3C", ">": "%3E", "\\": "%5C"}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_HOST = re.compile(r"(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,63}(?::\d{1,5})?", re.IGNORECASE)
_FILE = re.compile(r"[^/]+\.(?:md|html?|php|txt|toml|pdf|jpe?g|png|gif|svg|webp|docx?|xlsx?)", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@/:?#<>\"]+@[^\s@/:?#<>\"]+\.[^\s@/:?#<>\"]+")


def normalise(copy: str) -> str:
    """Copy as its writer saw it: composed accents, LF line ends, and nothing invisible. Lines keep their numbers."""
    text = copy.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", " ").replace("\u2029", " ")
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text))


def clean(markup: str, *, inline: bool = False) -> str:
    """HTML with only the allowed tags, attributes and kinds of address left in it."""
    return nh3.clean(
        markup,
        tags=_INLINE_TAGS if inline else _INLINE_TAGS | _BLOCK_TAGS | _TABLE_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel=None,
        strip_comments=True,
        clean_content_tags={"script", "style"},
    )


def safe_url(written: str) -> str | None:
    """The whole address an editor meant by a link target, or None when mail could not lead there.

    `www.x.org/a` and `x.org/a` get `https://`, `a@x.org` gets `mailto:`; relative addresses, `javascript:` and their
    like in every disguise give None.
    """
    url = _NOISE.sub("", written).strip().replace("&amp;", "&")
    url = "".join(_IN_ADDRESS.get(char, char) for char in url)
    if _ADDRESS.fullmatch(url):
        return f"mailto:{url}"
    host = _HOST.match(url)
    if host and url[host.end() : host.end() + 1] in {"", "/", "?", "#"} and not _FILE.fullmatch(url):
        url = f"https://{url}"
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[1].lower() not in SCHEMES:
        return None
    return url if _leads_somewhere(url) else None


def _leads_somewhere(url: str) -> bool:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"}:
            return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return bool(parts.path)
