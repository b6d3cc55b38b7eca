"""Handing over: every verdict does what it says, and nothing but what the ledger allows leaves."""

from __future__ import annotations

import signal
import threading
from collections import Counter

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
    account_of,
    add_readers,
    crash,
    make_build,
    reader_of,
    reread,
    run,
    start,
    states,
    withdraw,
)
from sqlalchemy import select

from newsletter.app import App
from newsletter.sending import control
from newsletter.sending.answers import Patience
from newsletter.sending.owners import owner
from newsletter.sending.sends import State
from newsletter.store.tables import deliveries
from newsletter.transports.mail import Answer, Quota, Recipient


def test_everybody_mailable_gets_the_issue_once_and_the_send_is_done(app: App) -> None:
    readers = add_readers(app, 95)
    transport = Memory()
    send = run(app, start(app, transport), transport)
    assert transport.mailed == Counter(readers)
    assert send.state is State.DONE
    assert send.first_handover_at == MORNING
    assert account_of(app, send).states() == {
        "excluded": 0,
        "pending": 0,
        "in_flight": 0,
        "uncertain": 0,
        "accepted": 95,
        "refused": 0,
    }


def test_readers_of_a_batch_go_out_in_one_call(app: App) -> None:
    add_readers(app, 25)
    transport = Memory(batch_size=10)
    run(app, start(app, transport), transport)
    assert sorted(map(sorted, transport.calls)) == [list(range(1, 11)), list(range(11, 21)), list(range(21, 26))]


def test_each_reader_gets_their_own_fields_and_a_tag_that_names_the_delivery(app: App) -> None:
    add_readers(app, 3)
    transport = Memory()
    send = run(app, start(app, transport), transport)
    third = next(r for r in transport.taken if r.address == "reader3@example.com")
    assert third.tag == f"{send.id}-3-1"
    assert third.fields["first_name"] == ""
    assert third.fields["unsubscribe_url"].startswith("https://news.example.org/u/s1.")
    assert len({r.fields["unsubscribe_url"] for r in transport.taken}) == 3


def test_a_refused_reader_is_not_tried_again_and_the_reason_is_kept(app: App) -> None:
    add_readers(app, 20)
    transport = Memory(lambda r: REFUSE if reader_of(r) == 7 else ACCEPT)
    send = run(app, start(app, transport), transport)
    assert send.state is State.DONE
    assert account_of(app, send).refused == 1
    with app.store.read() as connection:
        query = select(deliveries.c.reason).where(deliveries.c.state == "refused")
        assert connection.scalar(query) == "the address is not valid"


def test_a_retryable_refusal_is_tried_again_with_a_new_tag(app: App) -> None:
    add_readers(app, 30)
    seen: Counter[int] = Counter()
    tags: list[str] = []

    def second_time_lucky(recipient: Recipient) -> Answer:
        seen[reader_of(recipient)] += 1
        tags.append(recipient.tag)
        return ACCEPT if reader_of(recipient) % 4 or seen[reader_of(recipient)] > 1 else RETRY

    transport = Memory(second_time_lucky)
    send = run(app, start(app, transport), transport)
    assert send.state is State.DONE
    assert set(transport.mailed.values()) == {1}
    assert len(tags) == len(set(tags))


def test_a_reader_who_cannot_be_reached_holds_the_send_after_some_tries_not_for_ever(app: App) -> None:
    add_readers(app, 12)
    transport = Memory(lambda r: RETRY if reader_of(r) == 5 else ACCEPT)
    send = run(app, start(app, transport), transport)
    assert send.state is State.HELD
    assert "tried 5 times" in (send.reason or "")
    assert states(app, send)[5] == "pending"
    transport.answer = lambda _: ACCEPT
    assert run(app, send, transport).state is State.DONE
    assert transport.mailed[5] == 1


def test_a_lost_answer_makes_the_reader_uncertain_and_is_never_resent_blindly(app: App) -> None:
    add_readers(app, 40)
    transport = Memory(lambda r: LOST if reader_of(r) in {3, 30} else ACCEPT)
    send = run(app, start(app, transport), transport)
    assert send.state is State.DONE
    assert account_of(app, send).uncertain == 2
    assert transport.mailed[3] == transport.mailed[30] == 1


def test_when_every_answer_is_lost_the_send_is_held_before_the_whole_audience_is_in_doubt(app: App) -> None:
    add_readers(app, 400)
    transport = Memory(lambda r: LOST)
    send = run(app, start(app, transport), transport)
    assert send.state is State.HELD
    assert "no answer came" in (send.reason or "")
    assert account_of(app, send).pending > 200


