"""Another address for the same reader: confirmed from the new mailbox, told to the old, and safe in every race."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from newsletter.audience import ledger
from newsletter.audience.address_change import Asked, Confirmed, ask_for_address, change_asked, confirm_address
from newsletter.audience.consent import Basis, Entry, Event, Suppressed
from newsletter.audience.ledger import Profile
from newsletter.audience.suppression import suppress, suppressions_of
from newsletter.errors import InputError
from newsletter.sending.erasure import erase_reader
from newsletter.store.tables import consent, metadata, proofs, service_mails, signups, subscribers

ALICE, BOB, NEW = "alice@example.com", "bob@example.com", "Alice.New@Example.ORG"


@pytest.fixture
def room(newsroom: Any) -> Any:
    newsroom.imports(f"email\n{ALICE}\n{BOB}\n")
    return newsroom


def id_of(room: Any, address: str) -> int:
    with room.app.store.read() as connection:
        return int(ledger.find_subscribers(connection, [room.hash(address)])[room.hash(address)].id)


def asks(room: Any, address: str, *, reader: int, **changed: Any) -> tuple[Asked, int | None]:
    """What became of asking, and the newest mail that asks to confirm."""
    now = changed.pop("now", room.now)
    done = ask_for_address(room.app.store, room.app.keys, reader, address, newsletter="daily", now=now)
    query = select(service_mails.c.id).where(service_mails.c.kind == "address-confirm")
    with room.app.store.read() as connection:
        return done, connection.scalar(query.order_by(service_mails.c.id.desc()).limit(1))


def confirms(room: Any, mail: int | None) -> Confirmed:
    assert mail is not None
    return confirm_address(room.app.store, mail, now=room.now, days=30)[0]


def row(room: Any, reader: int) -> Any:
    with room.app.store.read() as connection:
        return connection.execute(select(subscribers).where(subscribers.c.id == reader)).one()


def reasons(room: Any, address: str) -> set[str]:
    with room.app.store.read() as connection:
        return {s.reason for s in suppressions_of(connection, [room.hash(address)]).get(room.hash(address), [])}


def everything(room: Any) -> dict[str, list[tuple[Any, ...]]]:
    with room.app.store.read() as connection:
        return {t.name: sorted(map(tuple, connection.execute(select(t))), key=repr) for t in metadata.sorted_tables}


def stranger(room: Any, address: str, *events: Event) -> int:
    """A row that somebody's request made, with these entries."""
    with room.app.store.write() as connection:
        [reader] = ledger.add_subscribers(
            connection, [(room.hash(address), address, Profile("Eve"))], now=room.now
        ).values()
        for event in events:
            entry = Entry(event, room.now, "form", "reader", "gdpr", basis=Basis.EXPRESS)
            ledger.record(connection, "daily", [(reader, entry)], now=room.now)
        request = {"subscriber_id": reader, "newsletters": '["daily"]', "lang": "en", "source": "form"}
        connection.execute(insert(signups).values(**request, requested_at=room.now))
    return reader


def test_asking_changes_nothing_but_what_is_pending_and_owes_one_mail_to_the_new_address(room: Any) -> None:
    alice = id_of(room, ALICE)
    done, mail = asks(room, NEW, reader=alice)
    assert done is Asked.ASKED
    found = row(room, alice)
    assert (found.address, found.pending_address) == (ALICE, "Alice.New@example.org")
    with room.app.store.read() as connection:
        owed = connection.execute(select(service_mails).where(service_mails.c.id == mail)).one()
    assert (owed.kind, owed.reference, owed.detail) == ("address-confirm", None, room.hash(NEW)[-16:])
    assert "@" not in owed.request


def test_confirmed_the_reader_keeps_her_ledger_and_the_old_address_is_told_and_never_mailed_again(room: Any) -> None:
    alice = id_of(room, ALICE)
    assert confirms(room, asks(room, NEW, reader=alice)[1]) is Confirmed.CHANGED
    found = row(room, alice)
    assert (found.address, found.address_hash) == ("Alice.New@example.org", room.hash(NEW))
    assert (found.pending_address, found.pending_hash) == (None, None)
    assert room.reason(NEW) == "mailable"
    assert reasons(room, ALICE) == {Suppressed.MOVED}
    with room.app.store.read() as connection:
        told = connection.execute(select(service_mails).where(service_mails.c.kind == "address-told")).one()
        proof = connection.execute(select(proofs).where(proofs.c.id == told.reference)).one()
    assert (proof.kind, proof.detail, proof.subscriber_id) == ("former-address", ALICE, alice)


def test_an_import_does_not_bring_the_old_address_back(room: Any) -> None:
    confirms(room, asks(room, NEW, reader=id_of(room, ALICE))[1])
    report = room.imports(f"email\n{ALICE}\n")
    assert report.blocked == 1
    assert room.reason(ALICE) == "suppressed-moved"


