"""An import is taken back as if it had never been, except for readers whom something else has touched since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from newsletter.audience import ledger, pausing
from newsletter.audience.batches import list_imports
from newsletter.audience.consent import Event, Suppressed
from newsletter.audience.explain import explain
from newsletter.audience.opt_in import opt_in
from newsletter.audience.preferences import Person, set_profile
from newsletter.audience.proofs import Visit
from newsletter.audience.select import verdicts
from newsletter.audience.suppression import suppress
from newsletter.audience.undo import undo_import
from newsletter.errors import NotFound, Refused
from newsletter.store.tables import (
    builds,
    consent,
    deliveries,
    import_batches,
    proofs,
    sends,
    service_mails,
    signups,
    subscribers,
    suppressions,
    votes,
)

FILE = "email,first_name\nalice@example.com,Alice\nbob@example.com,Bob\n"


def later(newsroom: Any, hours: int = 1) -> datetime:
    return newsroom.now + timedelta(hours=hours)  # type: ignore[no-any-return]


def undo(newsroom: Any, batch: int | None, **options: Any) -> Any:
    assert batch is not None
    return undo_import(newsroom.app.store, batch, **{"actor": "editor", "now": later(newsroom, 5), **options})


def state(newsroom: Any) -> dict[str, Any]:
    """What the program makes of everyone, and what it knows of them."""
    with newsroom.app.store.read() as connection:
        people = select(subscribers.c.id, subscribers.c.address, subscribers.c.first_name, subscribers.c.lang)
        known = connection.execute(people.where(subscribers.c.address.is_not(None)).order_by(subscribers.c.id)).all()
        found = connection.execute(verdicts("daily", newsroom.settings, later(newsroom, 9))).all()
        blocked = select(suppressions.c.address_hash, suppressions.c.reason)
        return {
            "people": [tuple(row) for row in known],
            "verdicts": sorted(tuple(row) for row in found),
            "suppressed": sorted(tuple(row) for row in connection.execute(blocked)),
            "proofs": connection.scalars(select(proofs.c.kind)).all(),
        }


def reader(newsroom: Any, address: str) -> int:
    with newsroom.app.store.read() as connection:
        return int(ledger.find_subscribers(connection, [newsroom.hash(address)])[newsroom.hash(address)].id)


def test_readers_nobody_touched_are_gone_with_their_addresses_and_names(newsroom: Any) -> None:
    before = state(newsroom)
    report = undo(newsroom, newsroom.imports(FILE).batch)
    assert (report.undone, report.kept) == (2, 0)
    assert state(newsroom) == before
    assert not newsroom.explains("alice@example.com").mailable


def test_readers_of_an_undone_import_are_strangers_and_not_called_erased(newsroom: Any) -> None:
    undo(newsroom, newsroom.imports(FILE).batch)
    app = newsroom.app
    found = explain(
        app.store,
        app.keys,
        "alice@example.com",
        newsletter="daily",
        settings=app.settings.newsletters["daily"],
        at=later(newsroom, 6),
    )
    assert (found.reason, "nobody with this address" in found.evidence) == ("no-consent", True)


def test_what_the_import_changed_is_put_back(newsroom: Any) -> None:
    newsroom.imports(
        "email,first_name,lang,basis\nalice@example.com,Alice,en,soft-opt-in\nbob@example.com,Bob,,express\n"
    )
    before = state(newsroom)
    batch = newsroom.imports(
        "email,first_name,status,basis,ip\nalice@example.com,Alicia,,express,198.51.100.7\n"
        "bob@example.com,,unsubscribed,,\ncarol@example.com,Carol,bounced,,\n",
        now=later(newsroom),
    ).batch
    assert state(newsroom) != before
    undo(newsroom, batch)
    assert state(newsroom) == before


def test_the_same_file_comes_in_again_after_an_undo_and_can_be_undone_again(newsroom: Any) -> None:
    first = newsroom.imports(FILE)
    with_readers = state(newsroom)
    undo(newsroom, first.batch)
    again = newsroom.imports(FILE, now=later(newsroom, 6))
    assert again.new == 2
    assert state(newsroom) == with_readers
    assert undo(newsroom, again.batch, now=later(newsroom, 7)).undone == 2
    assert state(newsroom)["people"] == []


def test_an_undone_entry_stays_in_the_ledger_and_counts_no_more(newsroom: Any) -> None:
    batch = newsroom.imports(FILE).batch
    undo(newsroom, batch)
    with newsroom.app.store.read() as connection:
        assert connection.scalars(select(consent.c.batch_id)).all() == [batch, batch]
        found = connection.execute(select(import_batches)).one()
    assert (found.undone_at, found.undone_by) == (later(newsroom, 5), "editor")


def test_undoing_twice_or_nothing_is_refused(newsroom: Any) -> None:
    batch = newsroom.imports(FILE).batch
    undo(newsroom, batch)
    with pytest.raises(Refused, match=f"Import {batch} was undone already, on 2024-10-10 by editor"):
        undo(newsroom, batch)
    with pytest.raises(NotFound, match="There is no import 99"):
        undo(newsroom, 99)


def test_a_dry_run_tells_and_keeps_nothing(newsroom: Any) -> None:
    batch = newsroom.imports(FILE).batch
    before = state(newsroom)
    assert undo(newsroom, batch, dry_run=True).undone == 2
    assert state(newsroom) == before
    assert undo(newsroom, batch).undone == 2


def _leaves(newsroom: Any, _connection: Any, _id: int) -> None:
    entry = ledger.Entry(Event.WITHDRAWN, later(newsroom), "cli", "editor", "gdpr")
    ledger.record(_connection, "daily", [(_id, entry)], now=later(newsroom))


def _confirms(newsroom: Any, connection: Any, found: int) -> None:
    options = {"event": Event.CONFIRMED, "source": "form", "visit": Visit(), "now": later(newsroom), "days": 9}
    opt_in(connection, found, "daily", newsroom.settings, **options)


def _gets_mail(newsroom: Any, connection: Any, found: int) -> None:
    at = later(newsroom)
    build = {"hash": "b", "newsletter": "daily", "issue": "i", "date": at.date(), "built_at": at}
    connection.execute(insert(builds).values(build))
    send = {"id": "s", "newsletter": "daily", "issue": "i", "build": "b", "state": "sending", "transport": "outbox"}
    connection.execute(insert(sends).values(**send, person="editor", date_waived=False, created_at=at))
    connection.execute(insert(deliveries).values(send_id="s", subscriber_id=found, batch=1, state="accepted"))


def _renames(_newsroom: Any, connection: Any, found: int) -> None:
    connection.execute(update(subscribers).where(subscribers.c.id == found).values(first_name="Ali"))


def _votes(newsroom: Any, connection: Any, found: int) -> None:
    vote = {"issue": "i", "poll": "p", "subscriber_id": found, "choice": 1, "at": later(newsroom)}
    connection.execute(insert(votes).values(vote))


def _signs_up(newsroom: Any, connection: Any, found: int) -> None:
    asked = {"subscriber_id": found, "newsletters": "[]", "lang": "en", "source": "form"}
    connection.execute(insert(signups).values(**asked, requested_at=later(newsroom)))


def _moves(newsroom: Any, connection: Any, found: int) -> None:
    asked = update(subscribers).where(subscribers.c.id == found)
    connection.execute(asked.values(pending_address="new@example.com", pending_hash="h1:0"))


def _pauses(newsroom: Any, connection: Any, found: int) -> None:
    until = later(newsroom, 48).date()
    assert pausing.pause(connection, found, "daily", until=until, zone=newsroom.settings.zone, now=newsroom.now)


def _bounces(newsroom: Any, connection: Any, _found: int) -> None:
    hashed = newsroom.hash("alice@example.com")
    suppress(connection, hashed, reason=Suppressed.HARD_BOUNCE, source="ses", at=later(newsroom))


def _is_written_to(newsroom: Any, connection: Any, found: int) -> None:
    mail = {"request": "r", "kind": "welcome", "subscriber_id": found, "newsletter": "daily", "state": "queued"}
    connection.execute(insert(service_mails).values(**mail, queued_at=later(newsroom)))


def _joins_another(newsroom: Any, connection: Any, found: int) -> None:
    ledger.list_for(connection, "weekly", [found], now=later(newsroom))


TOUCHES: dict[str, tuple[Callable[[Any, Any, int], None], str]] = {
    "leaves": (_leaves, "a later entry in the ledger"),
    "confirms": (_confirms, "a later entry in the ledger"),
    "gets mail": (_gets_mail, "part of a send since"),
    "votes": (_votes, "voted since"),
    "signs up": (_signs_up, "signed up since"),
    "moves": (_moves, "is changing her address"),
    "pauses": (_pauses, "paused"),
    "bounces": (_bounces, "suppressed since"),
    "is written to": (_is_written_to, "was written to since"),
    "joins another": (_joins_another, "listed for another newsletter since"),
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_reader_whom_something_touched_since_stays_as_she_is(newsroom: Any, touch: str) -> None:
    act, reason = TOUCHES[touch]
    batch = newsroom.imports(FILE).batch
    alice = reader(newsroom, "alice@example.com")
    with newsroom.app.store.write() as connection:
        act(newsroom, connection, alice)
    before = newsroom.reason("alice@example.com")
    report = undo(newsroom, batch)
    assert (report.undone, report.kept) == (1, 1)
    [kept] = report.readers_kept
    assert (kept.subscriber_id, kept.address, kept.reason) == (alice, "alice@example.com", reason)
    assert newsroom.reason("alice@example.com") == before
    assert not newsroom.explains("bob@example.com").mailable


def test_a_reader_renamed_since_keeps_her_name_and_her_consent(newsroom: Any) -> None:
    newsroom.imports("email,first_name\nalice@example.com,Alice\n")
    batch = newsroom.imports("email,first_name\nalice@example.com,Alicia\n", now=later(newsroom)).batch
    with newsroom.app.store.write() as connection:
        _renames(newsroom, connection, reader(newsroom, "alice@example.com"))
    assert [kept.reason for kept in undo(newsroom, batch).readers_kept] == ["name or language changed since"]
    assert state(newsroom)["people"][0][2] == "Ali"


def test_a_name_or_language_she_chose_herself_is_noticed_also_of_a_reader_the_import_made(newsroom: Any) -> None:
    batch = newsroom.imports(FILE).batch
    app, alice = newsroom.app, Person(reader(newsroom, "alice@example.com"), Visit(), later(newsroom))
    set_profile(app.store, app.workspace, alice, first_name="Alice")  # which changes nothing
    assert undo(newsroom, batch, dry_run=True).kept == 0
    set_profile(app.store, app.workspace, alice, lang="en")
    [kept] = undo(newsroom, batch).readers_kept
    assert (kept.address, kept.reason) == ("alice@example.com", "name or language changed since")
    assert newsroom.reason("alice@example.com") == "mailable"
    with app.store.read() as connection:
        assert connection.scalars(select(proofs.c.detail)).all() == [None]  # what it was before is not kept


def test_the_consent_of_a_kept_reader_says_why_it_is_there(newsroom: Any) -> None:
    batch = newsroom.imports(FILE).batch
    with newsroom.app.store.write() as connection:
        _votes(newsroom, connection, reader(newsroom, "alice@example.com"))
    undo(newsroom, batch)
    evidence = newsroom.explains("alice@example.com").evidence
    assert evidence.endswith(f"source: kept when import {batch} was undone")
    assert newsroom.reason("alice@example.com") == "mailable"


def test_two_imports_are_undone_in_either_order(newsroom: Any) -> None:
    first = newsroom.imports("email,first_name\nalice@example.com,Alice\n").batch
    second = newsroom.imports("email,first_name\nalice@example.com,Alicia\n", now=later(newsroom)).batch
    assert undo(newsroom, first, dry_run=True).kept_by == {"name or language changed since": 1}
    undo(newsroom, second)
    assert state(newsroom)["people"][0][2] == "Alice"
    assert undo(newsroom, first, now=later(newsroom, 6)).undone == 1


def test_erasing_wins_over_undoing(newsroom: Any) -> None:
    batch = newsroom.imports(FILE).batch
    erased = update(subscribers).where(subscribers.c.id == reader(newsroom, "alice@example.com"))
    with newsroom.app.store.write() as connection:
        connection.execute(erased.values(address=None, first_name=None, erased_at=later(newsroom)))
    assert [(kept.address, kept.reason) for kept in undo(newsroom, batch).readers_kept] == [(None, "erased")]
    assert newsroom.imports(FILE, now=later(newsroom, 6)).blocked == 1


def test_imports_are_listed_with_who_made_and_who_undid_them(newsroom: Any) -> None:
    batch = newsroom.imports(FILE, actor="ann").batch
    newsroom.imports(FILE, newsletter="weekly")
    undo(newsroom, batch)
    listed = list_imports(newsroom.app.store)
    assert [(found.newsletter, found.actor, found.undone_by) for found in listed] == [
        ("weekly", "editor", None),
        ("daily", "ann", "editor"),
    ]
    assert listed[1].counts["new"] == 2
    assert [found.newsletter for found in list_imports(newsroom.app.store, "weekly")] == ["weekly"]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob", "carol", "Alice"]),
        st.sampled_from(["", "A", "B"]),
        st.sampled_from(["", "subscribed", "pending", "unsubscribed", "bounced", "complained"]),
        st.sampled_from(["express", "soft-opt-in", "implied"]),
        st.sampled_from(["2024-01-01", "2024-05-01"]),
        st.sampled_from(["", "2024-11-01", "2025-05-01"]),
    ),
    max_size=6,
)


def table(rows: list[tuple[str, ...]], domain: str) -> str:
    lines = (f"{name}@{domain},{','.join(cells)}" for name, *cells in rows)
    return "\n".join(["email,first_name,status,basis,date,expires", *lines, ""])


@pytest.mark.sqlite
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(history=st.lists(ROWS, max_size=2), file=ROWS)
def test_undoing_restores_every_verdict_and_importing_twice_is_importing_once(
    newsroom: Any, history: list[Any], file: list[Any]
) -> None:
    """Whatever came before, undo(import) is nothing and import(import(file)) is import(file)."""
    domain = f"test{len(list_imports(newsroom.app.store))}.example.com"  # nobody is known there yet

    def imports(rows: list[Any], hours: int) -> Any:
        return newsroom.imports(table(rows, domain), now=later(newsroom, hours))

    def found() -> Any:
        with newsroom.app.store.read() as connection:
            chosen = verdicts("daily", newsroom.settings, later(newsroom, 500))
            people = select(subscribers.c.id, subscribers.c.first_name).where(subscribers.c.address.is_not(None))
            blocked = select(suppressions.c.address_hash, suppressions.c.reason).order_by(suppressions.c.id)
            return [sorted(map(tuple, connection.execute(query))) for query in (chosen, people, blocked)]

    for hours, rows in enumerate(history):
        imports(rows, hours)
    before = found()
    batch = imports(file, 10).batch
    once = found()
    again = imports(file, 20)
    assert (again.new, again.changed) == (0, 0)
    assert found() == once
    assert undo(newsroom, batch, now=later(newsroom, 30)).kept == 0
    assert found() == before
