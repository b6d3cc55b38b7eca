"""What an answer does to a delivery, and to the send as a whole: pure functions and numbers, no clock, no store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.sending.ledger import ROUND, Change, Claimed
from newsletter.transports.mail import Answer, Verdict

TRIES = 5  # rounds a reader is tried in before a person must look
CONCLUSIVE = frozenset({Verdict.ACCEPTED, Verdict.REFUSED})
UNTOUCHED = Answer(Verdict.RETRY, reason="")  # claimed, but never given to the transport


@dataclass(frozen=True)
class Patience:
    """How long to wait before trying again, and when to stop trying."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    lost_calls: int = 5  # answers lost in a row before the send is held
    throttled_groups: int = 12  # "too fast" in a row before the send is held
    clean_seconds: float = 60.0  # without "too fast" before the rate is raised

    def wait(self, times: int) -> float:
        """The longest wait after that many failures in a row; the caller takes a random part of it."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(times, 30))


@dataclass(frozen=True)
class Outcome:
    """What a finished call means."""

    changes: list[Change]
    hold: str | None = None  # why the send must stop
    throttled: bool = False
    retry_rounds: frozenset[int] = frozenset()  # of readers put back after a failure of their own
    lost: bool = False  # no answer at all
    taken: bool = False  # somebody was accepted
    went: bool = False  # somebody was, or may have been, handed over


def judge(readers: Sequence[Claimed], answers: Sequence[Answer], *, idempotent: bool) -> Outcome:
    """Turn a call's answers into changes of the ledger."""
    changes = []
    hold: str | None = None
    rounds: set[int] = set()
    blamed = _blamed(answers)
    for index, (reader, answer) in enumerate(zip(readers, answers, strict=True)):
        change = _change(reader, answer, blame=index in blamed, idempotent=idempotent)
        changes.append(change)
        if answer.verdict is Verdict.STOP:
            hold = hold or answer.reason or "the transport refuses to go on"
        elif answer.quota_spent:
            hold = hold or f"the day's quota is used up ({answer.reason or 'said the provider'})"
        elif change.state == "pending" and index in blamed:
            rounds.add(change.batch // ROUND)
            if change.batch < ROUND:
                hold = hold or f"tried {TRIES} times without success: {answer.reason or 'no reason given'}"
    verdicts = {answer.verdict for answer in answers}
    return Outcome(
        changes,
        hold=hold,
        throttled=any(answer.throttled for answer in answers),
        retry_rounds=frozenset(rounds - {0}),
        lost=Verdict.UNKNOWN in verdicts and verdicts.isdisjoint(CONCLUSIVE),
        taken=Verdict.ACCEPTED in verdicts,
        went=not verdicts.isdisjoint({Verdict.ACCEPTED, Verdict.UNKNOWN}),
    )


def _blamed(answers: Sequence[Answer]) -> set[int]:
    """Whose failure counts as one of their tries.

    A transport that calls once per reader gives up a batch at the first failure, and the readers behind it come back
    untried: where somebody got a clear answer, only the first without one is charged.
    """
    if any(answer.throttled or answer.quota_spent or answer is UNTOUCHED for answer in answers):
        return set()
    unclear = {index for index, answer in enumerate(answers) if answer.verdict in {Verdict.RETRY, Verdict.UNKNOWN}}
    clear = any(answer.verdict in CONCLUSIVE for answer in answers)
    return {min(unclear)} if clear and unclear else unclear


def _change(reader: Claimed, answer: Answer, *, blame: bool, idempotent: bool) -> Change:
    """One reader's new state. A reader put back after a failure of its own queues up behind all others."""
    reason = answer.reason or None
    match answer.verdict:
        case Verdict.ACCEPTED:
            return Change(reader.subscriber_id, reader.attempt, "accepted", answer.message_id)
        case Verdict.REFUSED:
            return Change(reader.subscriber_id, reader.attempt, "refused", answer.message_id, reason or "refused")
        case Verdict.UNKNOWN:
            if not idempotent:
                doubt = reason or "the answer was lost"
                return Change(reader.subscriber_id, reader.attempt, "uncertain", answer.message_id, doubt)
    untouched = answer is UNTOUCHED
    return Change(
        reader.subscriber_id,
        reader.attempt,
        "pending",
        reason=reason,
        batch=next_round(reader.batch) if blame else reader.batch,
        same_tag=idempotent or untouched,
        given=idempotent and (reader.given or not untouched),
    )


def next_round(batch: int) -> int:
    """The batch's number in the next round of retries; the first round again when the tries are used up."""
    tried = batch // ROUND + 1
    return batch % ROUND + (tried % TRIES) * ROUND
