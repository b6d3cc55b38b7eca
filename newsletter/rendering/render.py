"""Turns a resolved issue into a build: text part, page, inlined styles, in each variant, and the manifest.

Opens only images, the theme and the segments that blocks name.
"""

from __future__ import annotations

from dataclasses import replace

from newsletter.audience.segments import read_segment
from newsletter.config import Workspace
from newsletter.editorial.languages import capital
from newsletter.editorial.resolved import ResolvedIssue
from newsletter.rendering.blocks import Setting, block_views
from newsletter.rendering.build import Build, folder_of
from newsletter.rendering.dates import direction, long_date
from newsletter.rendering.images import Gallery, raise_problems
from newsletter.rendering.inline import inline_css
from newsletter.rendering.manifest import Bodies, write_manifest
from newsletter.rendering.readtime import minutes
from newsletter.rendering.theme import IssueView, Theme, load_theme
from newsletter.rendering.variants import combined, seen_by

UNSUBSCRIBE = "{{unsubscribe_url}}"
PREFERENCES = "{{preferences_url}}"


def build_issue(workspace: Workspace, resolved: ResolvedIssue) -> Build:
    """The issue rendered. Raises InputError for images that cannot be used, BuildError for a broken theme."""
    name, settings = workspace.newsletter(resolved.definition.newsletter)
    theme = load_theme(workspace.theme(settings.theme))
    definition = resolved.definition
    lang = definition.lang or settings.lang
    archive = f"{workspace.settings.public_url}/archive/{name}" if settings.archive != "off" else ""
    gallery = Gallery(workspace)
    setting = Setting(resolved.id, definition.date, lang, archive, gallery)
    variants = combined(resolved)
    segments = {name: read_segment(workspace, name) for name in sorted(set().union(*variants.values()))}
    views = block_views(resolved.blocks, setting)
    raise_problems(gallery)
    issue = IssueView(
        name=settings.name,
        tagline=settings.tagline,
        subject=one_line(definition.subject),
        preheader=one_line(definition.preheader),
        lang=lang,
        direction=direction(lang),
        date=capital(long_date(definition.date, lang)),
        minutes=0,  # each variant's own
        archive_url=archive and f"{archive}/{resolved.id}",
        unsubscribe_url=UNSUBSCRIBE,
        preferences_url=PREFERENCES,
        why_receiving=settings.why_receiving,
        organisation=settings.organisation,
        postal_address=settings.postal_address,
        privacy_url=settings.privacy_url,
        blocks=views,
    )
    files = {}
    for variant, its in variants.items():
        shown = block_views(seen_by(resolved, its).blocks, setting) if segments else views
        files[variant] = _variant(theme, replace(issue, blocks=shown))
    bodies = Bodies(files, variants, segments)
    manifest = write_manifest(workspace, resolved, theme, bodies=bodies, images=gallery.hashes)
    paths = {f"{folder_of(name)}{path}": data for name, body in files.items() for path, data in body.items()}
    return Build({**paths, **gallery.files, "manifest.json": manifest})


def _variant(theme: Theme, issue: IssueView) -> dict[str, bytes]:
    sections = theme.sections(issue.blocks, issue.lang)
    issue = replace(issue, minutes=minutes("\n".join(sections)))
    return {
        "subject.txt": f"{issue.subject}\n".encode(),
        "preheader.txt": f"{issue.preheader}\n".encode(),
        "body.html": inline_css(theme.html(issue)).encode(),
        "body.txt": theme.text(issue, sections).encode(),
    }


def one_line(text: str) -> str:
    """Headers are one line: any run of white space is one space."""
    return " ".join(text.split())
