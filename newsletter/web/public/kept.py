"""Answers that a reader's program may keep: it names what it has, and is told when that is still right (RFC 9110)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from fastapi import Request, Response


def kept(
    request: Request, body: str | bytes, *, kind: str, headers: Mapping[str, str], changed: datetime | None = None
) -> Response:
    """The answer with its ETag (and Last-Modified), or 304 when the asker has it."""
    data = body.encode() if isinstance(body, str) else body
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    told = {**headers, "ETag": etag}
    if changed is not None:
        told["Last-Modified"] = format_datetime(changed.astimezone(UTC), usegmt=True)
    if _has(request, etag, changed):
        return Response(status_code=304, headers=told)
    return Response(data, headers=told, media_type=kind)


def _has(request: Request, etag: str, changed: datetime | None) -> bool:
    """If-None-Match decides where it is given; only without it does If-Modified-Since, which knows whole seconds."""
    named = request.headers.get("if-none-match")
    if named is not None:
        return etag in {tag.strip().removeprefix("W/") for tag in named.split(",")} or named.strip() == "*"
    since = request.headers.get("if-modified-since")
    try:
        return changed is not None and since is not None and changed < _moment(since) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        return False


def _moment(written: str) -> datetime:
    moment = parsedate_to_datetime(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