def test_stop_holds_the_send_with_the_reason_and_loses_nobody(app: App) -> None:
    add_readers(app, 200)
    transport = Memory(lambda r: STOP if reader_of(r) > 50 else ACCEPT)
    send = run(app, start(app, transport), transport)
    found = account_of(app, send)
    assert send.state is State.HELD
    assert "suspended" in (send.reason or "")
    assert (found.accepted, found.pending, found.in_flight) == (50, 150, 0)
    transport.answer = lambda _: ACCEPT
    assert run(app, send, transport).state is State.DONE
    assert transport.mailed == Counter(range(1, 201))


def test_too_fast_lowers_the_rate_and_everybody_gets_it_in_the_end(app: App) -> None:
    add_readers(app, 60)
    refusals = iter(range(4))
    transport = Memory(lambda r: ACCEPT if next(refusals, None) is None else TOO_FAST, allowed=Quota(10_000.0, None))
    send = run(app, start(app, transport), transport)
    assert send.state is State.DONE
    assert transport.mailed == Counter(range(1, 61))
    with app.store.read() as connection:
        rate = connection.exec_driver_sql("SELECT rate FROM pace WHERE scope = 'memory'").scalar()
    assert rate < 10_000


def test_endless_too_fast_holds_the_send(app: App) -> None:
    add_readers(app, 20)
    transport = Memory(lambda r: TOO_FAST)
    send = run(app, start(app, transport), transport)
    assert send.state is State.HELD
    assert account_of(app, send).pending == 20


def test_a_spent_quota_parks_the_send_with_the_reason(app: App) -> None:
    add_readers(app, 30)
    transport = Memory(lambda r: QUOTA_SPENT if reader_of(r) > 10 else ACCEPT)
    send = run(app, start(app, transport), transport)
    assert send.state is State.HELD
    assert "quota" in (send.reason or "")
    assert account_of(app, send).pending == 20


def test_no_more_are_handed_over_than_the_days_quota_has_left(app: App) -> None:
    add_readers(app, 30)
    transport = Memory(allowed=Quota(rate=None, left_today=17))
    send = run(app, start(app, transport), transport)
    assert send.state is State.HELD
    assert "11 October 10:30 UTC" in (send.reason or "")
    assert len(transport.mailed) == 17
    assert account_of(app, send).pending == 13


def test_a_quota_that_just_suffices_lets_the_send_finish(app: App) -> None:
    add_readers(app, 30)
    transport = Memory(allowed=Quota(rate=None, left_today=30))
    assert run(app, start(app, transport), transport).state is State.DONE


def test_withdrawing_mid_send_takes_effect_before_the_next_batch(app: App) -> None:
    """Invariant 1: whoever withdraws while batches go out and is not in flight yet gets nothing."""
    add_readers(app, 60)
    transport = Memory(batch_size=5, connections=1)
    late = set(range(31, 61))

    def withdraw_once() -> None:
        transport.before_call = lambda: None
        withdraw(app, late)

    transport.before_call = withdraw_once
    send = run(app, start(app, transport), transport)
    claimed_before = 2 * transport.connections * transport.batch_size
    assert set(range(1, 31)) <= set(transport.mailed)
    assert not late & set(transport.mailed)
    assert claimed_before <= 30
    assert account_of(app, send).excluded_by == {"unsubscribed": 30}
    assert send.state is State.DONE


def test_an_erased_reader_is_not_mailed_though_pending(app: App) -> None:
    add_readers(app, 5)
    transport = Memory()
    send = start(app, transport)
    with app.store.write() as connection:
        connection.exec_driver_sql("UPDATE subscribers SET address = NULL, erased_at = created_at WHERE id = 2")
    run(app, send, transport)
    assert set(transport.mailed) == {1, 3, 4, 5}
    assert account_of(app, send).excluded_by == {"erased": 1}


def test_pausing_lets_calls_under_way_finish_and_leaves_the_rest(app: App) -> None:
    add_readers(app, 100)
    transport = Memory(connections=1)
    send = start(app, transport)

    def pause() -> None:
        transport.before_call = lambda: None
        control.pause(app.store, send.id, person="ben")

    transport.before_call = pause
    paused = run(app, send, transport)
    found = account_of(app, send)
    assert (paused.state, paused.reason) == (State.PAUSED, "paused by ben")
    assert found.in_flight == 0
    assert found.pending + found.accepted == 100
    assert found.pending
    transport.before_call = lambda: None
    assert run(app, send, transport).state is State.DONE
    assert transport.mailed == Counter(range(1, 101))


def test_cancelling_under_way_leaves_the_pending_out_even_those_who_come_back(app: App) -> None:
    add_readers(app, 100)
    transport = Memory(connections=1)
    send = start(app, transport)

    def cancel() -> None:
        transport.before_call = lambda: None
        transport.answer = lambda _: RETRY
        control.cancel(app.store, send.id, person="ben", now=MORNING)

    transport.before_call = cancel
    cancelled = run(app, send, transport)
    found = account_of(app, send)
    assert cancelled.state is State.CANCELLED
    assert (found.pending, found.in_flight) == (0, 0)
    assert found.excluded_by == {"cancelled": 100 - found.accepted}


