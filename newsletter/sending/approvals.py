"""A person's yes to one build, named by its hash: an edited issue is another build and needs another yes.

A newsletter can ask for a second person. Who is whom goes by the name: `Ann` and `ann ` are one.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.errors import Refused
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import approvals, builds
from newsletter.store.upsert import insert_new


@dataclass(frozen=True)
class Approval:
    """Who said yes to a build, and how many different people must."""

    build: str
    people: tuple[str, ...]
    needed: int

    @property
    def enough(self) -> bool:
        return len({_same(person) for person in self.people}) >= self.needed

    @property
    def in_words(self) -> str:
        who = " and ".join(self.people) if self.people else "nobody yet"
        rest = "" if self.enough else "; this newsletter asks for a second person's yes to the very same build"
        return f"Build {self.build[:12]} is approved by {who}{rest}."


def approve(connection: Connection, build: str, *, person: str, now: datetime) -> None:
    """Record that `person` approved this build; a second yes of the same person changes nothing."""
    insert_new(connection, approvals, [{"build": build, "person": person, "at": now}])


def approved_by(connection: Connection, build: str) -> list[str]:
    """Who approved this build, in order; each person once, as she wrote her name first."""
    query = select(approvals.c.person).where(approvals.c.build == build).order_by(approvals.c.at, approvals.c.person)
    people: dict[str, str] = {}
    for person in connection.scalars(query):
        people.setdefault(_same(person), person)
    return list(people.values())


def approval_of(connection: Connection, build: str, settings: NewsletterSettings) -> Approval:
    """How a build of that newsletter stands."""
    return Approval(build, tuple(approved_by(connection, build)), 2 if settings.second_person else 1)


def require_approval(connection: Connection, build: str, settings: NewsletterSettings) -> None:
    """Raises Refused for a build that not enough people said yes to."""
    found = approval_of(connection, build, settings)
    if not found.enough:
        raise Refused(f"{found.in_words} Somebody else types: newsletter approve")


def last_approved(connection: Connection, issue: str, settings: NewsletterSettings, *, besides: str) -> str | None:
    """The build of an issue that was approved last, other than `besides`: by enough people, or else by anybody."""
    query = select(builds.c.hash).join(approvals, approvals.c.build == builds.c.hash)
    query = query.where(builds.c.issue == issue, builds.c.hash != besides).order_by(
        approvals.c.at.desc(), builds.c.hash
    )
    found = list(dict.fromkeys(connection.scalars(query)))
    enough = [build for build in found if approval_of(connection, build, settings).enough]
    return next(iter([*enough, *found]), None)


def _same(person: str) -> str:
    """The name as it is compared: trimmed, and without regard to case or to how its letters are encoded."""
    return " ".join(unicodedata.normalize("NFKC", person).casefold().split())
