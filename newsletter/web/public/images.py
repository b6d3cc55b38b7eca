"""The images of frozen builds, as the mails link them: by their content's hash, so they never change."""

from __future__ import annotations

import re

from fastapi import FastAPI, HTTPException, Request, Response

from newsletter.rendering.freeze import asset
from newsletter.store.engine import Store

_HASH = re.compile(r"[0-9a-f]{64}")
_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))


def add_images(site: FastAPI, store: Store) -> None:
    """GET /a/<sha256>/<name>."""

    @site.api_route("/a/{sha256}/{name}", methods=["GET", "HEAD"])
    def image(request: Request, sha256: str, name: str) -> Response:
        data = asset(store, sha256, name) if _HASH.fullmatch(sha256) else None
        kind = content_type(data) if data else None
        if kind is None:
            raise HTTPException(404)
        etag = f'"{sha256}"'
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": etag, "X-Robots-Tag": "all"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type=kind)


def content_type(data: bytes) -> str | None:
    """What the bytes are, whatever their name says; None for anything a mail does not show as an image."""
    return next((kind for start, kind in _KINDS if data.startswith(start)), None)
