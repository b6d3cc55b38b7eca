"""A build's manifest: everything that made it what it is, by hash. Its own hash is the build's name.

No time of building, no path outside the workspace, nothing of the machine: the same sources and program give the same
bytes anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.audience.segments import Segment
from newsletter.config import Workspace
from newsletter.editorial.resolved import ResolvedIssue
from newsletter.rendering.build import canonical_json
from newsletter.rendering.theme import Theme
from newsletter.settings import NewsletterSettings

FORMAT = 1


@dataclass(frozen=True)
class Bodies:
    """A body in all its variants: the files of each, and the segments its readers are in."""

    files: Mapping[str, Mapping[str, bytes]]
    combinations: Mapping[str, tuple[str, ...]]
    segments: Mapping[str, Segment]


def write_manifest(
    workspace: Workspace,
    resolved: ResolvedIssue,
    theme: Theme,
    *,
    bodies: Bodies,
    images: Mapping[str, str],
) -> bytes:
    """The canonical manifest; `images` holds hashes by workspace path."""
    _, settings = workspace.newsletter(resolved.definition.newsletter)
    definitions = {segment.path: segment.source for segment in bodies.segments.values()}
    return canonical_json(
        {
            "format": FORMAT,
            "newsletter": resolved.definition.newsletter,
            "issue": resolved.id,
            "date": resolved.definition.date.isoformat(),
            "variants": {name: _hashes(files) for name, files in bodies.files.items()},
            "assets": dict(images),
            "sources": _hashes({**resolved.sources, **definitions}),
            "settings": shaping_settings(workspace, resolved, settings),
            "theme": {"name": theme.name, "files": _hashes(theme.files)},
            "facts": dict(resolved.facts),
            **_segments(bodies),
        }
    )


def _segments(bodies: Bodies) -> dict[str, object]:
    """Who gets which variant: the segments in full, since sending goes by what was approved, not by files of later."""
    if not bodies.segments:
        return {}
    named = {name: list(segments) for name, segments in bodies.combinations.items() if segments}
    return {
        "segments": {name: segment.source.decode() for name, segment in bodies.segments.items()},
        "combinations": named,
    }


def shaping_settings(
    workspace: Workspace, resolved: ResolvedIssue, settings: NewsletterSettings
) -> dict[str, str | None]:
    """The settings a reader can see the effect of, the issue's own wishes applied."""
    definition = resolved.definition
    return {
        "public_url": workspace.settings.public_url,
        "name": settings.name,
        "from_name": definition.from_name or settings.from_name,
        "from_address": settings.from_address,
        "reply_to": definition.reply_to or settings.reply_to,
        "list_id": settings.list_id,
        "lang": definition.lang or settings.lang,
        "timezone": settings.timezone,
        "organisation": settings.organisation,
        "postal_address": settings.postal_address,
        "why_receiving": settings.why_receiving,
        "privacy_url": settings.privacy_url,
    }


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
