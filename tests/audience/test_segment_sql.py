"""A segment means the same in SQL, on both databases, as read out loud over one reader's record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, update

from newsletter.app import App
from newsletter.audience import ledger
from newsletter.audience.consent import Basis, Entry, Event, Purpose, deciding, may_mail, may_track
from newsletter.audience.ledger import Profile
from newsletter.audience.segment_sql import View, members
from newsletter.audience.segments import Conditions, Segment, condition_names
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import (
    builds,
    deliveries,
    import_batches,
    raw_events,
    sends,
    subscribers,
    subscriptions,
    tracked,
    votes,
)

NOW = datetime(2024, 8, 31, 10, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MONTH_AGO = datetime(2024, 7, 31, 10, 30, tzinfo=UTC)
# Midnight of the 1st of August in New York, the moments around it, and the ends of the windows asked for.
MOMENTS = [
    NOW,
    NOW - timedelta(days=30),
    NOW - timedelta(days=30) - TICK,
    NOW - timedelta(days=30) + TICK,
    MONTH_AGO,
    MONTH_AGO - TICK,
    datetime(2024, 8, 1, 4, tzinfo=UTC),
    datetime(2024, 8, 1, 4, tzinfo=UTC) - TICK,
    datetime(2024, 8, 2, 4, tzinfo=UTC),
    datetime(2024, 8, 2, 4, tzinfo=UTC) - TICK,
    datetime(2022, 1, 1, tzinfo=UTC),
]
ISSUES = {"s1": ("daily", "2024-08-29"), "s2": ("daily", "2024-08-30"), "s3": ("weekly", "2024-35")}
DOMAINS = ["example.org", "mail.example.org", "notexample.org", "EXAMPLE.org", "xn--bcher-kva.example"]


@dataclass(frozen=True)
class Reader:
    """All that is on record of one invented reader."""

    joined: datetime
    lang: str | None = None
    first_name: str | None = None
    domain: str = "example.org"
    erased: bool = False
    daily: tuple[Entry, ...] = ()
    weekly: tuple[Entry, ...] | None = None  # None: not subscribed to it
    voted: tuple[datetime, ...] = ()
    had: tuple[tuple[str, str, datetime | None], ...] = ()  # send, state, handed over
    looked: tuple[tuple[str, str, str, datetime], ...] = ()  # kind, send, who looked, when
    measured: tuple[tuple[Purpose, Event], ...] = ()  # what she said to being measured by the daily, in order


MOMENT = st.sampled_from(MOMENTS)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(Event),
    MOMENT,
    source=st.sampled_from(["Form", "form on the site", "100% paper", "paper_2"]),
    actor=st.just("reader"),
    jurisdiction=st.just("gdpr"),
    basis=st.sampled_from([None, *Basis]),
    expires_at=st.sampled_from([None, NOW, NOW + TICK]),
    batch_id=st.sampled_from([None, None, 1, 2]),
)
HISTORIES = st.lists(ENTRIES, max_size=4).map(tuple)
HAD = st.dictionaries(
    st.sampled_from(list(ISSUES)), st.tuples(st.sampled_from(["accepted", "excluded", "uncertain"]), MOMENT), max_size=3
).map(lambda found: tuple((send, state, None if state == "excluded" else at) for send, (state, at) in found.items()))
LOOKED = st.lists(
    st.tuples(
        st.sampled_from(["open", "click"]),
        st.sampled_from(list(ISSUES)),
        st.sampled_from(["person", "person", "prefetch", "scanner"]),
        MOMENT,
    ),
    max_size=3,
).map(tuple)
MEASURED = st.lists(
    st.tuples(
        st.sampled_from([Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING]),
        st.sampled_from([Event.CONFIRMED, Event.CONFIRMED, Event.WITHDRAWN, Event.IMPORTED]),
    ),
    max_size=3,
).map(tuple)
READERS = st.builds(
    Reader,
    MOMENT,
    st.sampled_from([None, "de", "de-AT", "en", "DEU"]),
    st.sampled_from([None, "", "Ann"]),
    st.sampled_from(DOMAINS),
    st.sampled_from([False, False, False, True]),
    HISTORIES,
    st.one_of(st.none(), HISTORIES),
    st.lists(MOMENT, max_size=2, unique=True).map(tuple),
    HAD,
    LOOKED,
    MEASURED,
)
SPANS = st.sampled_from(["30 days", "1 month", "2 weeks", "12 months"])
DAYS = st.sampled_from(["2024-08-01", "2024-07-31", "2022-01-01"])
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "lang": st.sampled_from(["de", "de-at", ["en", "de"], "deu"]),
    "has_first_name": st.booleans(),
    "domain": st.sampled_from(["example.org", ".example.org", "bücher.example", [".org", "other.example"]]),
    "newsletter": st.sampled_from(["daily", "weekly", ["daily", "weekly"]]),
    "basis": st.sampled_from(["express", ["implied", "soft-opt-in"]]),
    "source": st.sampled_from(["Form", "form", ["100% paper", "x"]]),
    "source_contains": st.sampled_from(["form", "Form", "%", "_", ["paper", "site"]]),
    "consent_older_than": SPANS,
    "consent_newer_than": SPANS,
    "joined_before": DAYS,
    "joined_after": DAYS,
    "joined_within": SPANS,
    "voted_within": SPANS,
    "had_issue": st.sampled_from(["2024-08-29", ["2024-08-30", "2024-35"], "never"]),
    "had_within": SPANS,
    "opened_within": SPANS,
    "clicked_within": SPANS,
    "import_batch": st.sampled_from([1, 2, [1, 7]]),
}
LEAF = st.one_of([st.fixed_dictionaries({name: value}) for name, value in LEAVES.items()])
PAIR = st.lists(LEAF, min_size=1, max_size=3).map(lambda found: {k: v for one in found for k, v in one.items()})
WHERE = st.recursive(
    PAIR,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda found: {"all": found}),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: {"any": found}),
        inner.map(lambda found: {"not": found if len(found) == 1 else {"all": [found]}}),
    ),
    max_leaves=8,
)


def rules(**changed: Any) -> NewsletterSettings:
    known: dict[str, Any] = {
        "name": "Daily",
        "list_id": "daily.news.example.org",
        "from_name": "Daily",
        "from_address": "daily@news.example.org",
        "timezone": "America/New_York",
        "organisation": "Daily",
        "postal_address": "1 Example Street",
        "why_receiving": "You signed up.",
    }
    return NewsletterSettings(**{**known, **changed})


NEWSLETTERS = {"daily": rules(), "weekly": rules(jurisdiction="can-spam", imports="confirm")}
VIEW = View("daily", NEWSLETTERS["daily"], NOW, NEWSLETTERS)


# -- the same, read out loud -------------------------------------------------------------------------------------------


def holds(where: Conditions, reader: Reader) -> bool:
    """Whether every condition of the table is true of the reader."""
    given = {name: getattr(where, name) for name in Conditions.model_fields if getattr(where, name) is not None}
    return all(TRUE_OF[name](value, reader) for name, value in given.items())


def entry_of(reader: Reader) -> Entry | None:
    return deciding([entry for entry in reader.daily if entry.batch_id != 2])


def mailable(name: str, reader: Reader) -> bool:
    history = reader.daily if name == "daily" else reader.weekly
    if history is None:
        return False
    counted = [entry for entry in history if entry.batch_id != 2]
    return may_mail(counted, erased=reader.erased, settings=NEWSLETTERS[name], at=NOW).allowed


def speaks(language: str, reader: Reader) -> bool:
    spoken = (reader.lang or "").lower()
    return spoken == language or spoken.startswith(f"{language}-")


def lives_at(domain: str, reader: Reader) -> bool:
    address = f"@{reader.domain.lower()}"
    return not reader.erased and (address.endswith(domain) if domain.startswith(".") else address == f"@{domain}")


def latest(moments: Sequence[datetime]) -> datetime:
    return max(moments, default=datetime(1, 1, 1, tzinfo=UTC))


def had(reader: Reader, newsletter: str | None = None) -> dict[str, datetime]:
    found = {send: at for send, state, at in reader.had if state == "accepted" and at}
    return {ISSUES[send][1]: at for send, at in found.items() if newsletter in (None, ISSUES[send][0])}


def looked(kind: str, purpose: Purpose, reader: Reader) -> datetime:
    said = [Entry(event, NOW, "s", "reader", "gdpr") for what, event in reader.measured if what is purpose]
    if not may_track(said):
        return latest([])
    seen = [at for what, send, by, at in reader.looked if (what, by, ISSUES[send][0]) == (kind, "person", "daily")]
    return latest(seen)


def start(day: Any) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York"))


TRUE_OF: dict[str, Callable[[Any, Reader], bool]] = {
    "all": lambda tables, r: all(holds(table, r) for table in tables),
    "any": lambda tables, r: any(holds(table, r) for table in tables),
    "not_": lambda table, r: not holds(table, r),
    "lang": lambda languages, r: any(speaks(language, r) for language in languages),
    "has_first_name": lambda wanted, r: bool(r.first_name) is wanted,
    "domain": lambda domains, r: any(lives_at(domain, r) for domain in domains),
    "newsletter": lambda names, r: any(mailable(name, r) for name in names),
    "basis": lambda bases, r: (found := entry_of(r)) is not None and found.basis in bases,
    "source": lambda sources, r: (found := entry_of(r)) is not None and found.source in sources,
    "source_contains": lambda words, r: (found := entry_of(r)) is not None and any(w in found.source for w in words),
    "consent_older_than": lambda span, r: (found := entry_of(r)) is not None and found.occurred_at <= span.before(NOW),
    "consent_newer_than": lambda span, r: (found := entry_of(r)) is not None and found.occurred_at > span.before(NOW),
    "joined_before": lambda day, r: r.joined < start(day),
    "joined_after": lambda day, r: r.joined >= start(day + timedelta(days=1)),
    "joined_within": lambda span, r: r.joined > span.before(NOW),
    "voted_within": lambda span, r: latest(r.voted) > span.before(NOW),
    "had_issue": lambda issues, r: bool(set(issues) & set(had(r))),
    "had_within": lambda span, r: latest(list(had(r, "daily").values())) > span.before(NOW),
    "opened_within": lambda span, r: looked("open", Purpose.OPEN_TRACKING, r) > span.before(NOW),
    "clicked_within": lambda span, r: looked("click", Purpose.CLICK_TRACKING, r) > span.before(NOW),
    "import_batch": lambda batches, r: any(e.batch_id in batches and e.batch_id != 2 for e in r.daily),
}


# -- the record, written down ------------------------------------------------------------------------------------------


def write(connection: Connection, readers: Sequence[Reader]) -> list[int]:
    """Write the readers into an empty store; their ids in order."""
    _write_newsroom(connection)
    people = [(f"h1:{n}", f"reader{n}@{r.domain}", Profile(r.first_name, r.lang)) for n, r in enumerate(readers)]
    by_hash = ledger.add_subscribers(connection, people, now=NOW)
    ids = [by_hash[f"h1:{n}"] for n in range(len(readers))]
    for number, reader in zip(ids, readers, strict=True):
        _write_reader(connection, number, reader)
    return ids


def _write_newsroom(connection: Connection) -> None:
    batch = {"newsletter": "daily", "file_name": "f", "file_sha256": "0", "source": "s", "actor": "a", "at": NOW}
    for number, undone in ((1, None), (2, NOW)):
        values = {**batch, "id": number, "counts": "{}", "undone_at": undone}
        connection.execute(insert(import_batches).values(values))
    build = {"hash": "b", "newsletter": "daily", "issue": "x", "date": NOW.date(), "built_at": NOW}
    connection.execute(insert(builds).values(build))
    settled = {"s1": None, "s2": NOW, "s3": NOW}
    for send, (newsletter, issue) in ISSUES.items():
        row = {"id": send, "newsletter": newsletter, "issue": issue, "build": "b", "state": "done", "transport": "x"}
        row |= {"person": "ann", "date_waived": False, "created_at": NOW, "settled_at": settled[send]}
        connection.execute(insert(sends).values(row))


def _write_reader(connection: Connection, number: int, reader: Reader) -> None:
    for name, history in (("daily", reader.daily), ("weekly", reader.weekly)):
        if history is not None:
            row = {"newsletter": name, "subscriber_id": number, "created_at": reader.joined}
            connection.execute(insert(subscriptions).values(row))
            ledger.record(connection, name, [(number, entry) for entry in history], now=NOW)
    for poll, at in enumerate(reader.voted):
        row = {"issue": "2024-08-29", "poll": f"p{poll}", "subscriber_id": number, "choice": 1, "at": at}
        connection.execute(insert(votes).values(row))
    for send, state, at in reader.had:
        row = {"send_id": send, "subscriber_id": number, "batch": 1, "state": state, "handed_over_at": at}
        connection.execute(insert(deliveries).values(row))
    for purpose, event in reader.measured:
        entry = Entry(event, NOW, "s", "reader", "gdpr")
        ledger.record(connection, "daily", [(number, entry)], now=NOW, purpose=purpose)
    for count, (kind, send, by, at) in enumerate(reader.looked):
        raw = insert(raw_events).values(dedup=f"{number}-{count}", body="", received_at=NOW).returning(raw_events.c.id)
        row = {"raw_id": connection.scalar(raw), "kind": kind, "send_id": send, "subscriber_id": number, "by": by}
        connection.execute(insert(tracked).values(at=at, **row))
    if reader.erased:
        erase = update(subscribers).where(subscribers.c.id == number)
        connection.execute(erase.values(erased_at=NOW, address=None))


def segment(where: dict[str, Any]) -> Segment:
    return Segment("s", "S", Conditions.model_validate(where), "segments/s.toml", b"")


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(readers=st.lists(READERS, min_size=4, max_size=12), wheres=st.lists(WHERE, min_size=6, max_size=12))
def test_sql_and_reading_out_loud_agree_on_any_segment(
    readers: list[Reader], wheres: list[dict[str, Any]], app: App
) -> None:
    with app.store.read() as connection:  # rolled back
        ids = write(connection, readers)
        for where in wheres:
            found = segment(where)
            inside = [number for number, reader in zip(ids, readers, strict=True) if holds(found.where, reader)]
            assert sorted(connection.scalars(members(found, VIEW))) == inside, where
            few = replace(VIEW, subscriber_ids=ids[:2])
            assert set(connection.scalars(members(found, few))) == set(inside) & set(ids[:2]), where


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(readers=st.lists(READERS, min_size=4, max_size=12), where=WHERE)
def test_not_is_true_of_exactly_those_of_whom_the_rest_is_not(
    readers: list[Reader], where: dict[str, Any], app: App
) -> None:
    with app.store.read() as connection:
        ids = write(connection, readers)
        inside = list(connection.scalars(members(segment(where), VIEW)))
        outside = list(connection.scalars(members(segment({"not": {"all": [where]}}), VIEW)))
        assert sorted([*inside, *outside]) == sorted(ids)


def test_every_condition_there_is_was_tried() -> None:
    assert set(LEAVES) == set(condition_names())


def test_a_segment_of_the_greatest_size_is_answered(app: App) -> None:
    """Two hundred conditions of every kind, as deep as it may be: no limit of a database is reached."""
    where: dict[str, Any] = {"not": {"had_issue": [f"issue-{n}" for n in range(60)]}}
    for name, values in (
        ("domain", [f"a{n}.org" for n in range(60)]),
        ("source_contains", [f"x{n}" for n in range(60)]),
    ):
        where = {"any": [{"all": [where, {"newsletter": ["daily", "weekly"]}]}, {name: values}]}
    where = {"all": [where, {"had_within": "30 days"}, {"voted_within": "1 year"}, {"import_batch": [*range(1, 9)]}]}
    with app.store.read() as connection:
        write(connection, [Reader(NOW)])
        assert list(connection.scalars(members(segment(where), VIEW))) == []


def test_a_reader_of_another_newsletter_only_is_in_no_segment_of_this_one(app: App) -> None:
    with app.store.read() as connection:
        ids = write(connection, [Reader(NOW), Reader(NOW)])
        gone = subscriptions.delete().where(subscriptions.c.subscriber_id == ids[0])
        connection.execute(gone)
        assert list(connection.scalars(members(segment({"not": {"lang": "xx"}}), VIEW))) == [ids[1]]
