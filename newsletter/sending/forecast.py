"""How long a send will take, and so when it must begin for the last reader to have it by an hour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from newsletter.audience.explain import count
from newsletter.settings import NewsletterSettings
from newsletter.store.tables import pace
from newsletter.transports.mail import Quota

RESERVE = 0.05  # of the time it takes, one minute at least: to get ready, and for what goes wrong
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Forecast:
    """So many readers at so many a second; None where nothing limits the rate."""

    readers: int
    rate: float | None
    left_today: int | None = None

    @property
    def takes(self) -> timedelta:
        """In whole minutes, rounded up."""
        seconds = self.readers / self.rate if self.rate else 0.0
        return math.ceil(seconds / 60) * _MINUTE

    @property
    def reserve(self) -> timedelta:
        return max(1, math.ceil(self.takes / _MINUTE * RESERVE)) * _MINUTE

    def begins(self, done_by: datetime) -> datetime:
        """When to begin, for the last of them to be handed over by then."""
        return done_by - self.takes - self.reserve

    @property
    def in_words(self) -> str:
        """`41,200 readers at 12.6/s take 55 min; with 3 min in reserve`"""
        readers = f"{self.readers:,} reader{'' if self.readers == 1 else 's'}"
        if self.rate is None:
            return f"{readers}; the transport says nothing of a rate, so"
        take = "takes" if self.readers == 1 else "take"
        return f"{readers} at {self.rate:,.1f}/s {take} {_length(self.takes)}; with {_length(self.reserve)} in reserve"

    @property
    def warning(self) -> str | None:
        """Said when the provider's daily quota is smaller than the audience."""
        if self.left_today is None or self.left_today >= self.readers:
            return None
        return f"the provider's daily quota has {self.left_today:,} left now, fewer than the {self.readers:,} readers"


def forecast(
    connection: Connection, newsletter: str, settings: NewsletterSettings, *, quota: Quota, scope: str, now: datetime
) -> Forecast:
    """By the newsletter's audience as it is, and the provider's rate, or the lower one that was learnt since."""
    readers = count(connection, newsletter, settings=settings, at=now)["mailable"]
    learnt = connection.scalar(select(pace.c.rate).where(pace.c.scope == scope))
    rate = quota.rate if quota.rate is None or learnt is None else min(quota.rate, float(learnt))
    return Forecast(readers, rate, quota.left_today)


def _length(time: timedelta) -> str:
    hours, minutes = divmod(int(time / _MINUTE), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