def test_a_signal_finishes_what_is_under_way_and_pauses(app: App) -> None:
    add_readers(app, 100)
    transport = Memory(connections=2)
    before = signal.getsignal(signal.SIGTERM)

    def terminate() -> None:
        transport.before_call = lambda: None
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    transport.before_call = terminate
    send = run(app, start(app, transport), transport)
    found = account_of(app, send)
    assert send.state is State.PAUSED
    assert (found.in_flight, found.uncertain) == (0, 0)
    assert found.pending + found.accepted == 100
    assert signal.getsignal(signal.SIGTERM) is before
    transport.before_call = lambda: None
    assert run(app, send, transport).state is State.DONE
    assert transport.mailed == Counter(range(1, 101))


def test_a_transport_that_breaks_its_promise_leaves_its_readers_in_doubt_and_holds_the_send(app: App) -> None:
    add_readers(app, 100)

    def broken(_recipient: Recipient) -> Answer:
        raise RuntimeError("wires crossed")

    transport = Memory(broken, connections=1)
    send = run(app, start(app, transport), transport)
    assert send.state is State.HELD
    assert "wires crossed" in (send.reason or "")
    found = account_of(app, send)
    assert (found.in_flight, found.accepted) == (0, 0)
    assert 10 <= found.uncertain <= 20


def test_what_a_killed_process_left_in_flight_is_uncertain_and_not_sent_again(app: App) -> None:
    add_readers(app, 50)
    transport = Memory()
    send = start(app, transport)
    crash(app, send, range(1, 11))
    done = run(app, send, transport)
    assert done.state is State.DONE
    assert done.first_handover_at == MORNING
    assert {reader for reader, state in states(app, send).items() if state == "uncertain"} == set(range(1, 11))
    assert transport.mailed == Counter(range(11, 51))


def test_what_a_living_process_has_in_flight_is_left_alone(app: App) -> None:
    add_readers(app, 50)
    transport = Memory()
    send = start(app, transport)
    with owner(app.store, app.workspace.locks) as living:
        crash(app, send, range(1, 11), owner=living.name)
        assert run(app, send, transport).state is State.SENDING
        assert account_of(app, send).in_flight == 10
    assert run(app, send, transport).state is State.DONE
    assert account_of(app, send).uncertain == 10


def test_a_folder_is_handed_the_same_tag_again_after_a_crash_so_nothing_doubles(app: App) -> None:
    add_readers(app, 20)
    transport = Memory(idempotent=True)
    send = start(app, transport)
    crash(app, send, range(1, 6))
    assert run(app, send, transport).state is State.DONE
    assert account_of(app, send).uncertain == 0
    assert {r.tag for r in transport.taken} == {f"{send.id}-{i}-1" for i in range(1, 21)}


def test_who_withdrew_after_a_crash_may_have_the_file_already_and_is_named_uncertain(app: App) -> None:
    add_readers(app, 20)
    transport = Memory(idempotent=True)
    send = start(app, transport)
    crash(app, send, range(1, 6))
    withdraw(app, [2, 15])
    run(app, send, transport)
    assert states(app, send)[2] == "uncertain"
    assert states(app, send)[15] == "excluded"


def test_what_is_sent_is_the_frozen_build_and_its_frozen_sender(app: App) -> None:
    """Invariant 4: settings changed after the build do not change the mail."""
    from newsletter.sending.messages import mail_of

    frozen = {
        "name": "Frozen <News>",
        "from_name": "Frozen",
        "from_address": "frozen@news.example.org",
        "reply_to": "",
        "list_id": "frozen.example.org",
        "public_url": "https://frozen.example.org",
        "lang": "fr",
    }
    build = make_build(settings=frozen)
    _, settings = app.workspace.newsletter("daily")
    mail = mail_of(build, settings)
    assert (mail.subject, mail.html, mail.text) == (build.subject, build.html, build.text)
    assert (mail.from_name, mail.from_address, mail.reply_to, mail.lang) == (
        "Frozen",
        "frozen@news.example.org",
        None,
        "fr",
    )
    assert mail.headers == (
        ("List-ID", "Frozen News <frozen.example.org>"),
        ("List-Unsubscribe", "<{{unsubscribe_url}}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )
    assert mail_of(make_build(), settings).from_address == "daily@news.example.org"


def test_a_pause_between_retries_is_bounded_and_grows() -> None:
    patience = Patience()
    assert [patience.wait(n) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_send_goes_on_where_another_process_was_and_both_reports_agree(app: App) -> None:
    add_readers(app, 300)
    transport = Memory(batch_size=5)
    send = start(app, transport)
    beside = threading.Thread(target=run, args=(app, send, transport))
    beside.start()
    run(app, send, transport)
    beside.join()
    assert transport.mailed == Counter(range(1, 301))
    assert reread(app, send).state is State.DONE
