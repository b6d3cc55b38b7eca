"""Corrections: mistakes in issues that went out, and what is right. They wait until an issue has carried them.

The words are Markdown, as in a `correction` block. An issue carries one when it went out with a block that says the
same of that issue, or names it by its id (`correction-7`), whatever an editor made of its words. The only writer of the
table `corrections`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from newsletter.documents.reading import UNFIT
from newsletter.editorial.facts import facts_of
from newsletter.errors import Refused
from newsletter.store.tables import archive, archive_links, corrections

CORRECTS = "corrects"  # the kind of link in the archive
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


@dataclass(frozen=True)
class Correction:
    """A mistake on record."""

    id: int
    issue: str
    was: str
    is_: str
    person: str
    at: datetime

    @property
    def block_id(self) -> str:
        """The id of a block that carries it."""
        return f"correction-{self.id}"

    def is_in(self, facts: Mapping[str, Any]) -> bool:
        """Whether a build of these facts carries it."""
        return any(
            said["issue"] == self.issue and (said.get("id") == self.block_id or _words(said["was"]) == _words(self.was))
            for said in facts.get("corrections", ())
        )


def put_down(connection: Connection, issue: str, *, was: str, is_: str, person: str, now: datetime) -> Correction:
    """Write a correction down. Raises Refused for one that is on record already."""
    for known in corrections_of(connection, [issue]):
        if _words(known.was) == _words(was):
            raise Refused(
                f"Correction {known.id} of issue {issue} says that already. "
                f"To tell its readers: newsletter correction send {issue}"
            )
    row = {"issue": issue, "was": was.strip(), "is": is_.strip(), "person": person, "at": now}
    made = insert(corrections).values(row).returning(corrections.c.id)
    number = connection.execute(made).scalar_one()
    return next(each for each in corrections_of(connection, [issue]) if each.id == number)


def corrections_of(connection: Connection, issues: Collection[str] | None = None) -> list[Correction]:
    """The corrections of these issues, or all of them, in the order they were made."""
    table = corrections.c
    query = select(table.id, table.issue, table.was, table["is"], table.person, table.at).order_by(table.at, table.id)
    if issues is not None:
        query = query.where(table.issue.in_(issues))
    rows = connection.execute(query)
    return [Correction(number, issue, _carried(was), _carried(is_), *rest) for number, issue, was, is_, *rest in rows]


def carried_in(connection: Connection, found: Iterable[Correction]) -> dict[int, str]:
    """For each correction that an issue went out with, the first such issue."""
    found = list(found)
    table = archive_links.c
    links = select(table.to_issue, table.from_issue, archive.c.build).join(archive, archive.c.issue == table.from_issue)
    links = links.where(table.kind == CORRECTS, table.to_issue.in_({each.issue for each in found}))
    carriers = connection.execute(links.order_by(archive.c.published_at, table.from_issue)).all()
    facts = {row.build: facts_of(connection, row.build) for row in carriers}
    carried: dict[int, str] = {}
    for each in found:
        first = (row.from_issue for row in carriers if row.to_issue == each.issue and each.is_in(facts[row.build]))
        if issue := next(first, None):
            carried[each.id] = issue
    return carried


def waiting(connection: Connection, newsletter: str, *, by: date, besides: str = "") -> tuple[Correction, ...]:
    """The corrections of a newsletter's issues dated up to that day that no issue has carried yet."""
    query = select(corrections.c.issue).join(archive, archive.c.issue == corrections.c.issue).distinct()
    query = query.where(archive.c.newsletter == newsletter, archive.c.date <= by, archive.c.issue != besides)
    found = corrections_of(connection, list(connection.scalars(query)))
    carried = carried_in(connection, found) if found else {}
    return tuple(each for each in found if each.id not in carried)


def one_kind_of_line_end(text: str) -> str:
    """A text with plain line breaks, also where a word processor put its soft ones (vertical tab)."""
    return _LINE_ENDS.sub("\n", text)


def _carried(text: str) -> str:
    """What is on record as files and pages can carry it: control characters once got past the door."""
    return UNFIT.sub("", one_kind_of_line_end(text))


def _words(text: str) -> str:
    return " ".join(text.split()).casefold()
