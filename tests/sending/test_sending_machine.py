"""Invariants 1, 2 and 3 over any history: crashes, pauses, withdrawals, lost answers, cancelling, sends of the rest.

The model is simple: what the transport took. A reader is mailed at most once, unless a person sent again to who was in
doubt; nobody who had withdrawn is mailed; whoever is not accounted for as having it is accounted for otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sending_rig import (
    ACCEPT,
    LOST,
    MORNING,
    REFUSE,
    RETRY,
    STOP,
    TOO_FAST,
    Memory,
    account_of,
    add_readers,
    crash,
    reader_of,
    reread,
    run,
    start,
    states,
    withdraw,
)

from newsletter.app import App, open_app
from newsletter.sending import control
from newsletter.sending.sends import Send
from newsletter.transports.mail import Answer, Recipient

READERS = 12
ANSWERS = {"accept": ACCEPT, "refuse": REFUSE, "retry": RETRY, "lost": LOST, "stop": STOP, "too-fast": TOO_FAST}


class Sending(RuleBasedStateMachine):
    def __init__(self, app: App) -> None:
        super().__init__()
        self.app = app
        add_readers(self.app, READERS)
        self.sends: list[Send] = []
        self.withdrawn: set[int] = set()
        self.script: list[str] = []
        self.transport = Memory(self.answer, batch_size=3, connections=2)

    def answer(self, recipient: Recipient) -> Answer:
        assert reader_of(recipient) not in self.withdrawn
        return ANSWERS[self.script.pop()] if self.script else ACCEPT

    @property
    def current(self) -> Send | None:
        last = reread(self.app, self.sends[-1]) if self.sends else None
        return last if last and not last.finished else None

    @precondition(lambda self: self.current is None and len(self.sends) < 4)
    @rule()
    def begin(self) -> None:
        self.sends.append(start(self.app, self.transport))

    @precondition(lambda self: self.current is not None)
    @rule(script=st.lists(st.sampled_from(sorted(ANSWERS)), max_size=30))
    def go_on(self, script: list[str]) -> None:
        self.script = script
        if self.current:
            run(self.app, self.current, self.transport)

    @precondition(lambda self: self.current is not None)
    @rule(readers=st.sets(st.integers(1, READERS), max_size=4), reached=st.booleans())
    def be_killed(self, readers: set[int], reached: bool) -> None:
        """A process dies with these in flight, before or after the provider took them."""
        send = self.current
        assert send
        mailable = {r for r, state in states(self.app, send).items() if state == "pending" and r not in self.withdrawn}
        crash(self.app, send, readers & mailable)
        if reached:
            self.transport.taken += [Recipient("", {}, f"{send.id}-{r}-1") for r in readers & mailable]

    @rule(reader=st.integers(1, READERS))
    def withdraw(self, reader: int) -> None:
        withdraw(self.app, [reader])
        self.withdrawn.add(reader)

    @precondition(lambda self: self.current is not None)
    @rule()
    def cancel(self) -> None:
        assert self.current
        control.cancel(self.app.store, self.current.id, person="ben", now=MORNING)

    @precondition(lambda self: self.current is not None and self.current.state == "sending")
    @rule()
    def pause(self) -> None:
        assert self.current
        control.pause(self.app.store, self.current.id, person="ben")

    @invariant()
    def nobody_is_mailed_twice(self) -> None:
        assert all(number == 1 for number in self.transport.mailed.values())

    @invariant()
    def every_account_adds_up_and_has_everybody(self) -> None:
        for send in self.sends:
            found = account_of(self.app, send)
            assert found.audience == READERS == sum(found.states().values())

    @invariant()
    def who_was_mailed_is_accepted_or_in_doubt_somewhere(self) -> None:
        ledgers = [states(self.app, send) for send in self.sends]
        for reader in self.transport.mailed:
            assert any(ledger[reader] in {"accepted", "uncertain", "in_flight"} for ledger in ledgers)

    @invariant()
    def who_is_accepted_was_mailed(self) -> None:
        for send in self.sends:
            accepted = {reader for reader, state in states(self.app, send).items() if state == "accepted"}
            assert accepted <= set(self.transport.mailed)

    def teardown(self) -> None:
        self.app.store.close()


def test_any_history_of_sends_mails_nobody_twice_and_accounts_for_everybody(
    make_workspace: Callable[..., Path],
) -> None:
    numbers = count(1)

    def begin() -> Sending:
        return Sending(open_app(make_workspace(name=f"newsroom-{next(numbers)}"), now=lambda: MORNING))

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        begin,
        settings=settings(
            max_examples=15,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
