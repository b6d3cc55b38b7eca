"""What a reader decides for herself: each act counts, is on record, and does no more than she chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, insert, select, update

from newsletter.app import open_app
from newsletter.audience import ledger, pausing
from newsletter.audience.consent import Purpose, Suppressed
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.my_data import as_json, my_data
from newsletter.audience.pausing import Length, day_to_resume, last_day_of
from newsletter.audience.preferences import (
    Person,
    Preferences,
    agree_anew,
    ask_for_mail,
    masked,
    measure,
    read_preferences,
    set_profile,
    take_pause,
    turn,
)
from newsletter.audience.private_link import owe_private_link, reader_behind
from newsletter.audience.proofs import Visit
from newsletter.audience.suppression import suppress
from newsletter.audience.tracking import text_for
from newsletter.audience.wordings import text_of
from newsletter.errors import InputError
from newsletter.store.tables import consent, metadata, proofs, service_mails, subscribers, votes

NEW_YORK = ZoneInfo("America/New_York")
NIGHT = datetime(2024, 10, 11, 2, 0, tzinfo=UTC)  # still the 10th in New York


@pytest.fixture
def room(newsroom: Any) -> Any:
    """The newsroom with one reader, Alice."""
    newsroom.imports("email,first_name\nalice@example.com,Alice\n")
    return newsroom


def id_of(room: Any, address: str = "alice@example.com") -> int:
    with room.app.store.read() as connection:
        return int(ledger.find_subscribers(connection, [room.hash(address)])[room.hash(address)].id)


def alice(room: Any) -> Person:
    return Person(id_of(room), Visit("192.0.2.7", "Browser"), room.now)


def standing(room: Any) -> Preferences:
    with room.app.store.read() as connection:
        found = read_preferences(connection, id_of(room), room.app.settings.newsletters, room.now)
    assert found is not None
    return found


def turns(room: Any, **wanted: bool) -> None:
    turn(room.app.store, room.app.workspace, alice(room), wanted)


def newest(room: Any) -> Any:
    with room.app.store.read() as connection:
        return connection.execute(select(consent).order_by(consent.c.id.desc()).limit(1)).one()


def entries(room: Any) -> int:
    with room.app.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(consent)) or 0


# -- on and off -------------------------------------------------------------------------------------------------------


def test_turning_off_is_a_withdrawal_and_turning_on_an_express_yes_to_the_words_shown(room: Any) -> None:
    turns(room, daily=False)
    assert room.reason("alice@example.com") == "unsubscribed"
    assert newest(room).source == "preferences page"
    turns(room, daily=True)
    assert room.reason("alice@example.com") == "mailable"
    row = newest(room)
    assert (row.event, row.basis, row.source) == ("confirmed", "express", "preferences page")
    with room.app.store.read() as connection:
        [entry] = ledger.histories(connection, "daily", [id_of(room)])[id_of(room)][-1:]
        assert text_of(connection, entry.wording) == room.settings.wording
        proof = connection.execute(select(proofs).where(proofs.c.consent_id == row.id)).one()
    assert proof.network_address == "192.0.2.7"


def test_saving_what_is_so_already_writes_nothing(room: Any) -> None:
    before = entries(room)
    turns(room, daily=True)
    turns(room, unknown=True)
    turns(room)
    assert entries(room) == before


@pytest.mark.parametrize("reason", [Suppressed.COMPLAINT, Suppressed.HARD_BOUNCE, Suppressed.MANUAL])
def test_what_only_a_person_lifts_cannot_be_turned_on_by_the_reader(room: Any, reason: Suppressed) -> None:
    with room.app.store.write() as connection:
        suppress(connection, room.hash("alice@example.com"), reason=reason, source="ops", at=room.now)
    before = entries(room)
    turns(room, daily=True)
    assert entries(room) == before
    assert not standing(room).standings[0].on


def test_her_own_yes_lifts_an_unsubscribe_that_came_with_an_import(room: Any) -> None:
    with room.app.store.write() as connection:
        suppress(connection, room.hash("alice@example.com"), reason=Suppressed.UNSUBSCRIBE, source="x", at=room.now)
    turns(room, daily=True)
    assert room.reason("alice@example.com") == "mailable"


def asks_by_mail(room: Any, *names: str) -> Any:
    app = room.app
    return ask_for_mail(app.store, app.workspace, app.keys, alice(room), names)


def test_asking_by_mail_turns_nothing_on_and_owes_the_mail_that_asks_for_her_yes(room: Any) -> None:
    turns(room, daily=False)
    assert asks_by_mail(room, "daily", "unknown").address == "alice@example.com"
    assert room.reason("alice@example.com") == "unsubscribed"
    assert (newest(room).event, newest(room).source) == ("requested", "preferences page")
    with room.app.store.read() as connection:
        assert list(connection.scalars(select(service_mails.c.kind))) == ["confirm"]


def test_nothing_is_asked_by_mail_for_what_she_gets_or_only_a_person_may_turn_on(room: Any) -> None:
    assert asks_by_mail(room, "daily") is None
    with room.app.store.write() as connection:
        suppress(connection, room.hash("alice@example.com"), reason=Suppressed.MANUAL, source="ops", at=room.now)
    assert asks_by_mail(room, "daily") is None
    assert entries(room) == 1


def test_an_erased_reader_has_no_preferences_and_changes_nothing(room: Any) -> None:
    person = alice(room)
    with room.app.store.write() as connection:
        connection.execute(subscribers.update().values(address=None, erased_at=room.now))
    before = entries(room)
    turn(room.app.store, room.app.workspace, person, {"daily": True})
    set_profile(room.app.store, room.app.workspace, person, first_name="X", lang="")
    owe_private_link(room.app.store, person.subscriber_id, "daily", now=room.now)
    assert entries(room) == before
    with room.app.store.read() as connection:
        assert connection.scalar(select(subscribers.c.first_name)) == "Alice"
        assert connection.execute(select(service_mails)).all() == []
        assert read_preferences(connection, person.subscriber_id, room.app.settings.newsletters, room.now) is None


def test_nobody_agrees_anew_who_owes_no_yes(room: Any) -> None:
    assert not agree_anew(room.app.store, room.app.workspace, alice(room), "daily")
    assert not agree_anew(room.app.store, room.app.workspace, alice(room), "unknown")


# -- pauses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "day"),
    [(Length.WEEK, date(2024, 10, 17)), (Length.MONTH, date(2024, 11, 10)), (Length.QUARTER, date(2025, 1, 10))],
)
def test_a_pause_is_counted_in_days_of_the_newsletters_zone(length: Length, day: date) -> None:
    assert last_day_of(length, NEW_YORK, NIGHT) == day


def test_a_month_from_the_last_day_of_a_month_is_the_last_of_the_next() -> None:
    assert last_day_of(Length.MONTH, NEW_YORK, datetime(2025, 1, 31, 12, tzinfo=UTC)) == date(2025, 2, 28)


@pytest.mark.parametrize("written", ["2024-10-10", "2024-10-09", "2025-10-11", "soon", "", "2024-13-01", "9" * 300])
def test_a_pause_ends_between_tomorrow_and_a_year_from_now(written: str) -> None:
    with pytest.raises(InputError):
        day_to_resume(written, NEW_YORK, NIGHT)


@pytest.mark.parametrize("written", ["2024-10-11", " 2025-10-10 "])
def test_the_first_and_the_last_day_can_be_chosen(written: str) -> None:
    assert day_to_resume(written, NEW_YORK, NIGHT) == date.fromisoformat(written.strip())


def test_a_paused_reader_is_left_out_until_that_day_begins_and_mailed_from_then_on(room: Any) -> None:
    assert take_pause(room.app.store, room.app.workspace, alice(room), "daily", until=date(2024, 10, 17))
    ends = datetime(2024, 10, 17, 4, 0, tzinfo=UTC)  # midnight in New York
    assert room.reason("alice@example.com", at=ends - timedelta(seconds=1)) == "paused"
    assert room.reason("alice@example.com", at=ends) == "mailable"
    with room.app.store.write() as connection:
        assert pausing.resume(connection, id_of(room), "daily")
    assert room.reason("alice@example.com") == "mailable"


def test_who_is_out_has_nothing_to_pause(room: Any) -> None:
    room.leaves("alice@example.com")
    assert not take_pause(room.app.store, room.app.workspace, alice(room), "daily", until=date(2024, 10, 17))
    assert not take_pause(room.app.store, room.app.workspace, alice(room), "unknown", until=date(2024, 10, 17))


# -- the profile ------------------------------------------------------------------------------------------------------


def names(room: Any, first_name: str, lang: str = "") -> Any:
    set_profile(room.app.store, room.app.workspace, alice(room), first_name=first_name, lang=lang)
    with room.app.store.read() as connection:
        return connection.execute(select(subscribers.c.first_name, subscribers.c.lang)).one()


def test_a_name_is_kept_as_it_is_written_and_may_be_taken_away(room: Any) -> None:
    for name in ("Zoë", "O'Hara; DROP", "J. R. R.", "x" * 100):
        assert names(room, f" {name} ", "en") == (name, "en")
    assert names(room, "") == (None, None)


@pytest.mark.parametrize(
    "name", ["a\nb", "a\r\nBcc: x@example.org", "x" * 101, "\u202eevil", "nul\x00l", "<b>", "{{x}}", "http://x"]
)
def test_a_name_that_cannot_stand_in_a_mail_is_refused_in_words_and_changes_nothing(room: Any, name: str) -> None:
    with pytest.raises(InputError, match="name"):
        names(room, name)
    assert names(room, "Alice")[0] == "Alice"


def test_only_a_language_on_offer_can_be_chosen(room: Any) -> None:
    with pytest.raises(InputError, match="language"):
        names(room, "Alice", "tlh")


def test_what_a_form_does_not_hold_stays_as_it_is(room: Any) -> None:
    names(room, "Zoë", "en")
    set_profile(room.app.store, room.app.workspace, alice(room), lang="")
    with room.app.store.read() as connection:
        assert connection.execute(select(subscribers.c.first_name, subscribers.c.lang)).one() == ("Zoë", None)
    set_profile(room.app.store, room.app.workspace, alice(room), first_name="")
    with room.app.store.read() as connection:
        assert connection.scalar(select(subscribers.c.first_name)) is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("margaret@example.org", "m…@e….org"),
        ("a@b.de", "…@….de"),
        ("ada@mail.example.co.uk", "a…@m….uk"),
        ("al@bb.example.co.uk", "…@….uk"),
        ("x@localhost", "…@….localhost"),
    ],
)
def test_a_masked_address_tells_a_stranger_nothing(address: str, shown: str) -> None:
    assert masked(address) == shown


# -- measuring --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reopened(newsroom: Any, make_workspace: Callable[..., Path]) -> Iterator[Callable[[str], Any]]:
    """Another newsroom with Alice, whose daily has further settings."""
    opened = []

    def reopen(extra: str) -> Any:
        app = open_app(make_workspace(extra, name="other"), now=newsroom.app.now)
        opened.append(app)
        room = replace(newsroom, app=app)
        room.imports("email\nalice@example.com\n")
        return room

    yield reopen
    for app in opened:
        app.store.close()


@pytest.fixture
def measuring(reopened: Callable[[str], Any]) -> Any:
    """The newsroom asks whether it may measure opens."""
    return reopened('tracking = ["opens"]\n')


def measures(room: Any, **wanted: bool) -> None:
    chosen = {Purpose(name.replace("_", "-")): yes for name, yes in wanted.items()}
    measure(room.app.store, room.app.workspace, alice(room), "daily", chosen)


def test_measuring_is_agreed_to_apart_from_getting_mail_with_words_of_its_own(measuring: Any) -> None:
    measures(measuring, open_tracking=True)
    assert standing(measuring).standings[0].measured == {Purpose.OPEN_TRACKING: True}
    row = newest(measuring)
    assert (row.purpose, row.event) == ("open-tracking", "confirmed")
    with measuring.app.store.read() as connection:
        history = ledger.histories(connection, "daily", [id_of(measuring)], Purpose.OPEN_TRACKING)
        said = text_of(connection, history[id_of(measuring)][-1].wording)
    assert said == text_for(Purpose.OPEN_TRACKING, measuring.settings)
    measures(measuring, open_tracking=False)
    assert (newest(measuring).purpose, newest(measuring).event) == ("open-tracking", "withdrawn")
    assert measuring.reason("alice@example.com") == "mailable"


def test_what_the_newsletter_does_not_ask_for_cannot_be_allowed(measuring: Any) -> None:
    before = entries(measuring)
    measures(measuring, click_tracking=True)
    assert entries(measuring) == before


def test_who_does_not_get_the_newsletter_cannot_allow_measuring(measuring: Any) -> None:
    measuring.leaves("alice@example.com")
    before = entries(measuring)
    measures(measuring, open_tracking=True)
    assert entries(measuring) == before


# -- the private link -------------------------------------------------------------------------------------------------


def owed(room: Any) -> list[str]:
    with room.app.store.read() as connection:
        return list(connection.scalars(select(service_mails.c.request)))


def delivered(room: Any) -> None:
    with room.app.store.write() as connection:
        connection.execute(service_mails.update().values(state="accepted"))


def test_a_private_link_is_mailed_three_times_a_day_at_most(room: Any) -> None:
    for _ in range(6):
        owe_private_link(room.app.store, id_of(room), "daily", now=room.now)
        delivered(room)
    assert len(owed(room)) == 3
    owe_private_link(room.app.store, id_of(room), "daily", now=room.now + timedelta(days=1))
    assert len(owed(room)) == 4


def test_asking_twice_while_the_mail_waits_owes_one(room: Any) -> None:
    for _ in range(3):
        owe_private_link(room.app.store, id_of(room), "daily", now=room.now)
    assert len(owed(room)) == 1


def test_a_mail_for_the_address_she_had_does_not_keep_her_from_one_to_the_address_she_has(room: Any) -> None:
    owe_private_link(room.app.store, id_of(room), "daily", now=room.now)
    with room.app.store.write() as connection:
        moved = {"address": "new@example.net", "address_hash": room.hash("new@example.net")}
        connection.execute(update(subscribers).values(moved))
    owe_private_link(room.app.store, id_of(room, "new@example.net"), "daily", now=room.now)
    with room.app.store.read() as connection:
        [old, new] = connection.scalars(select(service_mails.c.id).order_by(service_mails.c.id))
        found = reader_behind(connection, new)
        assert reader_behind(connection, old) is None
    assert found is not None
    assert found.address == "new@example.net"


def test_no_other_mail_and_no_unknown_one_opens_the_private_page(room: Any) -> None:
    detail = room.hash("alice@example.com")[-16:]
    with room.app.store.write() as connection:
        for kind in MailKind:
            about = {"detail": detail, "request": kind.value}
            owe(connection, kind, id_of(room), "daily", now=room.now, **about)
        owe(connection, MailKind.PRIVATE_LINK, id_of(room), "daily", request="bare", now=room.now)
    with room.app.store.read() as connection:
        kinds = dict(tuple(row) for row in connection.execute(select(service_mails.c.id, service_mails.c.request)))
        assert [kinds[n] for n in [*kinds, 999] if reader_behind(connection, n)] == ["private-link"]


# -- my data ----------------------------------------------------------------------------------------------------------


def test_my_data_holds_every_table_that_knows_the_reader_and_nobody_elses_rows(room: Any) -> None:
    room.imports("email,first_name\nbob@example.com,Bob\n")
    turns(room, daily=False)
    turns(room, daily=True)
    with room.app.store.write() as connection:
        vote = {"issue": "2024-10-10", "poll": "p", "choice": 1, "at": room.now}
        connection.execute(
            insert(votes), [{**vote, "subscriber_id": id_of(room, f"{n}@example.com")} for n in ("alice", "bob")]
        )
        suppress(connection, room.hash("alice@example.com"), reason=Suppressed.MANUAL, source="ops", at=room.now)
        suppress(connection, room.hash("bob@example.com"), reason=Suppressed.MANUAL, source="bobs", at=room.now)
    with room.app.store.read() as connection:
        found = my_data(connection, room.app.keys, id_of(room), at=room.now)
    text = as_json(found).decode()
    assert "bob" not in text.lower()
    assert room.settings.wording in text
    assert "192.0.2.7" in text
    assert found["reader"]["address"] == "alice@example.com"
    assert [entry["event"] for entry in found["consent"]] == ["imported", "withdrawn", "confirmed"]
    assert len(found["votes"]) == len(found["suppressions"]) == 1


def test_an_address_she_only_asked_for_tells_her_nothing_of_whose_it_is(room: Any) -> None:
    with room.app.store.write() as connection:
        victim = room.hash("victim@example.net")
        suppress(connection, victim, reason=Suppressed.MANUAL, source="Harassed Jane; by root", at=room.now)
        asks = {"pending_address": "victim@example.net", "pending_hash": victim}
        connection.execute(update(subscribers).where(subscribers.c.id == id_of(room)).values(**asks))
    with room.app.store.read() as connection:
        found = my_data(connection, room.app.keys, id_of(room), at=room.now)
    assert found["suppressions"] == []


def test_her_data_names_nobody_of_the_newsroom_and_none_of_their_notes(room: Any) -> None:
    with room.app.store.write() as connection:
        suppress(
            connection, room.hash("alice@example.com"), reason=Suppressed.MANUAL, source="rude; by Jo", at=room.now
        )
    with room.app.store.read() as connection:
        text = as_json(my_data(connection, room.app.keys, id_of(room), at=room.now)).decode()
    assert '"reason": "manual"' in text
    assert "rude" not in text


def test_no_table_that_names_readers_is_missing_from_my_data() -> None:
    """A table made later must be thought of here too."""
    about = {t.name for t in metadata.tables.values() if {"subscriber_id", "address_hash"} & set(t.c.keys())}
    assert about == {
        "subscribers", "subscriptions", "consent", "suppressions", "suppression_lifts", "proofs", "signups",
        "votes", "deliveries", "service_mails", "events", "tracked", "test_mails",
    }  # fmt: skip


def test_her_yes_to_a_changed_policy_makes_her_mailable_again(reopened: Callable[[str], Any]) -> None:
    room = reopened('policies = [{ version = "2", effective = 2024-10-12, change = "reconsent", summary = "New." }]\n')
    later = room.now + timedelta(days=3)
    assert room.reason("alice@example.com", at=later) == "reconsent-owed"
    with room.app.store.read() as connection:
        found = read_preferences(connection, id_of(room), room.app.settings.newsletters, later)
    assert found is not None
    assert (found.standings[0].on, found.standings[0].owes_agreement) == (True, True)
    person = replace(alice(room), now=later)
    assert agree_anew(room.app.store, room.app.workspace, person, "daily")
    assert room.reason("alice@example.com", at=later) == "mailable"
    assert (newest(room).event, newest(room).policy_version) == ("reaffirmed", "2")
