"""Invariant 9: erased means erased. Her address and name are searched for in every byte and every row that is left."""

from __future__ import annotations

import email
import email.policy
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sending_rig import Memory, account_of, add_readers, crash, frozen, make_build, reread, start, states
from service_rig import sign_up
from sqlalchemy import func, insert, select, text, update

from newsletter.app import App
from newsletter.audience import ledger
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Basis, Entry, Event, Purpose, Suppressed
from newsletter.audience.import_csv import import_csv
from newsletter.audience.ledger import Profile
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.opt_in import opt_in
from newsletter.audience.proofs import FORMER_ADDRESS, Visit, keep_detail, keep_visit
from newsletter.audience.suppression import lift_address, suppress, suppress_address
from newsletter.errors import NotFound
from newsletter.feedback.apply import apply_messages
from newsletter.sending import erasure
from newsletter.sending.erasure import Erased, erase_reader
from newsletter.sending.mentions import Search
from newsletter.sending.send import send_issue
from newsletter.sending.sends import State
from newsletter.sending.service.post import deliver
from newsletter.store.tables import (
    consent,
    deliveries,
    events,
    metadata,
    raw_events,
    sends,
    service_mails,
    subscribers,
    suppressions,
)

HERS = "Aurelia.Secret+news@Bücher.example.com"
FORMER = "old.aurelia@example.net"
PENDING = "new.aurelia@example.org"
NAME = "Aurelíanne"
OTHER = "not.aurelia.secret+news@bücher.example.com"  # contains hers, and is somebody else
WORDS = ("secret+news@", "bücher", "xn--bcher", "old.aurelia", "new.aurelia", "192.0.2.77", "Hushed/1.0", NAME, "Aurel")


def hashed(app: App, address: str) -> str:
    return address_hash(normalise(address).normal, app.keys.hash)


def event(address: str, *, kind: str = "Bounce", tag: str | None = None, number: int = 1) -> str:
    """What Amazon SES says about a mail to this address."""
    detail = {"bounceType": "Permanent", "bounceSubType": "General", "timestamp": "2024-10-10T11:00:00Z"}
    who = {"emailAddress": address, "status": "5.1.1", "diagnosticCode": f"smtp; 550 <{address}> {NAME} unknown"}
    mail: dict[str, Any] = {"messageId": f"m-{number}", "timestamp": "2024-10-10T10:30:00Z", "destination": [address]}
    mail["tags"] = {"delivery": [tag]} if tag else {}
    return json.dumps({"eventType": kind, "mail": mail, kind.lower(): {**detail, "bouncedRecipients": [who]}})


@pytest.fixture
def aurelia(app: App) -> int:
    """A reader who has left traces wherever a reader can; her id. The weekly she never had is another's."""
    now, file = app.now(), app.workspace.root / "readers.csv"
    file.write_text(f"email,first_name,lang\n{HERS},{NAME},de\n", encoding="utf-8")
    import_csv(
        app.store, app.keys, file, newsletter="daily", settings=app.settings.newsletters["daily"], source="fair",
        basis=Basis.EXPRESS, actor="editor", now=now,
    )  # fmt: skip
    file.unlink()
    with app.store.write() as connection:
        reader = ledger.find_subscribers(connection, [hashed(app, HERS)])[hashed(app, HERS)].id
        visit = Visit("192.0.2.77", "Hushed/1.0")
        opt_in(
            connection, reader, "daily", app.settings.newsletters["daily"], event=Event.CONFIRMED, source="form",
            visit=visit, now=now, days=900,
        )  # fmt: skip
        measured = Entry(Event.CONFIRMED, now, "preferences", "reader", "gdpr", Basis.EXPRESS)
        number = ledger.record_one(connection, "daily", reader, measured, now=now, purpose=Purpose.OPEN_TRACKING)
        keep_visit(connection, reader, [number], visit, now=now, days=900)
        former = keep_detail(connection, reader, FORMER_ADDRESS, FORMER, now=now, days=900)
        values = {"pending_address": PENDING, "pending_hash": hashed(app, PENDING)}
        connection.execute(update(subscribers).where(subscribers.c.id == reader).values(values))
        owe(connection, MailKind.ADDRESS_TOLD, reader, "daily", request="told", now=now, reference=former)
        suppress(connection, hashed(app, FORMER), reason=Suppressed.MOVED, source="moved", at=now)
    sign_up(app, reader)
    send_issue(
        app.store, app.workspace, app.keys, app.transport(), frozen(app, make_build()), person="ann", now=app.now
    )
    deliver(app.store, app.workspace, app.keys, app.transport(), now=app.now)
    with app.store.write() as connection:
        owe(connection, MailKind.PRIVATE_LINK, reader, "daily", request="link", now=now)
        send_id = connection.scalar(select(deliveries.c.send_id).where(deliveries.c.subscriber_id == reader))
        told = [event(HERS, tag=f"{send_id}-{reader}-1"), event(HERS.upper(), number=2), event(PENDING, number=3)]
        told += [event(normalise(HERS).ascii, number=4, kind="Reject")]
        apply_messages(connection, told, settings=app.settings, keys=app.keys, now=now)
        connection.execute(update(sends).values(state_reason=f"554 {HERS.lower()}: not verified"))
    by_hand = {"scope": "*", "reason": Suppressed.MANUAL, "actor": "ops", "now": now}
    suppress_address(app.store, app.keys, HERS, why=f"letter from {HERS}", **by_hand)
    lift_address(app.store, app.keys, HERS, why=f"call from {FORMER}", **by_hand)
    return reader


