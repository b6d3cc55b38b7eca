"""The Atom feed of a newsletter (RFC 4287): its last issues, and what was corrected in them since."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response
from lxml import etree

from newsletter.app import App
from newsletter.documents.reading import UNFIT
from newsletter.editorial.corrections import CORRECTS
from newsletter.rendering.dates import short_date
from newsletter.sending.archive import Archived, Note, newest_first, notes_about, notes_waiting
from newsletter.settings import NewsletterSettings
from newsletter.web.public.archive import feed_url, readable, reading_headers
from newsletter.web.public.archive_phrases import Speech
from newsletter.web.public.kept import kept
from newsletter.web.public.pages import Pages

ENTRIES = 50
ATOM = "http://www.w3.org/2005/Atom"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # a feed must say when it changed; this one has not yet


def add_feed(site: FastAPI, app: App, pages: Pages) -> None:
    """GET /feed/<newsletter>.atom."""

    @site.api_route("/feed/{newsletter}.atom", methods=["GET", "HEAD"])
    def feed(request: Request, newsletter: str) -> Response:
        settings = readable(pages, newsletter)
        with app.store.read() as connection:
            issues = newest_first(connection, newsletter, limit=ENTRIES)
            shown = [issue.issue for issue in issues]
            notes = [*notes_about(connection, shown), *notes_waiting(connection, shown, settings)]
        corrections = defaultdict(list)
        for note in notes:
            if note.kind == CORRECTS:
                corrections[note.about].append(note)
        changed = max((issue.updated_at for issue in issues), default=_NEVER)
        archive = f"{app.settings.public_url}/archive/{newsletter}"
        root = _feed(settings, archive, itself=feed_url(app, newsletter), changed=changed)
        for issue in issues:
            _entry(root, issue, f"{archive}/{issue.issue}", corrections[issue.issue], settings)
        data = etree.tostring(root, xml_declaration=True, encoding="utf-8")
        headers = reading_headers(settings)
        return kept(request, data, kind="application/atom+xml", headers=headers, changed=changed)


def _feed(settings: NewsletterSettings, archive: str, *, itself: str, changed: datetime) -> etree._Element:
    root = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})
    root.set(LANG, settings.lang)
    _say(root, "id", archive)
    _say(root, "title", settings.name)
    if settings.tagline:
        _say(root, "subtitle", settings.tagline)
    _say(root, "updated", _moment(changed))
    _link(root, "self", itself, kind="application/atom+xml")
    _link(root, "alternate", archive, kind="text/html")
    _say(etree.SubElement(root, f"{{{ATOM}}}author"), "name", settings.organisation)
    return root


def _entry(
    root: etree._Element, issue: Archived, url: str, corrections: list[Note], settings: NewsletterSettings
) -> None:
    entry = etree.SubElement(root, f"{{{ATOM}}}entry")
    # RFC 4151: it stays what it is when the site moves; a list id is ours for ever.
    _say(entry, "id", f"tag:{settings.list_id},{issue.published_at:%Y-%m-%d}:{issue.issue}")
    _say(entry, "title", issue.subject or issue.issue)
    _link(entry, "alternate", url, kind="text/html")
    _say(entry, "published", _moment(issue.published_at))
    _say(entry, "updated", _moment(issue.updated_at))
    said = [issue.preheader, *(_correction(note, issue, settings) for note in corrections)]
    _say(entry, "summary", "\n\n".join(part for part in said if part))


def _correction(note: Note, issue: Archived, settings: NewsletterSettings) -> str:
    say = Speech(settings.lang)
    day, quotes = short_date(note.date, say.lang, beside=issue.date), say.quotes
    was, right = (f"{quotes.open}{note.words[key]}{quotes.close}" for key in ("was", "is"))
    return f"{say('correction_on', date=day)} {say('we_said')} {was} {say('it_is')} {right}"


def _say(parent: etree._Element, name: str, text: str) -> None:
    # XML cannot carry control characters, however escaped.
    etree.SubElement(parent, f"{{{ATOM}}}{name}").text = UNFIT.sub(" ", text)


def _link(parent: etree._Element, relation: str, url: str, *, kind: str) -> None:
    etree.SubElement(parent, f"{{{ATOM}}}link", rel=relation, type=kind, href=url)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
