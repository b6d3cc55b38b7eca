"""Service mail goes out once per request, to whom it may, at the account's pace; what does not, says why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sending_rig import (
    ACCEPT,
    LOST,
    MORNING,
    QUOTA_SPENT,
    REFUSE,
    RETRY,
    STOP,
    TOO_FAST,
    Memory,
)
from service_rig import (
    NEW_ADDRESS,
    POLICIES,
    add_reader,
    ask,
    ask_for,
    ask_for_new_address,
    erase,
    go,
    in_outbox,
    keep_former_address,
    leave,
    put_on_list,
    row_of,
    sign_up,
    standing,
)
from sqlalchemy import delete, func, select, update

from newsletter.app import App, open_app
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Suppressed
from newsletter.audience.mail_owed import MailKind
from newsletter.audience.suppression import suppress
from newsletter.sending import pace
from newsletter.sending.owners import owner
from newsletter.sending.service.post import TRIES
from newsletter.store.tables import proofs, service_mails, signups, subscribers
from newsletter.transports.mail import Answer, Quota, Recipient


@pytest.fixture
def newsroom(make_workspace: Callable[..., Path]) -> Iterator[App]:
    app = open_app(make_workspace(POLICIES), now=lambda: MORNING)
    yield app
    app.store.close()


def at(app: App, **later: float) -> App:
    """The same newsroom at another hour."""
    return dataclasses.replace(app, now=lambda: MORNING + timedelta(**later))


class Script:
    """A transport's answers, one after the other; then it accepts."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def __call__(self, _recipient: Recipient) -> Answer:
        return self.answers.pop(0) if self.answers else ACCEPT


def test_a_request_is_answered_by_one_mail_however_often_it_is_made_and_delivered(newsroom: App) -> None:
    reader = add_reader(newsroom)
    for _ in range(3):
        ask(newsroom, MailKind.PRIVATE_LINK, reader, request="one")
        go(newsroom)
    assert len(in_outbox(newsroom)) == 1
    with newsroom.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(service_mails)) == 1


def test_what_was_asked_for_first_goes_first_and_a_round_takes_no_more_than_it_is_told(newsroom: App) -> None:
    numbers = [ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom, f"r{i}@example.org")) for i in range(4)]
    assert go(newsroom, limit=2).accepted == 2
    assert [standing(newsroom, number)[0] for number in numbers] == ["accepted", "accepted", "queued", "queued"]


# -- who may not get it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Suppressed.COMPLAINT, Suppressed.HARD_BOUNCE])
def test_nobody_who_complained_or_is_gone_is_written_to(newsroom: App, reason: Suppressed) -> None:
    numbers = []
    for kind in MailKind:
        reader = add_reader(newsroom, f"{kind}@example.org")
        numbers.append(ask_for(newsroom, kind, reader))
        hashes = {
            MailKind.ADDRESS_CONFIRM: hash_of(newsroom, NEW_ADDRESS),  # what counts is the address it would go to
            MailKind.ADDRESS_TOLD: hash_of(newsroom, "ada.old@example.com"),
        }
        with newsroom.store.write() as connection:
            hashed = hashes.get(kind, hash_of(newsroom, f"{kind}@example.org"))
            suppress(connection, hashed, reason=reason, source="test", at=MORNING)
    assert go(newsroom).refused == len(MailKind)
    assert {standing(newsroom, number) for number in numbers} == {("refused", reason.value)}
    assert in_outbox(newsroom) == {}


def hash_of(app: App, address: str) -> str:
    return address_hash(normalise(address).normal, app.keys.hash)


def test_nobody_erased_is_written_to(newsroom: App) -> None:
    numbers = []
    for kind in MailKind:
        reader = add_reader(newsroom, f"{kind}@example.org")
        numbers.append(ask_for(newsroom, kind, reader))
        erase(newsroom, reader)
    go(newsroom)
    assert {standing(newsroom, number) for number in numbers} == {("refused", "erased")}


