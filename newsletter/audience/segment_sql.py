"""A segment as SQL: who of a newsletter's audience is in it, in one statement, on both databases.

What conditions ask about lies in several tables. Only those asked about are looked at, each once, and gathered by
reader; the conditions are then about one row a reader. What is not on record makes a condition false, never unknown, so
`not` makes it true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, not_, or_, select, true, union_all

from newsletter.audience.consent import Purpose
from newsletter.audience.gather import gather
from newsletter.audience.ledger import in_force, not_undone
from newsletter.audience.segments import Conditions, Segment, Span, start_of
from newsletter.audience.select import Some, among, deciding_entries, tracking, verdicts
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import consent, deliveries, sends, subscribers, subscriptions, tracked, votes

Holds = ColumnElement[bool]


@dataclass(frozen=True)
class View:
    """Whose audience is looked at, and from which moment: windows are reckoned back from `at`."""

    newsletter: str
    settings: NewsletterSettings
    at: datetime
    newsletters: Mapping[str, NewsletterSettings]  # all of the workspace: a segment may name any
    subscriber_ids: Some = None  # only these are asked about


def members(segment: Segment, view: View) -> Select[tuple[int]]:
    """The ids of the newsletter's subscribers, ended subscriptions included, who are in the segment."""
    record = _Record(segment.where, view)
    return select(record.reader.subscriber_id).where(record.reader.listed == 1, record.holds(segment.where))