def test_confirming_twice_is_confirming_once(room: Any) -> None:
    mail = asks(room, NEW, reader=id_of(room, ALICE))[1]
    confirms(room, mail)
    before = everything(room)
    assert confirms(room, mail) is Confirmed.ALREADY
    assert everything(room) == before


def test_an_older_link_does_not_confirm_a_newer_address(room: Any) -> None:
    alice = id_of(room, ALICE)
    first = asks(room, "one@example.org", reader=alice)[1]
    second = asks(room, "two@example.org", reader=alice)[1]
    before = everything(room)
    assert confirms(room, first) is Confirmed.OVERTAKEN
    assert everything(room) == before
    assert confirms(room, second) is Confirmed.CHANGED
    assert row(room, alice).address == "two@example.org"
    assert confirms(room, first) is Confirmed.OVERTAKEN


def test_a_number_that_is_no_such_mail_confirms_nothing(room: Any) -> None:
    assert confirm_address(room.app.store, 999, now=room.now, days=30) == (Confirmed.OVERTAKEN, None)
    alice = id_of(room, ALICE)
    confirms(room, asks(room, NEW, reader=alice)[1])
    with room.app.store.read() as connection:
        told = connection.scalar(select(service_mails.c.id).where(service_mails.c.kind == "address-told"))
        assert change_asked(connection, told) is None


@pytest.mark.parametrize("address", ["", "no address", "a@b@c", "x" * 10_000 + "@example.org", "a\nb@example.org"])
def test_what_is_no_address_is_refused_in_words(room: Any, address: str) -> None:
    before = everything(room)
    with pytest.raises(InputError):
        asks(room, address, reader=id_of(room, ALICE))
    assert everything(room) == before


def test_her_own_address_in_another_spelling_is_no_change(room: Any) -> None:
    assert asks(room, " ALICE@EXAMPLE.com", reader=id_of(room, ALICE)) == (Asked.SAME, None)


def test_asking_for_an_address_that_is_known_suppressed_or_new_looks_the_same(room: Any) -> None:
    with room.app.store.write() as connection:
        suppress(connection, room.hash("bad@example.org"), reason=Suppressed.COMPLAINT, source="ses", at=room.now)
    for reader, address in ((ALICE, BOB), (BOB, "bad@example.org")):
        done, mail = asks(room, address, reader=id_of(room, reader))
        assert done is Asked.ASKED
        assert mail is not None


def test_three_mails_a_day_are_sent_for_a_change_and_a_double_press_owes_one(room: Any) -> None:
    alice = id_of(room, ALICE)
    numbers = {asks(room, f"n{n}@example.org", reader=alice)[1] for n in (1, 1, 2, 3)}
    assert len(numbers) == 3
    assert asks(room, "n4@example.org", reader=alice)[0] is Asked.TOO_OFTEN
    assert row(room, alice).pending_address == "n3@example.org"
    assert asks(room, "n4@example.org", reader=alice, now=room.now + timedelta(days=1))[0] is Asked.ASKED


def test_many_readers_cannot_flood_one_address_and_are_not_told(room: Any) -> None:
    room.imports("email\n" + "\n".join(f"r{n}@example.com" for n in range(5)) + "\n")
    answers = [asks(room, "victim@example.org", reader=id_of(room, f"r{n}@example.com"))[0] for n in range(5)]
    assert answers == [Asked.ASKED] * 5
    with room.app.store.read() as connection:
        assert len(connection.execute(select(service_mails)).all()) == 3


# -- who holds the new address ----------------------------------------------------------------------------------------


def test_an_address_with_a_reader_of_its_own_is_refused_and_nothing_changes(room: Any) -> None:
    mail = asks(room, BOB, reader=id_of(room, ALICE))[1]
    before = everything(room)
    assert confirms(room, mail) is Confirmed.TAKEN
    assert everything(room) == before


def test_two_readers_cannot_swap_addresses_but_one_may_follow_the_other(room: Any) -> None:
    alice, bob = id_of(room, ALICE), id_of(room, BOB)
    to_bob, to_alice = asks(room, BOB, reader=alice)[1], asks(room, ALICE, reader=bob)[1]
    assert {confirms(room, to_bob), confirms(room, to_alice)} == {Confirmed.TAKEN}
    confirms(room, asks(room, "elsewhere@example.org", reader=bob)[1])
    assert confirms(room, to_bob) is Confirmed.CHANGED
    assert room.reason(BOB) == "mailable"
    assert row(room, alice).address == BOB


def test_of_two_who_ask_for_the_same_address_the_first_to_confirm_has_it(room: Any) -> None:
    first, second = (asks(room, NEW, reader=id_of(room, a))[1] for a in (ALICE, BOB))
    assert confirms(room, second) is Confirmed.CHANGED
    assert confirms(room, first) is Confirmed.TAKEN


