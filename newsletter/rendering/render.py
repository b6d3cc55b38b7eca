"""Turns a resolved issue into a build: text part, page, inlined styles, manifest. Opens only images and the theme."""

from __future__ import annotations

from newsletter.config import Workspace
from newsletter.editorial.resolved import ResolvedIssue
from newsletter.rendering.blocks import Setting, block_views
from newsletter.rendering.build import Build
from newsletter.rendering.dates import direction, long_date
from newsletter.rendering.images import Gallery, raise_problems
from newsletter.rendering.inline import inline_css
from newsletter.rendering.manifest import write_manifest
from newsletter.rendering.readtime import minutes
from newsletter.rendering.theme import IssueView, Theme, load_theme

UNSUBSCRIBE = "{{unsubscribe_url}}"
PREFERENCES = "{{preferences_url}}"


def build_issue(workspace: Workspace, resolved: ResolvedIssue) -> Build:
    """The issue rendered. Raises InputError for images that cannot be used, BuildError for a broken theme."""
    name, settings = workspace.newsletter(resolved.definition.newsletter)
    theme = load_theme(workspace.theme(settings.theme))
    definition = resolved.definition
    lang = definition.lang or settings.lang
    archive = f"{workspace.settings.public_url}/archive/{name}"
    gallery = Gallery(workspace)
    views = block_views(resolved.blocks, Setting(resolved.id, definition.date, lang, archive, gallery))
    raise_problems(gallery)
    sections = theme.sections(views, lang)
    issue = IssueView(
        name=settings.name,
        tagline=settings.tagline,
        subject=one_line(definition.subject),
        preheader=one_line(definition.preheader),
        lang=lang,
        direction=direction(lang),
        date=long_date(definition.date, lang),
        minutes=minutes("\n".join(sections)),
        archive_url=f"{archive}/{resolved.id}",
        unsubscribe_url=UNSUBSCRIBE,
        preferences_url=PREFERENCES,
        why_receiving=settings.why_receiving,
        organisation=settings.organisation,
        postal_address=settings.postal_address,
        privacy_url=settings.privacy_url,
        blocks=views,
    )
    variant = _variant(theme, issue, sections)
    manifest = write_manifest(workspace, resolved, theme, variant=variant, images=gallery.hashes)
    return Build({**variant, **gallery.files, "manifest.json": manifest})


def _variant(theme: Theme, issue: IssueView, sections: list[str]) -> dict[str, bytes]:
    return {
        "subject.txt": f"{issue.subject}\n".encode(),
        "preheader.txt": f"{issue.preheader}\n".encode(),
        "body.html": inline_css(theme.html(issue)).encode(),
        "body.txt": theme.text(issue, sections).encode(),
    }


def one_line(text: str) -> str:
    """Headers are one line: any run of white space is one space."""
    return " ".join(text.split())
