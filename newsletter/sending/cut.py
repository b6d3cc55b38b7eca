"""How an audience is cut: whom a send is for, and which variant of the body each of its readers gets.

The variants go by the segments as the build keeps them: what was approved decides, not what the files say by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience.segment_sql import View, members
from newsletter.audience.segments import Segment, parse_segment, read_segment
from newsletter.config import Workspace
from newsletter.rendering.build import DEFAULT_VARIANT, Build
from newsletter.sending.sends import Send
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import build_files


@dataclass(frozen=True)
class Cut:
    """Without segments: everybody, and everybody the same."""

    newsletters: Mapping[str, NewsletterSettings] = field(default_factory=dict)
    only: Segment | None = None
    segments: Mapping[str, Segment] = field(default_factory=dict)
    combinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # without the default

    def variant_in(self, segments: frozenset[str]) -> str:
        """The variant of a reader who is in these segments."""
        wanted = segments & self.segments.keys()
        return next((name for name, its in self.combinations.items() if frozenset(its) == wanted), DEFAULT_VARIANT)


def cut_of(workspace: Workspace, build: Build, segment: str | None) -> Cut:
    """The cut of a send of this build to a segment, or to all. Raises NotFound and InputError."""
    only = read_segment(workspace, segment) if segment is not None else None
    return _cut(build, workspace.settings.newsletters, only)


def variant_of(
    connection: Connection,
    send: Send,
    subscriber_id: int,
    *,
    newsletters: Mapping[str, NewsletterSettings],
    at: datetime,
) -> str:
    """Which variant a single reader gets who comes to a send after it was prepared."""
    query = select(build_files.c.data).where(build_files.c.build == send.build, build_files.c.path == "manifest.json")
    build = Build({"manifest.json": connection.execute(query).scalar_one()})
    cut = _cut(build, newsletters, None)
    view = View(send.newsletter, newsletters[send.newsletter], at, newsletters, subscriber_ids=(subscriber_id,))
    inside = (name for name, segment in cut.segments.items() if connection.scalar(members(segment, view)) is not None)
    return cut.variant_in(frozenset(inside))


def _cut(build: Build, newsletters: Mapping[str, NewsletterSettings], only: Segment | None) -> Cut:
    segments = {
        name: parse_segment(
            name, text.encode(), newsletters=newsletters, path=f"build {build.hash[:12]}: segments/{name}.toml"
        )
        for name, text in build.segments.items()
    }
    combinations = {name: its for name, its in build.variants.items() if its}
    return Cut(newsletters, only, segments, combinations)
