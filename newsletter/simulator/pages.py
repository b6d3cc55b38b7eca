"""The inbox in a browser: the latest messages, and each of them as its reader sees it.

Mail is hostile here as anywhere: everything is escaped, the HTML part is shown in a frame that may run nothing and
load nothing from elsewhere, and its links are listed beside it instead of followed inside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from newsletter.simulator.errors import SesError
from newsletter.simulator.events import Events
from newsletter.simulator.record import Accepted, Record
from newsletter.simulator.tracking import tracked_links
from newsletter.simulator.wire import Request, Response

PAGE = 50
_ID = re.compile(r"/messages/([0-9a-f-]{1,100})(/html|/raw)?")
_STYLE = (Path(__file__).parent / "inbox" / "style.css").read_bytes()
_GUARD = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_OURS = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# A mail brings its own style and its pictures at most as data; a sandbox without a word allows no script and no form.
_THEIRS = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)


@dataclass(frozen=True)
class Kept:
    """A message that is kept, as its readers' programs take it apart."""

    data: bytes

    @cached_property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.data, policy=policy.default)

    @property
    def subject(self) -> str:
        try:
            return str(self.parsed["Subject"] or "")
        except (ValueError, LookupError, IndexError):  # a header no parser can make sense of
            return ""

    def headers(self) -> list[tuple[str, str]]:
        """As they stand in the message, unfolded."""
        head = self.data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        lines = re.sub(r"\r?\n[ \t]+", " ", head).splitlines()
        return [(name, value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]

    def part(self, kind: str) -> str | None:
        """The text of the part of that kind; None when there is none."""
        for part in self.parsed.walk():
            if part.get_content_type() == f"text/{kind}":
                payload = part.get_payload(decode=True)
                return payload.decode(_charset(part), "replace") if isinstance(payload, bytes) else ""
        return None


class Inbox:
    """The pages."""

    def __init__(self, record: Record, events: Events, data: Path) -> None:
        self._record, self._events, self._data = record, events, data
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "inbox"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def answer(self, request: Request) -> Response:
        """A page, or a part of a message. Raises SesError for what is not there."""
        if request.method in {"GET", "HEAD"}:
            if request.path == "/":
                return self._list(request.query.get("page", "1"))
            if request.path == "/style.css":
                return Response(200, _STYLE, content_type="text/css; charset=utf-8", headers=_GUARD)
            if (found := _ID.fullmatch(request.path)) and (message := self._record.find(found[1])):
                return self._message(message, found[2] or "")
        raise SesError("NotFoundException", f"The simulator has nothing at {request.method} {request.path[:200]}.")

    def _list(self, asked: str) -> Response:
        total = len(self._record.accepted)
        pages = max(1, -(-total // PAGE))
        page = min(int(asked), pages) if asked.isascii() and asked.isdecimal() and 0 < len(asked) < 9 else 1
        last = total - (max(page, 1) - 1) * PAGE
        rows = [self._row(self._record.accepted[place]) for place in range(last - 1, max(last - PAGE, 0) - 1, -1)]
        return self._page("list.html.j2", rows=rows, page=max(page, 1), pages=pages, total=total)

    def _row(self, message: Accepted) -> dict[str, object]:
        kept = self._kept(message)
        return {
            "id": message.message_id,
            "subject": kept.subject if kept else message.subject or "",
            "to": ", ".join(message.destination),
            "at": _moment(message.accepted_at),
            "outcome": _outcome(message),
        }

    def _message(self, message: Accepted, wanted: str) -> Response:
        kept = self._kept(message)
        if wanted and kept is None:
            raise SesError("NotFoundException", "The message itself was not kept.")
        if wanted == "/raw" and kept:
            shown = {**_GUARD, "Content-Disposition": f'attachment; filename="{message.message_id}.eml"'}
            return Response(200, kept.data, content_type="message/rfc822", headers=shown)
        html = kept.part("html") if kept else None
        if wanted == "/html":
            headers = {**_GUARD, "Content-Security-Policy": _THEIRS}
            return Response(200, (html or "").encode(), content_type="text/html; charset=utf-8", headers=headers)
        return self._page(
            "message.html.j2",
            **self._row(message),
            message=message,
            kept=kept is not None,
            html=html is not None,
            text=kept.part("plain") if kept else None,
            headers=kept.headers() if kept else [],
            links=dict.fromkeys(tracked_links(html)) if html else {},
            measured=self._record.links[message.links] if message.links is not None else (),
            events=list(self._told(message)),
        )

    def _told(self, message: Accepted) -> Iterator[dict[str, str]]:
        for event in self._events.of(message):
            own = next(value for key, value in event.items() if key not in {"eventType", "mail"})
            at = own.get("timestamp") if isinstance(own, dict) else None
            yield {
                "kind": str(event["eventType"]),
                "at": _moment(str(at or message.accepted_at)),
                "details": json.dumps(own, indent=2, ensure_ascii=False),
            }

    def _kept(self, message: Accepted) -> Kept | None:
        if message.eml is None:
            return None
        try:
            return Kept((self._data / message.eml).read_bytes())
        except OSError:  # somebody has tidied up
            return None

    def _page(self, template: str, **words: object) -> Response:
        html = self._templates.get_template(template).render(**words)
        headers = {**_GUARD, "Content-Security-Policy": _OURS}
        return Response(200, html.encode(), content_type="text/html; charset=utf-8", headers=headers)


def _charset(part: EmailMessage) -> str:
    name = part.get_content_charset() or "utf-8"
    try:
        return b"".decode(name) or name
    except LookupError:
        return "utf-8"


def _moment(written: str) -> str:
    return datetime.fromisoformat(written).strftime("%d %b %Y %H:%M:%S UTC")


def _outcome(message: Accepted) -> str:
    return ", ".join(dict.fromkeys(message.outcomes))