def test_moving_there_and_back_again_leaves_the_reader_mailable(room: Any) -> None:
    alice = id_of(room, ALICE)
    confirms(room, asks(room, NEW, reader=alice)[1])
    assert confirms(room, asks(room, ALICE, reader=alice)[1]) is Confirmed.CHANGED
    assert room.reason(ALICE) == "mailable"
    assert reasons(room, NEW) == {Suppressed.MOVED}


def test_a_request_that_was_never_confirmed_gives_way_and_what_it_told_is_forgotten(room: Any) -> None:
    alice, eve = id_of(room, ALICE), stranger(room, NEW.lower(), Event.REQUESTED)
    assert confirms(room, asks(room, NEW, reader=alice)[1]) is Confirmed.CHANGED
    given_up = row(room, eve)
    assert (given_up.address, given_up.first_name) == (None, None)
    assert given_up.address_hash.startswith("-:")
    with room.app.store.read() as connection:
        assert connection.execute(select(signups).where(signups.c.subscriber_id == eve)).all() == []
        assert len(connection.execute(select(consent).where(consent.c.subscriber_id == eve)).all()) == 1


def test_one_who_once_confirmed_and_left_does_not_give_way(room: Any) -> None:
    stranger(room, NEW.lower(), Event.CONFIRMED, Event.WITHDRAWN)
    assert confirms(room, asks(room, NEW, reader=id_of(room, ALICE))[1]) is Confirmed.TAKEN


def test_an_erased_row_gives_way_to_who_shows_that_the_mailbox_is_hers(room: Any) -> None:
    alice, bob = id_of(room, ALICE), id_of(room, BOB)
    erase_reader(room.app.store, room.app.workspace, room.app.keys, subscriber_id=bob, actor="ops", now=room.now)
    assert confirms(room, asks(room, BOB, reader=alice)[1]) is Confirmed.CHANGED
    assert room.reason(BOB) == "mailable"
    assert row(room, bob).erased_at == room.now
    assert row(room, bob).address is None


def test_nothing_is_confirmed_for_a_reader_erased_since(room: Any) -> None:
    alice = id_of(room, ALICE)
    mail = asks(room, NEW, reader=alice)[1]
    erase_reader(room.app.store, room.app.workspace, room.app.keys, subscriber_id=alice, actor="ops", now=room.now)
    before = everything(room)
    assert confirms(room, mail) is Confirmed.OVERTAKEN
    assert asks(room, NEW, reader=alice)[0] is Asked.NOBODY
    assert everything(room) == before


# -- suppressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Suppressed.COMPLAINT, Suppressed.HARD_BOUNCE, Suppressed.MANUAL])
@pytest.mark.parametrize("scope", ["*", "daily"])
def test_an_address_we_must_not_write_to_is_refused(room: Any, reason: Suppressed, scope: str) -> None:
    with room.app.store.write() as connection:
        suppress(connection, room.hash(NEW), reason=reason, source="ses", at=room.now, scope=scope)
    mail = asks(room, NEW, reader=id_of(room, ALICE))[1]
    before = everything(room)
    assert confirms(room, mail) is Confirmed.BARRED
    assert everything(room) == before


@pytest.mark.parametrize("reason", list(Suppressed))
@pytest.mark.parametrize("scope", ["*", "daily"])
def test_what_barred_the_person_follows_her_and_what_barred_the_mailbox_does_not(
    room: Any, reason: Suppressed, scope: str
) -> None:
    alice = id_of(room, ALICE)
    with room.app.store.write() as connection:
        suppress(connection, room.hash(ALICE), reason=reason, source="ops", at=room.now, scope=scope)
    before = room.reason(ALICE)
    assert confirms(room, asks(room, NEW, reader=alice)[1]) is Confirmed.CHANGED
    person = reason in (Suppressed.COMPLAINT, Suppressed.MANUAL, Suppressed.UNSUBSCRIBE)
    assert room.reason(NEW) == (before if person else "mailable")


def test_an_unsubscribe_of_the_new_address_still_holds(room: Any) -> None:
    with room.app.store.write() as connection:
        suppress(connection, room.hash(NEW), reason=Suppressed.UNSUBSCRIBE, source="import", at=room.now, scope="daily")
    assert confirms(room, asks(room, NEW, reader=id_of(room, ALICE))[1]) is Confirmed.CHANGED
    assert room.reason(NEW) == "unsubscribed"


def test_who_had_left_is_still_out_under_the_new_address(room: Any) -> None:
    alice = id_of(room, ALICE)
    room.leaves(ALICE)
    confirms(room, asks(room, NEW, reader=alice)[1])
    assert room.reason(NEW) == "unsubscribed"
