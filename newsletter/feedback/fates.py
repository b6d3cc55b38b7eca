"""A row of the ledger said as a sentence, with what a person can do about it. Pure: a row in, words out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from newsletter.audience.consent import IN_WORDS
from newsletter.sending.prepare import ALREADY_HAD, NOT_IN_SEGMENT
from newsletter.sending.readers import NOT_A_READER_OF
from newsletter.sending.sends import Send

Sentence = tuple[str, tuple[str, ...]]  # and the commands that help further


@dataclass(frozen=True)
class Told:
    """One reader's row of a send's ledger."""

    state: str
    reason: str | None
    batch: int
    variant: str
    attempt: int
    handed_over_at: datetime | None
    message_id: str | None
    tracking: str
    outcome: str
    outcome_at: datetime | None
    outcome_detail: str | None


def sentence(
    send: Send, address: str, row: Told, *, zone: tzinfo | None, elsewhere: Sequence[Mapping[str, Any]] = ()
) -> Sentence:
    """What became of the reader, in the newsletter's time."""
    reader = _Reader(send, address, row, zone)
    if row.state == "excluded":
        return reader.left_out(elsewhere)
    return {
        "pending": reader.waiting,
        "in_flight": reader.under_way,
        "uncertain": reader.in_doubt,
        "refused": reader.refused,
        "accepted": reader.accepted,
    }[row.state]()


@dataclass(frozen=True)
class _Reader:
    send: Send
    address: str
    row: Told
    zone: tzinfo | None

    def left_out(self, elsewhere: Sequence[Mapping[str, Any]]) -> Sentence:
        reason = self.row.reason or "no reason on record"
        said = f"{self.address} did not get it: left out as `{reason}`"
        explain = f"newsletter audience explain {self.address} --newsletter {self.send.newsletter}"
        if reason == ALREADY_HAD:
            had = next((other for other in elsewhere if other["state"] in {"accepted", "uncertain", "in_flight"}), None)
            where = f", from send {had['send']}" if had else ""
            again = (f"newsletter sends why {had['send']} {self.address}",) if had else ()
            return f"{said}, which had the issue already{where}. An issue goes to a reader once.", again
        if reason == NOT_IN_SEGMENT:
            rest = f"newsletter send {self.send.issue} --rest"
            return f"{said}: this send was for the segment {self.send.segment} only.", (rest,)
        if reason == NOT_A_READER_OF:
            return f"{said}: this send was for those who had issue {self.send.readers_of} only.", (explain,)
        if reason == "cancelled":
            why = self.send.reason or "it was cancelled"
            return f"{said}: the send ended before this reader's turn ({why}).", (
                f"newsletter send {self.send.issue} --rest",
            )
        if reason in IN_WORDS:
            return f"{said}: {IN_WORDS[reason]}.", (explain, f"newsletter consent show {self.address}")
        return f"{said}.", (explain,)

    def waiting(self) -> Sentence:
        send, tried = self.send, self.row.attempt
        said = f"{self.address} has not been handed over yet: the send is {send.state}"
        said += f" ({send.reason})" if send.reason else ""
        if tried:
            times = "once" if tried == 1 else f"{tried} times"
            said += f"; tried {times}, and to be tried again"
            said += f" ({self.row.reason})" if self.row.reason else ""
        go_on = (f"newsletter sends resume {send.id}",) if not send.finished else ()
        return f"{said}.", go_on

    def under_way(self) -> Sentence:
        said = f"{self.address} is being handed over right now (attempt {self.row.attempt}, since {self._handed()})."
        return said, (f"newsletter sends show {self.send.id}",)

    def in_doubt(self) -> Sentence:
        said = (
            f"Nobody knows whether {self.address} got it: handed over {self._handed()} (attempt {self.row.attempt}), "
            f"and the answer was lost ({self.row.reason or 'no reason on record'})."
        )
        return said, ("newsletter sends settle", f"newsletter sends resolve {self.send.id}")

    def refused(self) -> Sentence:
        said = (
            f"{self.address} did not get it: {self._provider} would not take it {self._handed()} "
            f"(attempt {self.row.attempt}): {self.row.reason or 'no reason on record'}."
        )
        return said.replace("..", "."), (f"newsletter sends refused {self.send.id}",)

    def accepted(self) -> Sentence:
        row = self.row
        took = f"{self._provider} took it {self._handed()} (attempt {row.attempt})"
        when = f" {self._at(row.outcome_at)}" if row.outcome_at else ""
        why = f" ({row.outcome_detail})" if row.outcome_detail else ""
        said, steps = {
            "none": self._silence(took),
            "delivered": (f"{self.address} got it: {took}, and the mailbox accepted it{when}.", ()),
            "delayed": self._delayed(took, when, why),
            "bounced": self._bounced(took, when, why),
            "complained": self._complained(took, when, why),
            "rejected": (f"{self.address} did not get it: {took}, and then did not mail it{when}{why}.", ()),
        }[row.outcome]
        return said, steps

    def _delayed(self, took: str, when: str, why: str) -> Sentence:
        said = f"{self.address} may not have it yet: {took}, and the mailbox has put it off{when}{why}; "
        return f"{said}it is tried again for some hours.", ()

    def _complained(self, took: str, when: str, why: str) -> Sentence:
        said = f"{self.address} got it and reported it as spam: {took}; the complaint came{when}{why}. "
        return f"{said}No mail goes there again without a fresh yes.", (f"newsletter consent show {self.address}",)

    def _silence(self, took: str) -> Sentence:
        if self.send.transport != "ses":
            said = f"{self.address} was mailed: {took}."
            return f"{said} By this way ({self.send.transport}) nothing is heard afterwards.", ()
        said = f"{took[0].upper()}{took[1:]} for {self.address}, and nothing has come back since: delivered or not, "
        return f"{said}no event says.", ("newsletter sends settle",)

    def _bounced(self, took: str, when: str, why: str) -> Sentence:
        detail = self.row.outcome_detail or ""
        if detail.startswith(("Transient/", "Undetermined/")):
            said = f"{self.address} probably did not get it: {took}, and the mailbox refused it this time{when}{why}."
            return f"{said} An automatic reply can look like that.", ()
        said = f"{self.address} did not get it: {took}, and the mailbox refused it for good{when}{why}."
        return said, (f"newsletter audience explain {self.address} --newsletter {self.send.newsletter}",)

    @property
    def _provider(self) -> str:
        return {"ses": "Amazon SES", "smtp": "the relay", "outbox": "the outbox"}.get(
            self.send.transport, self.send.transport
        )

    def _handed(self) -> str:
        return self._at(self.row.handed_over_at) if self.row.handed_over_at else "at a moment not on record"

    def _at(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"on {local.day} {local:%B %Y} at {local:%H:%M:%S}"
