"""What a delivery's events amount to: a fold that gives the same in any order and any number of repetitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from newsletter.feedback.vocabulary import NO_PROOF, NOT_SENT, ON_THEIR_LIST, Event, Kind

SETTLED, OUTCOME, NOTHING, UNKNOWN_DELIVERY = "settled", "outcome", "nothing", "unknown-delivery"

# The gravest decides. A soft bounce ranks below a delivery: automatic replies look like one.
_RANKS = {
    Kind.COMPLAINT: 6,
    Kind.BOUNCE: 5,
    Kind.REJECT: 4,
    Kind.NOT_RENDERED: 4,
    Kind.DELIVERY: 3,
    Kind.SOFT_BOUNCE: 2,
    Kind.DELAY: 1,
}
_OUTCOMES = {6: "complained", 5: "bounced", 4: "rejected", 3: "delivered", 2: "bounced", 1: "delayed", 0: "none"}
_SOFT_BOUNCED = 2
_HEARD = 2  # from this rank on something final was heard


@dataclass
class Standing:
    """One row of the ledger, as far as feedback changes it."""

    state: str
    attempt: int
    message_id: str | None = None
    reason: str | None = None
    rank: int = 0
    outcome_at: datetime | None = None
    detail: str | None = None
    owner: str | None = None

    @property
    def outcome(self) -> str:
        return _OUTCOMES[self.rank]

    @property
    def heard(self) -> bool:
        """Whether something final was heard of it: more than that it is still tried."""
        return self.rank >= _HEARD

    @property
    def complained(self) -> bool:
        return self.outcome == "complained" and not self._on_their_list

    @property
    def hard_bounced(self) -> bool:
        """Whether a receiver said for good that it will not take it; Amazon SES counts such against the sender."""
        return self.outcome == "bounced" and self.rank > _SOFT_BOUNCED and not self._on_their_list

    @property
    def _on_their_list(self) -> bool:
        return self.detail is not None and ON_THEIR_LIST in self.detail

    def take(self, event: Event, attempt: int) -> str:
        """Fold one event of that attempt in; what it did: settled, outcome or nothing."""
        settled = self._settle(event, attempt)
        heard = self._hear(event)
        return SETTLED if settled else OUTCOME if heard else NOTHING

    def _settle(self, event: Event, attempt: int) -> bool:
        """Whether the event changed what is known of the hand-over.

        Proof of any attempt counts, an earlier one's too: who was mailed then has the issue, whatever came after.
        That the provider did not mail it says something of its own attempt only, and only while that is open.
        """
        if event.kind in NOT_SENT:
            if self.state not in {"in_flight", "uncertain"} or attempt != self.attempt:
                return False
            self.state, self.reason = "refused", f"{event.kind}: {event.detail}"
        elif event.kind in NO_PROOF or self.state == "accepted":
            return False
        else:
            self.state, self.reason = "accepted", None
        self.attempt = max(self.attempt, attempt)
        self.message_id = event.message_id
        return True

    def _hear(self, event: Event) -> bool:
        rank = _RANKS.get(event.kind, 0)
        before = (-self.rank, self.outcome_at or event.occurred_at, self.detail or "")
        if rank == 0 or (-rank, event.occurred_at, event.detail) >= before:
            return False
        self.rank, self.outcome_at, self.detail = rank, event.occurred_at, event.detail or None
        return True


def rank_of(outcome: str, *, hard: bool) -> int:
    """The rank of a stored outcome; `hard` says whether a bounce among its events was permanent."""
    if outcome == "bounced" and not hard:
        return _SOFT_BOUNCED
    return max(rank for rank, name in _OUTCOMES.items() if name == outcome)
