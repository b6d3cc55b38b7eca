"""The rate of the account: short bursts pass, a debt is paid before the next call."""

from __future__ import annotations

import pytest

from newsletter.simulator.account import DAY, Account
from newsletter.simulator.errors import SesError


def test_a_call_passes_on_one_token_and_the_next_waits_for_the_debt() -> None:
    at = [0.0]
    account = Account(rate=10, daily=-1, clock=lambda: at[0])
    account.pace(50)
    for at[0] in (0.0, 1.0, 4.0):
        with pytest.raises(SesError, match="Maximum sending rate exceeded"):
            account.pace(1)
    at[0] = 4.2
    account.pace(1)


def test_the_day_rolls() -> None:
    at = [1_000_000.0]
    account = Account(rate=10, daily=100, wall=lambda: at[0], sent=[(1_000_000.0 - DAY + 60, 90)])
    account.count(5)
    assert account.room() == 5
    at[0] += 61
    assert account.room() == 95
