"""Trouble on order: what should go wrong, after how many sending calls, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from newsletter.simulator.errors import SesError


class Fault(BaseModel):
    """One order, as posted to `/_simulator/faults`."""

    model_config = ConfigDict(extra="forbid")

    do: Literal[
        "drop-after-accept", "drop-before-accept", "throttle", "error-500", "error", "slow", "entries", "account"
    ]
    after: int = Field(default=0, ge=0)  # sending calls to let through first
    times: int = Field(default=1, ge=1)
    seconds: float = Field(default=0.0, ge=0, le=600)  # slow
    code: str = Field(default="InternalServiceErrorException", pattern=r"^[A-Za-z]{1,80}$")  # error
    status: int = Field(default=0, ge=0, le=599)  # error: 0 is the code's usual one
    message: str = Field(default="Ordered by the test.", max_length=500, pattern=r"^[^\r\n]*$")  # error, entries
    entry_status: str = Field(default="FAILED", pattern=r"^[A-Z_]{1,80}$")  # entries
    account: dict[str, object] = Field(default_factory=dict)  # account: members over GetAccount's answer, until cleared


@dataclass
class _Pending:
    fault: Fault
    wait: int
    left: int


class Faults:
    """The orders not yet carried out. Each sending call meets at most one."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []
        self.account: dict[str, object] = {}

    def order(self, fault: Fault) -> None:
        if fault.do == "account":
            self.account = fault.account
        else:
            self._pending.append(_Pending(fault, fault.after, fault.times))

    def clear(self) -> None:
        self._pending.clear()
        self.account = {}

    def next(self) -> Fault | None:
        """The fault this sending call meets."""
        met = None
        for pending in list(self._pending):
            if pending.wait:
                pending.wait -= 1
            elif met is None:
                met = pending.fault
                pending.left -= 1
                if not pending.left:
                    self._pending.remove(pending)
        return met


def raise_before_acceptance(fault: Fault | None) -> None:
    """The faults in which SES takes nothing. Raises SesError."""
    if fault is None:
        return
    if fault.do == "throttle":
        raise SesError("TooManyRequestsException", "Maximum sending rate exceeded.")
    if fault.do == "error-500":
        raise SesError("InternalServiceErrorException", "Internal failure.")
    if fault.do == "error":
        raise SesError(fault.code, fault.message, status=fault.status or None)
