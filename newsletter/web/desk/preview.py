"""The preview: an issue as its readers will see it, while it is being written. For this machine only.

The page changes by itself when a file does. Everything it shows is copy from files, so it is escaped, framed without
scripts, and may load nothing from anywhere else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware.trustedhost import TrustedHostMiddleware

from newsletter.errors import NewsletterError
from newsletter.preflight.findings import Finding
from newsletter.preflight.size import HTML_LIMIT, HTML_WARNING
from newsletter.sending.messages import mail_of
from newsletter.transports.fields import Place, fill
from newsletter.transports.mail import Recipient
from newsletter.transports.mime import CompiledMail
from newsletter.web.desk.draft import Draft, Drafts
from newsletter.web.desk.dressing import READERS, Scheme, as_seen, text_for, values_of
from newsletter.web.public.images import content_type

WIDTHS = {"desktop": 1000, "tablet": 768, "phone": 375}
VIEWS = {"mail": "Mail", "text": "Text part", "headers": "Headers", "findings": "Findings"}
WAIT_SECONDS = 20.0
_AROUND = 2  # lines shown before and after the one a finding is about
_FOLDER = Path(__file__).parent
_SHELL = (
    "default-src 'none'; script-src 'self'; style-src 'self'; frame-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_FRAMED = "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; frame-ancestors 'self'"
_FILES = {"preview.css": "text/css", "preview.js": "text/javascript", "measure.js": "text/javascript"}


def create_preview(drafts: Drafts) -> FastAPI:
    """The preview's site, for any ASGI server on this machine."""
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    # A page elsewhere may have been led here by its DNS: only our own names are answered.
    site.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    templates = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    _pages(site, drafts, templates)
    _parts(site, drafts, templates)
    return site


def _pages(site: FastAPI, drafts: Drafts, templates: Environment) -> None:
    @site.get("/")
    def page(request: Request) -> Response:
        chosen = _chosen(request)
        words = _shown(drafts, chosen)
        return _html(templates.get_template("preview.html").render(**words), _SHELL)

    @site.get("/changed")
    def changed(after: int = 0) -> Response:
        number = drafts.beyond(after, seconds=WAIT_SECONDS)
        return JSONResponse({"number": number}, headers={"Cache-Control": "no-store"})

    @site.get("/measure")
    def measure(request: Request) -> Response:
        """For screenshots: the mail in a frame as high as itself, the height in the title."""
        chosen = _chosen(request)
        said = templates.get_template("measure.html").render(chosen=chosen, width=WIDTHS[chosen["width"]])
        return _html(said, _SHELL)

    @site.get("/{name}")
    def file(name: str) -> Response:
        if name not in _FILES:
            raise HTTPException(404)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response((_FOLDER / name).read_bytes(), media_type=_FILES[name], headers=headers)


def _parts(site: FastAPI, drafts: Drafts, templates: Environment) -> None:
    @site.get("/frame/mail")
    def mail(request: Request) -> Response:
        chosen, build = _chosen(request), drafts.current.build
        if build is None:
            return _html(templates.get_template("nothing.html").render(), _FRAMED.format(images="'none'"))
        seen = as_seen(build, reader=READERS[chosen["reader"]], scheme=Scheme(chosen["scheme"]))
        return _html(seen, _FRAMED.format(images="'none'" if chosen["images"] == "off" else "'self'"))

    @site.get("/a/{sha256}/{name}")
    def image(sha256: str, name: str) -> Response:
        build = drafts.current.build
        data = build.files.get(f"assets/{sha256}/{name}") if build else None
        kind = content_type(data) if data else None
        if kind is None:
            raise HTTPException(404)
        return Response(data, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})


def _chosen(request: Request) -> dict[str, str]:
    """What the visitor chose to see; anything unknown is the first of its kind."""
    known = {
        "view": list(VIEWS),
        "width": list(WIDTHS),
        "scheme": [scheme.value for scheme in Scheme],
        "images": ["on", "off"],
        "reader": list(READERS),
    }
    given = request.query_params
    return {name: given.get(name, "") if given.get(name) in names else names[0] for name, names in known.items()}


def _shown(drafts: Drafts, chosen: dict[str, str]) -> dict[str, Any]:
    """All the page says."""
    draft = drafts.current
    reader, build = READERS[chosen["reader"]], draft.build
    return {
        "issue": drafts.issue,
        "draft": draft,
        "chosen": chosen,
        "views": VIEWS,
        "widths": WIDTHS,
        "readers": READERS,
        "subject": _filled(build.subject, reader.first_name) if build else "",
        "preheader": _filled(build.preheader, reader.first_name) if build else "",
        "size": len(fill(build.html, values_of(reader), Place.HTML).encode()) if build else 0,
        "limit": HTML_LIMIT,
        "near": HTML_WARNING,
        "text": text_for(build, reader) if build and chosen["view"] == "text" else "",
        "headers": _headers(draft, chosen) if build and chosen["view"] == "headers" else "",
        "excerpts": _excerpts(drafts.root, draft.findings) if chosen["view"] == "findings" else [],
    }


def _filled(copy: str, first_name: str) -> str:
    return fill(copy, {"first_name": first_name}, Place.HEADER)


def _headers(draft: Draft, chosen: dict[str, str]) -> str:
    """The header section of the very message this reader would get; what the provider adds is not in it."""
    if draft.build is None or draft.settings is None:
        return ""
    recipient = Recipient("reader@example.org", values_of(READERS[chosen["reader"]]), "preview")
    try:
        mail = CompiledMail.of(mail_of(draft.build, draft.settings))
        message = mail.message(recipient, message_id="<preview@example.org>", date=datetime.now(UTC))
    except NewsletterError as error:
        return str(error)
    return message.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").replace("\r\n", "\n")


def _excerpts(root: Path, findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Each finding with the lines of the file it is about."""
    return [{"finding": finding, "lines": _lines(root, finding)} for finding in findings]


def _lines(root: Path, finding: Finding) -> list[tuple[int, str, bool]]:
    """Number, text, and whether it is the line meant. Only the editors' own files are opened."""
    number, path = finding.place.line, (root / finding.place.file).resolve()
    if number is None or not path.is_relative_to((root / "issues").resolve()) or not path.is_file():
        return []
    lines = re.split(r"\r\n|\r|\n", path.read_text(encoding="utf-8-sig", errors="replace"))
    first, last = max(1, number - _AROUND), min(len(lines), number + _AROUND)
    return [(line, lines[line - 1], line == number) for line in range(first, last + 1)]


def _html(page: str, policy: str) -> HTMLResponse:
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(page, headers=headers)