def erases(app: App, reader: int | None = None, address: str | None = None) -> Erased:
    return erase_reader(
        app.store, app.workspace, app.keys, subscriber_id=reader, address=address, actor="ann", now=app.now()
    )


def traces(app: App) -> set[tuple[str, str]]:
    """Where any of her words stands: the tables' rows, and every file of the workspace, mails decoded too."""
    found = {(where, word) for where, said in everything(app) for word in WORDS if word.lower() in said.lower()}
    coded = {b64encode(word.encode())[1:-4].decode() for word in (HERS, HERS.lower(), NAME)}
    return found | {(where, word) for where, said in everything(app) for word in coded if word in said}


def everything(app: App) -> Iterator[tuple[str, str]]:
    with app.store.read() as connection:
        for table in metadata.sorted_tables:
            said = "\n".join(str(tuple(row)) for row in connection.execute(text(f'SELECT * FROM "{table.name}"')))
            yield table.name, said
    for file in app.workspace.root.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            yield file.name, data.decode("latin-1")
            yield file.name, data.decode("utf-8", "replace")
            if file.suffix == ".eml":
                yield file.name, decoded(data)


def decoded(data: bytes) -> str:
    message = email.message_from_bytes(data, policy=email.policy.default)
    parts = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    return "\n".join([*(str(value) for value in message.values()), *parts])


def test_nothing_of_her_is_left_anywhere_but_an_id_and_a_keyed_hash(app: App, aurelia: int) -> None:
    before = traces(app)
    mails = list(app.workspace.outbox.rglob("*.eml"))
    assert len(mails) == 2
    tables = {"subscribers", "proofs", "raw_events", "sends", "suppressions", "suppression_lifts"}
    assert tables - {"suppressions"} <= {where for where, _ in before}
    assert {file.name for file in mails} <= {where for where, _ in before}
    found = erases(app, aurelia)
    assert traces(app) == set()
    assert (found.complete, found.files, found.forgotten.withdrawn, found.forgotten.proofs) == (True, 2, 2, 3)
    with app.store.read() as connection:
        row = connection.execute(select(subscribers)).one()._asdict()
        assert row.pop("created_at") == row.pop("erased_at") == app.now()
        kept = {name: value for name, value in row.items() if value is not None}
        assert kept.pop("batch_id") == 1
        assert kept == {"id": aurelia, "address_hash": hashed(app, HERS)}
        listed = connection.execute(select(suppressions.c.address_hash, suppressions.c.reason, suppressions.c.scope))
        erased = {(row.address_hash, row.scope) for row in listed if row.reason == "erasure"}
    assert erased == {(hashed(app, HERS), "*"), (hashed(app, FORMER), "*")}