def test_an_erased_address_that_asks_again_gets_its_confirmation_and_nothing_else(newsroom: App) -> None:
    reader = add_reader(newsroom)
    erase(newsroom, reader)
    with newsroom.store.write() as connection:
        again = update(subscribers).where(subscribers.c.id == reader).values(address="ada@example.org")
        connection.execute(again)
    number, other = ask_for(newsroom, MailKind.CONFIRM, reader), ask_for(newsroom, MailKind.PRIVATE_LINK, reader)
    go(newsroom)
    assert standing(newsroom, number) == ("accepted", None)
    assert standing(newsroom, other) == ("refused", "erased")


def test_an_unsubscribed_reader_gets_what_she_asks_for_but_no_notice_and_no_welcome(newsroom: App) -> None:
    numbers = {}
    for kind in MailKind:
        reader = add_reader(newsroom, f"{kind}@example.org")
        leave(newsroom, reader)
        put_on_list(newsroom, reader, Suppressed.UNSUBSCRIBE)
        numbers[kind] = ask_for(newsroom, kind, reader)
    go(newsroom)
    refused = {kind for kind, number in numbers.items() if standing(newsroom, number) == ("refused", "not-subscribed")}
    assert refused == {MailKind.WELCOME, MailKind.POLICY_NOTICE, MailKind.POLICY_RECONSENT}
    assert len(in_outbox(newsroom)) == len(MailKind) - len(refused)


def test_an_address_that_is_not_on_record_any_more_gets_nothing(newsroom: App) -> None:
    reader = add_reader(newsroom)
    told = ask_for(newsroom, MailKind.ADDRESS_TOLD, reader)
    with newsroom.store.write() as connection:
        connection.execute(delete(proofs))
    go(newsroom)
    assert standing(newsroom, told) == ("refused", "no-address")


def test_what_has_lapsed_is_not_sent_late(newsroom: App) -> None:
    reader = add_reader(newsroom, confirmed=None)
    purged = ask(newsroom, MailKind.CONFIRM, reader, reference=99, request="purged")
    late = ask(newsroom, MailKind.CONFIRM, reader, reference=sign_up(newsroom, reader), request="late")
    link = ask_for(newsroom, MailKind.PRIVATE_LINK, reader)
    address = ask_for_new_address(newsroom, reader)
    go(at(newsroom, days=7))
    assert {standing(newsroom, n) for n in (purged, late, link, address)} == {("refused", "expired")}
    assert in_outbox(newsroom) == {}


def test_what_was_overtaken_is_not_sent(newsroom: App) -> None:
    """A second new address, a sign-up confirmed by another mail and left since, a policy taken out of the settings."""
    reader = add_reader(newsroom)
    first = ask_for_new_address(newsroom, reader, "ada.one@example.net")
    ask_for_new_address(newsroom, reader, "ada.two@example.net")
    confirmed = ask_for(newsroom, MailKind.CONFIRM, reader)
    with newsroom.store.write() as connection:
        connection.execute(update(signups).values(confirmed_at=MORNING))
    leave(newsroom, reader)
    policy = ask(newsroom, MailKind.POLICY_NOTICE, add_reader(newsroom, "bo@example.org"), detail="99")
    go(newsroom)
    assert {standing(newsroom, n) for n in (first, confirmed, policy)} == {("refused", "superseded")}


def test_the_question_is_asked_in_the_moment_of_sending(newsroom: App) -> None:
    """Two mails are due; while the first is under way the second's reader complains."""
    first, second = add_reader(newsroom, "a@example.org"), add_reader(newsroom, "b@example.org")
    numbers = [ask_for(newsroom, MailKind.PRIVATE_LINK, reader) for reader in (first, second)]
    transport = Memory(before_call=lambda: put_on_list(newsroom, second, Suppressed.COMPLAINT))
    go(newsroom, transport)
    assert [standing(newsroom, n) for n in numbers] == [("accepted", None), ("refused", "complaint")]


def test_the_old_address_is_told_though_mail_no_longer_goes_there(newsroom: App) -> None:
    former = add_reader(newsroom, "ada.old@example.com", confirmed=None)
    put_on_list(newsroom, former, Suppressed.MOVED)
    reader = add_reader(newsroom)
    number = ask(newsroom, MailKind.ADDRESS_TOLD, reader, reference=keep_former_address(newsroom, reader))
    go(newsroom)
    assert standing(newsroom, number) == ("accepted", None)


