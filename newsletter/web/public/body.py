"""Reads what a form sends: little, soon, in either encoding of RFC 8058, and never a reason to fail."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request
from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field

MOST_BYTES = 10_000
MOST_SECONDS = 10.0  # for the whole of a body: who sends it drop by drop holds no connection for longer


async def form_fields(request: Request) -> Mapping[str, str]:
    """The fields of a request's form, for a route to depend on; what cannot be read has none. 413 when too large.

    408 when it does not come in time.
    """
    return fields_in(await whole_body(request), request.headers.get("content-type", ""))


async def whole_body(request: Request) -> bytes:
    """What a request sends, for a route to depend on. 413 when too large, 408 when it does not come in time."""
    return await body_up_to(request, MOST_BYTES)


async def body_up_to(request: Request, most_bytes: int, *, late: int = 408) -> bytes:
    """What a request sends. 413 when it is more than that, and `late` when it is not there in time."""
    body = bytearray()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise _gives_up(413)
    except TimeoutError:
        raise _gives_up(late) from None
    return bytes(body)


def _gives_up(status: int) -> HTTPException:
    """The rest is never read, so the connection cannot be used again."""
    return HTTPException(status, headers={"Connection": "close"})


def fields_in(body: bytes, content_type: str) -> dict[str, str]:
    """The text fields of a body of type application/x-www-form-urlencoded or multipart/form-data; else nothing."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if kind == "multipart/form-data":
        return _multipart_fields(body, content_type)
    return {}


def _multipart_fields(body: bytes, content_type: str) -> dict[str, str]:
    found: dict[str, str] = {}

    def keep(field: Field) -> None:
        found[(field.field_name or b"").decode("utf-8", "replace")] = (field.value or b"").decode("utf-8", "replace")

    try:
        parse_form({"Content-Type": content_type.encode("latin-1")}, io.BytesIO(body), keep, None)
    except (FormParserError, ValueError):
        return {}
    return found