class _Record:
    """What is on record of each reader that a segment asks about, and its conditions over it."""

    def __init__(self, where: Conditions, view: View) -> None:
        self.view = view
        self._tables = tuple(where.tables())
        self._newsletters, self._issues = self._named("newsletter"), self._named("had_issue")
        self._batches = self._named("import_batch")
        asked = frozenset().union(*map(_given, self._tables))
        queries = [self._listed(asked)]
        queries += [query() for names, query in self._sources() if asked & names]
        self.reader: Any = gather(*queries, name="reader").c

    def _sources(self) -> Iterator[tuple[frozenset[str], Callable[[], Select[Any]]]]:
        """Where else to look, by the conditions that ask for it."""
        yield frozenset({"basis", "source", "source_contains", "consent_older_than", "consent_newer_than"}), self._entry
        yield frozenset({"newsletter"}), self._mailable
        yield frozenset({"had_issue", "had_within"}), self._had
        yield frozenset({"voted_within"}), self._voted
        yield frozenset({"opened_within"}), self._opened
        yield frozenset({"clicked_within"}), self._clicked
        yield frozenset({"import_batch"}), self._imported

    def holds(self, where: Conditions) -> Holds:
        """Every condition of a table, as one that is true or false."""
        return and_(
            *(self._one(name, getattr(where, name)) for name in Conditions.model_fields if name in _given(where))
        )

    def _one(self, name: str, value: Any) -> Holds:
        if name == "all":
            return and_(*map(self.holds, value))
        if name == "any":
            return or_(*map(self.holds, value))
        if name == "not_":
            return not_(self.holds(value))
        meaning: Callable[[Any], Holds] = getattr(self, f"_{name}")
        return meaning(value).is_(true())  # NULL is not true: so far and no further

    # -- what each condition means ------------------------------------------------------------------------------------

    def _lang(self, languages: Iterable[str]) -> Holds:
        known = func.lower(self.reader.lang)
        return or_(*(or_(known == language, known.like(f"{language}-%")) for language in languages))

    def _has_first_name(self, wanted: bool) -> Holds:
        named = func.coalesce(self.reader.first_name, "") != ""
        return named if wanted else not_(named)

    def _domain(self, domains: Iterable[str]) -> Holds:
        address = func.lower(self.reader.address)
        return or_(*(address.like(f"%{domain}" if domain.startswith(".") else f"%@{domain}") for domain in domains))

    def _newsletter(self, names: Iterable[str]) -> Holds:
        return or_(*(self.reader[f"by_{self._newsletters.index(name)}"] == 1 for name in names))

    def _basis(self, bases: Iterable[str]) -> Holds:
        return self._in("basis", bases)

    def _source(self, sources: Iterable[str]) -> Holds:
        return self._in("source", sources)

    def _in(self, column: str, values: Iterable[str]) -> Holds:
        found: Holds = self.reader[column].in_([str(value) for value in values])
        return found

    def _source_contains(self, words: Iterable[str]) -> Holds:
        # LIKE minds capitals on one database and not on the other; this is the same on both.
        source = self.reader.source
        return or_(*(func.replace(source, word, "") != source for word in words))

    def _consent_older_than(self, span: Span) -> Holds:
        return not_(self._since("occurred_at", span))

    def _consent_newer_than(self, span: Span) -> Holds:
        return self._since("occurred_at", span)

    def _joined_before(self, day: date) -> Holds:
        return self._before("created_at", start_of(day, self.view.settings))

    def _joined_after(self, day: date) -> Holds:
        return not_(self._before("created_at", start_of(day + timedelta(days=1), self.view.settings)))

    def _joined_within(self, span: Span) -> Holds:
        return self._since("created_at", span)

    def _voted_within(self, span: Span) -> Holds:
        return self._since("voted_at", span)

    def _had_issue(self, issues: Iterable[str]) -> Holds:
        return or_(*(self.reader[f"had_{self._issues.index(issue)}"] == 1 for issue in issues))

    def _had_within(self, span: Span) -> Holds:
        return self._since("had_at", span)

    def _opened_within(self, span: Span) -> Holds:
        return self._since("opened_at", span)

    def _clicked_within(self, span: Span) -> Holds:
        return self._since("clicked_at", span)

    def _import_batch(self, batches: Iterable[int]) -> Holds:
        return or_(*(self.reader[f"from_{self._batches.index(batch)}"] == 1 for batch in batches))

    def _since(self, column: str, span: Span) -> Holds:
        found: Holds = self.reader[column] > span.before(self.view.at)
        return found

    def _before(self, column: str, moment: datetime) -> Holds:
        found: Holds = self.reader[column] < moment
        return found

    # -- where it is on record ----------------------------------------------------------------------------------------

    def _listed(self, asked: frozenset[str]) -> Select[Any]:
        """Everybody on the newsletter's list, with what her own rows say of what is asked about."""
        table = subscriptions.c
        columns: list[ColumnElement[Any]] = [table.subscriber_id, literal(1).label("listed")]
        if asked & {"joined_before", "joined_after", "joined_within"}:
            columns.append(table.created_at)
        own = {"lang": subscribers.c.lang, "has_first_name": subscribers.c.first_name, "domain": subscribers.c.address}
        columns += [column for name, column in own.items() if name in asked]
        query = select(*columns).where(table.newsletter == self.view.newsletter, in_force(subscriptions))
        if asked & own.keys():
            query = query.join(subscribers, subscribers.c.id == table.subscriber_id)
        return self._among(table, query)

    def _entry(self) -> Select[Any]:
        """The ledger's entry that decides."""
        deciding = deciding_entries(self.view.newsletter, self.view.subscriber_ids)
        entry = consent.alias("entry")
        columns = (deciding.c.subscriber_id, entry.c.basis, entry.c.source, entry.c.occurred_at)
        return select(*columns).join_from(deciding, entry, entry.c.id == deciding.c.entry_id)

    def _mailable(self) -> Select[Any]:
        """Which of the newsletters named could mail the reader at that moment."""
        parts = []
        for number, name in enumerate(self._newsletters):
            asked = verdicts(name, self.view.newsletters[name], self.view.at, subscriber_ids=self.view.subscriber_ids)
            found = asked.subquery(f"verdicts_{number}")
            part = select(found.c.subscriber_id, literal(number).label("number")).where(found.c.reason.is_(None))
            parts.append(part)
        every = union_all(*parts).subquery("every_mailable")
        columns = [_whether(every.c.number == number, f"by_{number}") for number in range(len(parts))]
        return select(every.c.subscriber_id, *columns).group_by(every.c.subscriber_id)

    def _had(self) -> Select[Any]:
        """Issues the provider took for the reader: those named, and the last of this newsletter within the windows."""
        table = deliveries.c
        wanted: list[Holds] = [sends.c.issue.in_(self._issues)] if self._issues else []
        columns: list[ColumnElement[Any]] = [
            _whether(sends.c.issue == issue, f"had_{number}") for number, issue in enumerate(self._issues)
        ]
        if spans := self._all("had_within"):
            earliest = min(span.before(self.view.at) for span in spans)
            ours = and_(sends.c.newsletter == self.view.newsletter, table.handed_over_at > earliest)
            # A send that settled before the window holds nothing of it: older ones are not walked through.
            wanted.append(and_(ours, or_(sends.c.settled_at.is_(None), sends.c.settled_at > earliest)))
            columns.append(func.max(case((ours, table.handed_over_at))).label("had_at"))
        query = select(table.subscriber_id, *columns).join(sends, sends.c.id == table.send_id)
        return self._among(table, query.where(table.state == "accepted", or_(*wanted)).group_by(table.subscriber_id))

    def _voted(self) -> Select[Any]:
        latest = func.max(votes.c.at).label("voted_at")
        hers = select(votes.c.subscriber_id, latest).where(votes.c.suspect.is_(None))  # the others look automatic
        return self._among(votes.c, hers.group_by(votes.c.subscriber_id))

    def _opened(self) -> Select[Any]:
        return self._looked("open", "opened_at", Purpose.OPEN_TRACKING)

    def _clicked(self) -> Select[Any]:
        return self._looked("click", "clicked_at", Purpose.CLICK_TRACKING)

    def _looked(self, kind: str, name: str, purpose: Purpose) -> Select[Any]:
        """When a person last did so in an issue of this newsletter; of those who still agree to be measured."""
        table, newsletter = tracked.c, self.view.newsletter
        agreed = tracking(newsletter, purpose, subscriber_ids=self.view.subscriber_ids).subquery(f"agreed_{kind}")
        query = select(table.subscriber_id, func.max(table.at).label(name)).join(sends, sends.c.id == table.send_id)
        query = query.join(agreed, agreed.c.subscriber_id == table.subscriber_id)
        query = query.where(sends.c.newsletter == newsletter, table.kind == kind, table.by == "person")
        return self._among(table, query.group_by(table.subscriber_id))

    def _imported(self) -> Select[Any]:
        """Imports that put an entry into the reader's ledger and were not undone."""
        columns = [_whether(consent.c.batch_id == batch, f"from_{n}") for n, batch in enumerate(self._batches)]
        query = select(consent.c.subscriber_id, *columns).group_by(consent.c.subscriber_id)
        query = query.where(consent.c.newsletter == self.view.newsletter, consent.c.batch_id.in_(self._batches))
        return self._among(consent.c, query.where(not_undone()))

    def _among(self, columns: Any, query: Select[Any]) -> Select[Any]:
        """The query, of those readers only who are asked about."""
        ids = self.view.subscriber_ids
        return query if ids is None else query.where(among(columns.subscriber_id, ids))

    def _all(self, name: str) -> list[Any]:
        return [getattr(table, name) for table in self._tables if getattr(table, name) is not None]

    def _named(self, name: str) -> tuple[Any, ...]:
        """Every value that a condition of this name lists anywhere in the segment, each once."""
        return tuple(dict.fromkeys(value for values in self._all(name) for value in values))


def _whether(holds: Holds, name: str) -> ColumnElement[int]:
    """Whether it holds for any row of the reader, as a column."""
    return func.max(case((holds, 1), else_=0)).label(name)


def _given(where: Conditions) -> frozenset[str]:
    """The conditions, and the nesting, of one table."""
    return frozenset(name for name in Conditions.model_fields if getattr(where, name) is not None)