# -- what the provider says -------------------------------------------------------------------------------------------


def test_a_lost_answer_leaves_the_mail_in_doubt_and_it_is_never_sent_again(newsroom: App) -> None:
    number = ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom))
    transport = Memory(Script(LOST))
    assert go(newsroom, transport).uncertain == 1
    for _ in range(3):
        go(at(newsroom, hours=2), transport)
    assert (standing(newsroom, number)[0], len(transport.calls)) == ("uncertain", 1)


def test_a_transport_that_breaks_its_promise_leaves_it_in_doubt_too(newsroom: App) -> None:
    def burst(_recipient: Recipient) -> Answer:
        raise RuntimeError("ada@example.org could not be mailed")

    number = ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom))
    go(newsroom, Memory(burst))
    assert standing(newsroom, number) == ("uncertain", "the transport failed: RuntimeError")


def test_a_refusal_is_kept_with_its_reason_but_without_the_address(newsroom: App) -> None:
    number = ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom))
    refused = dataclasses.replace(REFUSE, reason="Address ada@example.org is blacklisted")
    go(newsroom, Memory(Script(refused)))
    assert standing(newsroom, number) == ("refused", "Address … is blacklisted")


def test_a_failure_is_tried_again_after_a_growing_wait_and_given_up_in_the_end(newsroom: App) -> None:
    number = ask_for(newsroom, MailKind.WELCOME, add_reader(newsroom))
    transport = Memory(Script(*[RETRY] * TRIES))
    waits, hour = [], newsroom
    for _ in range(TRIES - 1):
        assert go(hour, transport).put_back == 1
        assert go(hour, transport).put_back == 0  # not before its time
        due = row_of(newsroom, number).queued_at
        waits.append((due - hour.now()).total_seconds() / 60)
        hour = at(newsroom, seconds=(due - MORNING).total_seconds())
    assert waits == [1, 5, 15, 60, 60, 60, 60]
    go(hour, transport)
    assert standing(newsroom, number) == ("refused", f"given up after {TRIES} tries: the provider is busy")
    assert len({recipient.tag for recipient in transport.taken}) == 0


def test_every_try_has_a_tag_of_its_own(newsroom: App) -> None:
    number = ask_for(newsroom, MailKind.WELCOME, add_reader(newsroom))
    transport = Memory(Script(RETRY))
    go(newsroom, transport)
    go(at(newsroom, minutes=1), transport)
    assert [recipient.tag for recipient in transport.taken] == [f"service-{number}-2"]


@pytest.mark.parametrize("answer", [STOP, QUOTA_SPENT, TOO_FAST])
def test_what_is_no_fault_of_the_mail_ends_the_round_and_is_not_held_against_it(newsroom: App, answer: Answer) -> None:
    numbers = [ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom, f"r{i}@example.org")) for i in range(2)]
    transport = Memory(Script(answer), allowed=Quota(rate=100.0, left_today=None))
    done = go(newsroom, transport, wait=lambda _seconds: None)
    assert (done.put_back, done.accepted) == (1, 0)
    assert (done.problem is None) == (answer is TOO_FAST)
    assert row_of(newsroom, numbers[0]).attempt == 0
    assert go(at(newsroom, hours=1), transport, wait=lambda _seconds: None).accepted == 2


def test_a_mail_that_cannot_be_composed_waits_and_says_so(newsroom: App) -> None:
    """The newsletter's own theme lacks its style sheet; once that is mended, the mail goes out."""
    theme = newsroom.workspace.root / "templates" / "default"
    theme.mkdir(parents=True)
    number = ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom))
    assert "could not be composed: [Errno 2]" in str(go(newsroom).problem)
    assert standing(newsroom, number)[0] == "queued"
    (theme / "style.css").write_text(".paper { color: #111111 }", encoding="utf-8")
    assert go(at(newsroom, minutes=1)).accepted == 1


# -- pace and ownership -----------------------------------------------------------------------------------------------


