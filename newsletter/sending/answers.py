"""What an answer does to a delivery, and to the send as a whole: pure functions and numbers, no clock, no store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import unescape

from newsletter.sending.leases import LEASE_SECONDS
from newsletter.sending.ledger import ROUND, ROUNDS, Change, Claimed
from newsletter.sending.slices import SILENT_SECONDS
from newsletter.transports.mail import Answer, Verdict

CONCLUSIVE = frozenset({Verdict.ACCEPTED, Verdict.REFUSED})
UNTOUCHED = Answer(Verdict.RETRY, reason="")  # claimed, but never given to the transport
MAX_REASON = 300
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[a-z/!?][^<>@]*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Patience:
    """How long to wait before trying again, and when to stop trying."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    lost_calls: int = 5  # calls in a row that came to nothing before the send is parked
    throttled_groups: int = 12  # "too fast" in a row before the send is parked
    clean_seconds: float = 60.0  # of slots given until a lowered rate is raised by one step
    away_minutes: tuple[float, ...] = (1, 2, 5, 10, 15)  # a parked send's waits for a provider that is away
    quota_minutes: float = 60.0  # between two looks at a quota that comes back over the day
    store_seconds: float = 120.0  # that answers are kept for a database that is away
    lease_seconds: float = LEASE_SECONDS
    silent_seconds: float = SILENT_SECONDS  # until a worker's jobs are somebody else's

    def wait(self, times: int) -> float:
        """The longest wait after that many failures in a row; the caller takes a random part of it."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(times, 30))


class Why(StrEnum):
    """What a held send waits for."""

    PERSON = "person"
    QUOTA = "quota"  # comes back by itself
    AWAY = "away"  # the provider may come back by itself


@dataclass(frozen=True)
class Hold:
    """Why a send must stop."""

    reason: str
    why: Why = Why.PERSON


@dataclass(frozen=True)
class Outcome:
    """What a finished call means."""

    changes: list[Change]
    hold: Hold | None = None
    throttled: bool = False
    retry_rounds: frozenset[int] = frozenset()  # of readers put back after a failure of their own
    lost: bool = False  # nobody got a clear answer, and nothing says why
    taken: bool = False  # somebody was accepted
    went: bool = False  # somebody was, or may have been, handed over


def judge(readers: Sequence[Claimed], answers: Sequence[Answer], *, idempotent: bool) -> Outcome:
    """Turn a call's answers into changes of the ledger."""
    if all(answer.verdict is Verdict.ACCEPTED for answer in answers):  # as nearly always, and then in no time
        return _all_accepted(readers, answers)
    changes = []
    hold: Hold | None = None
    rounds: set[int] = set()
    blamed = _blamed(answers)
    for index, (reader, answer) in enumerate(zip(readers, answers, strict=True)):
        change = _change(reader, answer, blame=index in blamed, idempotent=idempotent)
        changes.append(change)
        if answer.verdict is Verdict.STOP:
            hold = hold or Hold(in_a_line(answer.reason) or "the transport refuses to go on")
        elif answer.quota_spent:
            said = in_a_line(answer.reason) or "said the provider"
            hold = hold or Hold(f"the day's quota is used up ({said})", Why.QUOTA)
        elif change.state == "pending" and index in blamed:
            rounds.add(change.batch // ROUND)
            if change.batch < ROUND:
                said = in_a_line(answer.reason) or "no reason given"
                hold = hold or Hold(f"tried {ROUNDS} times without success: {said}")
    verdicts = {answer.verdict for answer in answers}
    return Outcome(
        changes,
        hold=hold,
        throttled=any(answer.throttled for answer in answers),
        retry_rounds=frozenset(rounds - {0}),
        lost=bool(blamed) and verdicts <= {Verdict.UNKNOWN, Verdict.RETRY},
        taken=Verdict.ACCEPTED in verdicts,
        went=not verdicts.isdisjoint({Verdict.ACCEPTED, Verdict.UNKNOWN}),
    )


def _all_accepted(readers: Sequence[Claimed], answers: Sequence[Answer]) -> Outcome:
    accepted = [
        Change(reader.subscriber_id, reader.attempt, "accepted", answer.message_id)
        for reader, answer in zip(readers, answers, strict=True)
    ]
    throttled = any(answer.throttled for answer in answers)
    return Outcome(accepted, throttled=throttled, taken=bool(accepted), went=bool(accepted))


def in_a_line(reason: str) -> str:
    """A provider's words as they may stand in a list: some come over many lines, or as the page of a proxy."""
    text = unescape(_MARKUP.sub(" ", reason[: 40 * MAX_REASON]))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


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
    reason = in_a_line(answer.reason) or None
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
        same_tag=idempotent,
        given=idempotent and (reader.given or not untouched),
    )


def next_round(batch: int) -> int:
    """The batch's number in the next round of retries; the first round again when the tries are used up."""
    tried = batch // ROUND + 1
    return batch % ROUND + (tried % ROUNDS) * ROUND
