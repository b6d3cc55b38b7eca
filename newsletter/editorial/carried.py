"""Which stories the builds that went out carried, and which issues therefore had a story.

A build never changes, so its manifest is looked at once; what it carried is then a row that can be asked from the
story's side.
"""

from __future__ import annotations

from sqlalchemy import Connection, Select, exists, select

from newsletter.editorial.facts import facts_of
from newsletter.store.engine import Store
from newsletter.store.tables import library_builds, sends
from newsletter.store.upsert import insert_new

AT_ONCE = 200
LOOKED_AT = ""  # in place of a story: that the build has been looked at
UNRECORDED = "?"  # in place of a story: that its facts do not say


def note_builds(store: Store) -> None:
    """Look at the builds that went out since this was done last."""
    with store.read() as connection:
        new: list[str] = list(connection.scalars(_unnoted()))
    for first in range(0, len(new), AT_ONCE):
        with store.read() as connection:
            rows = [row for build in new[first : first + AT_ONCE] for row in _rows(connection, build)]
        with store.write() as connection:
            insert_new(connection, library_builds, rows)


def unnoted_builds(connection: Connection) -> frozenset[str]:
    """The builds that went out after the index was refreshed: it cannot speak for them."""
    return frozenset(connection.scalars(_unnoted()))


def builds_with(connection: Connection, story: str) -> frozenset[str]:
    """The builds that carried the story, and those that do not say what they carried."""
    query = select(library_builds.c.build).where(library_builds.c.story.in_((story, UNRECORDED)))
    return frozenset(connection.scalars(query))


def _unnoted() -> Select[tuple[str]]:
    noted = exists().where(library_builds.c.build == sends.c.build)
    return select(sends.c.build).where(sends.c.first_handover_at.is_not(None), ~noted).distinct()


def _rows(connection: Connection, build: str) -> list[dict[str, str]]:
    facts = facts_of(connection, build)
    stories = set(facts["stories"]) if "stories" in facts else {UNRECORDED}
    return [{"build": build, "story": story} for story in {LOOKED_AT, *stories}]