def test_another_readers_event_is_left_alone_though_her_address_contains_the_other(app: App, aurelia: int) -> None:
    with app.store.write() as connection:
        apply_messages(connection, [event(OTHER, number=5)], settings=app.settings, keys=app.keys, now=app.now())
    erases(app, aurelia)
    with app.store.read() as connection:
        bodies = connection.scalars(select(raw_events.c.body).order_by(raw_events.c.id)).all()
        assert [bool(body) for body in bodies] == [False, False, False, False, True]
        assert connection.scalar(select(func.count()).select_from(events)) == 5


def test_no_import_brings_her_back_and_her_consents_are_ended_on_record(app: App, aurelia: int) -> None:
    erases(app, aurelia)
    file = app.workspace.root / "again.csv"
    for address in (HERS, HERS.lower(), FORMER):
        file.write_text(f"email\n{address}\n", encoding="utf-8")
        report = import_csv(
            app.store, app.keys, file, newsletter="daily", settings=app.settings.newsletters["daily"], source="x",
            basis=Basis.EXPRESS, actor="editor", now=app.now(),
        )  # fmt: skip
        assert (report.blocked, report.new, report.changed) == (1, 0, 0)
    file.unlink()
    assert traces(app) == set()
    with app.store.read() as connection:
        ended = select(consent.c.newsletter, consent.c.purpose).where(consent.c.source == "erasure")
        assert sorted(tuple(row) for row in connection.execute(ended)) == [
            ("daily", "open-tracking"),
            ("daily", "send"),
        ]


def test_saying_it_again_changes_nothing_and_cleans_up_what_came_in_later(app: App, aurelia: int) -> None:
    erases(app, aurelia)
    again = erases(app, address=HERS)
    assert (again.forgotten.withdrawn, again.events, again.mentions, again.files) == (0, 0, 0, 0)
    with app.store.write() as connection:
        send_id = connection.scalar(select(deliveries.c.send_id))
        late = [event(HERS, tag=f"{send_id}-{aurelia}-1", number=8), event(HERS.upper(), number=9)]
        apply_messages(connection, late, settings=app.settings, keys=app.keys, now=app.now())
    later = erases(app, address=HERS)
    assert (later.events, later.mentions) == (0, 1)  # what names its delivery was never stored; the other names nobody
    assert traces(app) == set()


def test_the_account_of_a_send_under_way_still_adds_up(app: App) -> None:
    add_readers(app, 12)
    transport = Memory()
    send = start(app, transport)
    crash(app, send, [5])
    assert erases(app, 4).excluded == 1
    in_flight = erases(app, 5)
    assert (in_flight.in_flight, in_flight.complete) == (1, False)
    assert states(app, send)[5] == "in_flight"
    account = account_of(app, send)
    assert (account.audience, account.excluded, account.pending, account.in_flight) == (12, 1, 10, 1)
    assert account.excluded_by == {"erased": 1}


def test_a_send_that_waited_for_her_alone_is_done(app: App) -> None:
    add_readers(app, 1)
    send = start(app, Memory())
    erases(app, 1)
    assert reread(app, send).state is State.DONE


def test_what_the_provider_said_of_her_goes_and_our_own_reasons_stay(app: App) -> None:
    add_readers(app, 4)
    start(app, Memory())
    said = {1: ("refused", "550 reader1@example.com?"), 2: ("excluded", "unsubscribed"), 3: ("uncertain", "lost")}
    with app.store.write() as connection:
        for reader, (state, reason) in said.items():
            row = update(deliveries).where(deliveries.c.subscriber_id == reader)
            connection.execute(row.values(state=state, reason=reason, outcome_detail="x", message_id=f"m-{reader}"))
        other = update(deliveries).where(deliveries.c.subscriber_id == 4)
        connection.execute(other.values(state="refused", reason="550 reader1@example.com, reader4@example.com"))
    for reader in said:
        erases(app, reader)
    with app.store.read() as connection:
        table = deliveries.c
        rows = connection.execute(select(table.reason, table.message_id).order_by(table.subscriber_id)).all()
    assert [tuple(row) for row in rows] == [
        ("erased", None),
        ("unsubscribed", None),
        ("in doubt when she was erased", None),
        ("550 (erased), reader4@example.com", None),
    ]