def test_service_mail_keeps_to_the_accounts_rate_and_pays_for_its_slots(newsroom: App) -> None:
    """At one in a hundred seconds the fourth mail waits for five minutes, on the clock every sender shares."""
    for i in range(4):
        ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom, f"r{i}@example.org"))
    waits: list[float] = []
    transport = Memory(allowed=Quota(rate=0.01, left_today=None))
    go(newsroom, transport, wait=waits.append)
    assert len(transport.taken) == 4
    assert [round(seconds / 100) for seconds in waits if seconds > 1] == [1, 2, 3]  # nobody really waited


def test_a_rate_that_a_send_has_lowered_stays_lowered(newsroom: App) -> None:
    ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom))
    with newsroom.store.write() as connection:
        pace.open_pace(connection, "memory", 3.0)
    go(newsroom, Memory(allowed=Quota(rate=10.0, left_today=None)), wait=lambda _seconds: None)
    with newsroom.store.read() as connection:
        assert pace.rate_of(connection, "memory") == 3.0


def test_a_spent_daily_quota_leaves_the_mail_queued(newsroom: App) -> None:
    number = ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom))
    done = go(newsroom, Memory(allowed=Quota(rate=None, left_today=0)))
    assert "quota" in str(done.problem)
    assert standing(newsroom, number)[0] == "queued"


def test_what_an_ended_process_had_in_flight_is_in_doubt_and_a_living_ones_is_left_alone(newsroom: App) -> None:
    numbers = [ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom, f"r{i}@example.org")) for i in range(2)]
    transport = Memory()
    with owner(newsroom.store, newsroom.workspace.locks) as living:
        in_flight(newsroom, numbers[0], f"{living.name} memory")
        in_flight(newsroom, numbers[1], "0123456789abcdef memory")
        go(newsroom, transport)
        assert [standing(newsroom, n)[0] for n in numbers] == ["in_flight", "uncertain"]
    go(newsroom, transport)
    assert [standing(newsroom, n)[0] for n in numbers] == ["uncertain", "uncertain"]
    assert transport.taken == []


def test_a_folder_gets_it_again_under_the_same_name_but_only_what_was_meant_for_the_folder(newsroom: App) -> None:
    numbers = [ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom, f"r{i}@example.org")) for i in range(2)]
    in_flight(newsroom, numbers[0], "0123456789abcdef outbox")
    in_flight(newsroom, numbers[1], "0123456789abcdef ses")
    go(newsroom)
    assert [standing(newsroom, n)[0] for n in numbers] == ["accepted", "uncertain"]
    assert [file.name for file in (newsroom.workspace.outbox / "service").iterdir()] == [f"service-{numbers[0]}-1.eml"]


def test_what_may_have_gone_out_before_it_was_refused_is_in_doubt(newsroom: App) -> None:
    reader = add_reader(newsroom)
    number = ask_for(newsroom, MailKind.PRIVATE_LINK, reader)
    in_flight(newsroom, number, "0123456789abcdef outbox")
    erase(newsroom, reader)
    go(newsroom)
    assert standing(newsroom, number) == ("uncertain", "it may have been handed over before it was refused (erased)")


def in_flight(app: App, number: int, owner: str) -> None:
    values = {"state": "in_flight", "owner": owner, "attempt": 1, "handed_over_at": MORNING}
    with app.store.write() as connection:
        connection.execute(update(service_mails).where(service_mails.c.id == number).values(values))


def test_asked_to_stop_it_finishes_the_mail_under_way_and_leaves_the_rest(newsroom: App) -> None:
    for i in range(3):
        ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom, f"r{i}@example.org"))
    transport = Memory()
    done = go(newsroom, transport, stop=lambda: bool(transport.calls))
    assert (done.accepted, len(transport.calls)) == (1, 1)


def test_nothing_due_asks_the_provider_nothing(newsroom: App) -> None:
    class Silent(Memory):
        def quota(self) -> Quota:
            raise AssertionError("asked")

    ask_for(newsroom, MailKind.PRIVATE_LINK, add_reader(newsroom))
    go(newsroom)
    assert go(newsroom, Silent()).accepted == 0
