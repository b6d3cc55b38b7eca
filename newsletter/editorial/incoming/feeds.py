"""Reads a feed: RSS, Atom or JSON Feed, as they come, broken dates and HTML in titles included."""

from __future__ import annotations

import hashlib
import json
from calendar import timegm
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser
import nh3

from newsletter.errors import Refused

MOST_ENTRIES = 200
_LONGEST_TITLE = 300


@dataclass(frozen=True)
class FeedEntry:
    """One story of a feed. `identity` stays the same when the story is edited."""

    identity: str
    title: str
    url: str
    html: str
    image: str  # its address, "" without one
    published: datetime | None

    @property
    def digest(self) -> str:
        """Tells whether the story was edited: SHA-256 of what of it is used, hex."""
        return hashlib.sha256(json.dumps([self.title, self.url, self.html, self.image]).encode()).hexdigest()


def read_feed(body: bytes, *, url: str, content_type: str = "") -> list[FeedEntry]:
    """The entries of a feed, as it orders them, at most MOST_ENTRIES. Raises Refused for what is no feed."""
    if "json" in content_type or body.lstrip()[:1] == b"{":
        entries = _json_entries(body, url)
    else:
        entries = _xml_entries(body, url)
    found = (entry for entry in entries if entry.title or entry.html)
    return [entry for entry, _ in zip(found, range(MOST_ENTRIES), strict=False)]


def _xml_entries(body: bytes, url: str) -> Iterator[FeedEntry]:
    # The parser is given bytes, never an address: fetching is not its business.
    feed = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
    if not feed.get("version"):
        raise Refused(f"{url} is not a feed: it is neither RSS nor Atom nor JSON Feed.")
    for entry in feed.entries:
        link = _web(urljoin(url, entry.get("link", "")))
        content = next((part.value for part in entry.get("content", []) if part.get("value")), "")
        html = content or entry.get("summary", "")
        title = _words(entry.get("title", ""))
        moment = entry.get("published_parsed") or entry.get("updated_parsed")
        yield FeedEntry(
            identity=entry.get("id") or link or _digest(title, html),
            title=title,
            url=link,
            html=html,
            image=_image(entry, url),
            published=_moment(moment),
        )


def _image(entry: Mapping[str, Any], url: str) -> str:
    links = [link for link in entry.get("links", []) if link.get("rel") == "enclosure"]
    named = [link.get("href", "") for link in links if str(link.get("type", "")).startswith("image/")]
    media = [m.get("url", "") for m in entry.get("media_content", []) if m.get("medium", "image") == "image"]
    thumbs = [m.get("url", "") for m in entry.get("media_thumbnail", [])]
    return next((found for each in (*named, *media, *thumbs) if (found := _web(urljoin(url, each)))), "")


def _json_entries(body: bytes, url: str) -> Iterator[FeedEntry]:
    """JSON Feed 1.0 and 1.1 (jsonfeed.org)."""
    try:
        feed = json.loads(body)
        items = feed["items"] if str(feed["version"]).startswith("https://jsonfeed.org/version/1") else None
    except (ValueError, KeyError, TypeError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise Refused(f"{url} is not a feed: it is neither RSS nor Atom nor JSON Feed.")
    for item in items:
        if not isinstance(item, dict):
            continue
        said = {key: value for key, value in item.items() if isinstance(value, str)}
        text = "".join(
            f"<p>{_escaped(part)}</p>" for part in said.get("content_text", "").split("\n\n") if part.strip()
        )
        html = said.get("content_html") or text or f"<p>{_escaped(said.get('summary', ''))}</p>"
        link = _web(urljoin(url, said.get("url", "") or said.get("external_url", "")))
        title = _words(said.get("title", ""))
        yield FeedEntry(
            identity=str(item.get("id") or link or _digest(title, html)),
            title=title,
            url=link,
            html=html,
            image=_web(urljoin(url, said.get("image", "") or said.get("banner_image", ""))),
            published=_iso(said.get("date_published", "")),
        )


def _words(markup: str) -> str:
    """A title without markup; feeds put HTML into it, escaped once or twice."""
    text = unescape(nh3.clean(unescape(markup), tags=set()))
    return " ".join(text.split())[:_LONGEST_TITLE]


def _web(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return address if parts.scheme in {"http", "https"} and parts.hostname else ""


def _moment(parsed: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, TypeError):
        return None


def _iso(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _escaped(text: str) -> str:
    return nh3.clean_text(text)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