def test_mail_she_is_owed_does_not_go_out(app: App, aurelia: int) -> None:
    assert erases(app, aurelia).forgotten.service_mails == 1
    deliver(app.store, app.workspace, app.keys, app.transport(), now=app.now)
    with app.store.read() as connection:
        table = service_mails.c
        rows = connection.execute(select(table.request, table.state, table.reason).order_by(table.id))
        assert [tuple(row) for row in rows] == [("told", "accepted", None), ("link", "refused", "erased")]
    assert list(app.workspace.outbox.rglob("*.eml")) == []


def test_a_former_address_that_is_another_readers_by_now_stays_hers(app: App, aurelia: int) -> None:
    with app.store.write() as connection:
        [other] = ledger.add_subscribers(
            connection, [(hashed(app, FORMER), FORMER, Profile("Olga"))], now=app.now()
        ).values()
    erases(app, aurelia)
    with app.store.read() as connection:
        found = ledger.find_subscribers(connection, [hashed(app, FORMER)])[hashed(app, FORMER)]
        assert (found.id, found.address, found.erased) == (other, FORMER, False)
        table = suppressions.c
        listed = select(table.reason).where(table.address_hash == hashed(app, FORMER))
        assert "erasure" not in connection.scalars(listed).all()


def test_only_her_own_fresh_confirmation_brings_her_back(app: App, aurelia: int) -> None:
    erases(app, aurelia)
    with app.store.write() as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == aurelia).values(address=HERS))
        opt_in(
            connection, aurelia, "daily", app.settings.newsletters["daily"], event=Event.CONFIRMED, source="form",
            visit=Visit(), now=app.now() + timedelta(days=1), days=900,
        )  # fmt: skip
    with app.store.read() as connection:
        found = ledger.find_subscribers(connection, [hashed(app, HERS)])[hashed(app, HERS)]
        assert (found.id, found.erased) == (aurelia, False)
        reasons = connection.scalars(
            select(suppressions.c.reason).where(suppressions.c.address_hash == hashed(app, HERS))
        )
        assert "erasure" not in reasons.all()


def test_a_file_that_cannot_be_removed_is_named(app: App, aurelia: int) -> None:
    [mail, *_] = app.workspace.outbox.rglob(f"*-{aurelia}-1.eml")
    mail.unlink()
    mail.mkdir()
    (mail / "held").write_text("")
    found = erases(app, aurelia)
    assert found.files_left == (mail,)
    assert not found.complete


def test_nobody_is_erased_by_a_wrong_name(app: App) -> None:
    with pytest.raises(NotFound, match="Nobody with the address"):
        erases(app, address="nobody@example.com")
    with pytest.raises(NotFound, match="no reader 99"):
        erases(app, 99)


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        ("550 <Ann@Example.com>: gone", "550 <(erased)>: gone"),
        ("ann@example.com.", "(erased)."),
        ("joann@example.com", "joann@example.com"),
        ("x.ann@example.com and ann@example.com.org", "x.ann@example.com and ann@example.com.org"),
        ("100% ann_example.com", "100% ann_example.com"),
    ],
)
def test_an_address_is_known_by_its_edges(said: str, clean: str, app: App) -> None:
    with app.store.write() as connection:
        row = {"address_hash": "h1:x", "scope": "*", "reason": "manual", "source": said, "at": app.now()}
        connection.execute(insert(suppressions).values(**row))
        search = Search(["ann@example.com"])
        search.blank(connection, search.find(connection))
        assert connection.scalar(select(suppressions.c.source)) == clean


@pytest.mark.sqlite
def test_a_journal_that_somebody_still_reads_is_reported(
    app: App, aurelia: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "FOLD_WAIT_MS", 10)
    with app.store.read() as connection:
        connection.execute(select(subscribers)).all()  # holds its view of the journal
        found = erases(app, aurelia)
    assert (found.folded, found.complete) == (False, False)
    assert erases(app, aurelia).complete
    assert traces(app) == set()
