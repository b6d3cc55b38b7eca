"""What of a mail may be measured, and which links then are: as SES decides it and as its caller said.

SES measures only what the configuration set publishes, unless the call says otherwise; a link marked `ses:no-track` it
leaves alone, and takes the mark off. The simulator leaves the other links alone too, and remembers them instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from html.parser import HTMLParser
from typing import Any

_MARK = re.compile(r"""(<a(?:rea)?\b[^>]*?)\s+ses:no-track(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*))?""", re.IGNORECASE)
_MOST_LINKS = 250


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured of one mail."""

    opens: bool = False
    clicks: bool = False

    def word(self) -> str | None:
        """As the record says it; None for nothing."""
        return {(True, True): "both", (True, False): "opens", (False, True): "clicks"}.get((self.opens, self.clicks))


NOTHING = Measured()


def measured(ask: Mapping[str, Any], published: frozenset[str] | None) -> Measured:
    """What a call lets be measured. `published` are the events its configuration set publishes; None without one."""
    overrides = ask.get("ConfigurationOverrides")
    said = (overrides.get("Tracking") if overrides else None) or {}
    if not said and not published:
        return NOTHING

    def one(member: str, kind: str) -> bool:
        given = said.get(member)
        if given is None:
            return published is not None and kind in published
        return given == "ENABLED" and (published is None or kind in published)

    return Measured(one("OpenTrackingEnabled", "OPEN"), one("ClickTrackingEnabled", "CLICK"))


def without_marks(html: str) -> str:
    """The page with `ses:no-track` taken off its links."""
    return _MARK.sub(r"\1", html)


def tracked_links(html: str) -> tuple[str, ...]:
    """The links SES would lead through its own counter: http(s), unmarked, at most 250."""
    parser = _Links()
    parser.feed(html)
    return tuple(parser.found[:_MOST_LINKS])


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        link = given.get("href") or ""
        if tag in {"a", "area"} and "ses:no-track" not in given and re.match(r"https?://", link, re.IGNORECASE):
            self.found.append(link)


def html_of(data: bytes) -> str:
    """The HTML part of a raw message, or nothing."""
    part = _html_part(message_from_bytes(data, policy=policy.default))
    return str(part.get_content()) if isinstance(part, EmailMessage) else ""


def raw_without_marks(data: bytes) -> bytes:
    """A raw message with the marks taken off the links of its HTML part."""
    message = message_from_bytes(data, policy=policy.compat32.clone(linesep="\r\n", max_line_length=None))
    part = _html_part(message)
    payload = part.get_payload(decode=True) if part is not None else None
    if part is None or not isinstance(payload, bytes):
        return data
    charset = part.get_content_charset() or "utf-8"
    del part["Content-Transfer-Encoding"]
    part.set_payload(without_marks(payload.decode(charset, "replace")), charset)
    return message.as_bytes()


def _html_part(message: Message) -> Message | None:
    return next((part for part in message.walk() if part.get_content_type() == "text/html"), None)
