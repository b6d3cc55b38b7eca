"""Trouble on order: what should go wrong, at which sending calls, and how often.

Chance is seeded and each order draws its own, so a script makes the same trouble at the same calls every time.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from newsletter.simulator.errors import SesError

Kind = Literal[
    "drop-after-accept",
    "drop-before-accept",
    "throttle",
    "daily-quota",
    "error-500",
    "error",
    "slow",
    "entries",
    "outage",
    "paused",
    "shutdown",
    "account",
]
# The keys that say more about a kind; with any other kind they would be without effect.
_OWN: dict[str, tuple[str, ...]] = {
    "seconds": ("slow", "outage", "daily-quota", "paused", "shutdown"),
    "code": ("error",),
    "status": ("error",),
    "message": ("error", "entries"),
    "entry_status": ("entries",),
    "share": ("entries",),
    "account": ("account",),
}
_WHEN = ("after", "times", "every", "chance", "op")
_STATES = frozenset({"daily-quota", "paused", "shutdown"})


class Fault(BaseModel):
    """One order. It counts the sending calls (of `op`), lets `after` of them through, and then meets `times` of them:
    each one, every so manieth, or each by chance."""

    model_config = ConfigDict(extra="forbid")

    do: Kind
    op: Literal["SendEmail", "SendBulkEmail"] | None = None
    after: int = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=1)  # once, or without end where `every` or `chance` is given
    every: int | None = Field(default=None, ge=1)
    chance: float | None = Field(default=None, gt=0, le=1)
    seconds: float = Field(default=0.0, ge=0, le=3600)
    code: str = Field(default="InternalServiceErrorException", pattern=r"^[A-Za-z]{1,80}$")
    status: int = Field(default=0, ge=0, le=599)  # 0 is the code's usual one
    message: str = Field(default="Ordered by a fault script.", max_length=500, pattern=r"^[^\r\n]*$")
    entry_status: str | tuple[str, ...] = "FAILED"  # one of several by chance; unknown ones too, as SES may add some
    share: float = Field(default=1.0, gt=0, le=1)  # of a bulk call's entries
    account: dict[str, object] = Field(default_factory=dict)  # members over GetAccount's answer, until cleared

    @model_validator(mode="after")
    def _fits(self) -> Fault:
        given = self.model_fields_set
        idle = sorted(name for name, kinds in _OWN.items() if name in given and self.do not in kinds)
        if self.do == "account":
            idle += [name for name in _WHEN if name in given]
        if idle:
            raise ValueError(f"`{idle[0]}` has no effect on `{self.do}`.")
        if self.every is not None and self.chance is not None:
            raise ValueError("say `every` or `chance`, not both.")
        if self.do == "outage" and not self.seconds:
            raise ValueError("say for how many `seconds` nobody answers.")
        if not all(_is_status(status) for status in self.statuses) or not self.statuses:
            raise ValueError("`entry_status` is one of SES's, such as TRANSIENT_FAILURE, or a list of them.")
        return self

    @property
    def statuses(self) -> tuple[str, ...]:
        return (self.entry_status,) if isinstance(self.entry_status, str) else self.entry_status


def _is_status(status: str) -> bool:
    return 1 <= len(status) <= 80 and status.isascii() and status.replace("_", "").isalpha() and status.isupper()


@dataclass
class _Pending:
    fault: Fault
    dice: random.Random
    wait: int
    left: int | None  # None: without end
    seen: int = 0

    def meets(self) -> bool:
        """Whether this call is one of those meant."""
        if self.wait:
            self.wait -= 1
            return False
        self.seen += 1
        if self.fault.every is not None:
            return self.seen % self.fault.every == 0
        return self.fault.chance is None or self.dice.random() < self.fault.chance


class Faults:
    """The orders not yet carried out, and what they made of the account. Each sending call meets at most one."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.seed = seed
        self._clock = clock
        self._pending: list[_Pending] = []
        self._ordered = 0
        self._account: dict[str, object] = {}
        self._states: dict[str, float] = {}  # until when on the clock
        self.met: Counter[str] = Counter()  # how many calls met what

    def order(self, fault: Fault) -> None:
        self._ordered += 1
        if fault.do == "account":
            self._account = fault.account
            return
        unending = fault.every is not None or fault.chance is not None
        left = fault.times if fault.times is not None or unending else 1
        dice = random.Random(f"{self.seed}/{self._ordered}")  # noqa: S311 - trouble, not secrets
        self._pending.append(_Pending(fault, dice, fault.after, left))

    def clear(self) -> None:
        self._pending.clear()
        self._states.clear()
        self._account = {}

    def next(self, operation: str) -> tuple[Fault, random.Random] | None:
        """The fault this sending call meets, and the dice it draws from."""
        met: _Pending | None = None
        for pending in list(self._pending):
            if pending.fault.op not in {None, operation} or not (pending.wait or met is None):
                continue
            if not pending.meets():
                continue
            met = pending
            if pending.left is not None:
                pending.left -= 1
                if not pending.left:
                    self._pending.remove(pending)
        if met is None:
            return None
        fault = met.fault
        self.met[fault.do] += 1
        if fault.do in _STATES and (fault.seconds or fault.do != "daily-quota"):
            self._states[fault.do] = self._clock() + fault.seconds if fault.seconds else float("inf")
        return fault, met.dice

    def is_in(self, state: str) -> bool:
        """Whether the account is in a state that was ordered."""
        until = self._states.get(state)
        if until is None:
            return False
        if until <= self._clock():
            del self._states[state]
            return False
        return True

    def answer(self, account: dict[str, object]) -> dict[str, object]:
        """GetAccount's answer under these orders."""
        answer = dict(account)
        if self.is_in("paused") or self.is_in("shutdown"):
            answer["SendingEnabled"] = False
        if self.is_in("shutdown"):
            answer["EnforcementStatus"] = "SHUTDOWN"
        quota = answer["SendQuota"]
        if self.is_in("daily-quota") and isinstance(quota, dict):
            answer["SendQuota"] = {**quota, "SentLast24Hours": quota["Max24HourSend"]}
        return {**answer, **self._account}

    def refuse(self, fault: Fault | None) -> None:
        """The trouble in which SES takes nothing of a call. Raises SesError."""
        if self._states:
            if self.is_in("shutdown"):
                raise SesError("AccountSuspendedException", "The account's ability to send email is suspended.")
            if self.is_in("paused"):
                raise SesError("SendingPausedException", "Email sending is paused for this account.")
            if self.is_in("daily-quota"):
                raise SesError("TooManyRequestsException", "Daily message quota exceeded.")
        if fault is None:
            return
        if fault.do == "throttle":
            raise SesError("TooManyRequestsException", "Maximum sending rate exceeded.")
        if fault.do == "daily-quota":
            raise SesError("TooManyRequestsException", "Daily message quota exceeded.")
        if fault.do == "error-500":
            raise SesError("InternalServiceErrorException", "Internal failure.")
        if fault.do == "error":
            raise SesError(fault.code, fault.message, status=fault.status or None)
