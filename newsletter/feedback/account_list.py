"""Once a day: whom Amazon SES itself will not mail any more is suppressed here too.

SES keeps a list of its own for the account. It takes mail for such an address, counts it against the quota and does
not send it; so ours should have whatever theirs has. Only the keyed hash of an address is kept here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import EVERYWHERE, Suppressed, Suppression
from newsletter.audience.suppression import suppress_many
from newsletter.errors import InputError, Refused
from newsletter.feedback.aws import ERRORS, client, in_words
from newsletter.settings import SesSettings, Settings
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.tables import feed_positions, suppression_lifts, suppressions
from newsletter.store.upsert import upsert

SOURCE = "ses-account-list"
EVERY = timedelta(days=1)
_OVERLAP = timedelta(hours=1)  # what SES was still writing when it was asked last
_PAGE = 1_000
_BETWEEN = 1.0  # seconds: SES allows one such call a second
_REASONS = {"BOUNCE": Suppressed.HARD_BOUNCE, "COMPLAINT": Suppressed.COMPLAINT}


@dataclass(frozen=True)
class Synced:
    """What a run found."""

    listed: int = 0  # addresses SES has added since the last run
    new: int = 0  # that were not suppressed here


def is_due(store: Store, settings: Settings, now: datetime) -> bool:
    """Whether the settings want it and the last complete run is a day ago."""
    if settings.transport.kind != "ses" or not settings.feedback.sync_suppressions:
        return False
    with store.read() as connection:
        last = _last_run(connection, settings.ses)
    return last is None or now - last >= EVERY


def sync(
    store: Store,
    settings: Settings,
    keys: KeyRing,
    *,
    now: datetime,
    stop: Callable[[], bool] = lambda: False,
    pause: Callable[[float], None] = time.sleep,
    asked: Any = None,
) -> Synced:
    """Take over what SES has put on its list since the last complete run. Raises Refused when it cannot be asked."""
    ses = asked or client("sesv2", settings.ses.region, settings.ses.endpoint_url)
    with store.read() as connection:
        last = _last_run(connection, settings.ses)
    total = Synced()
    for page in _pages(ses, since=last - _OVERLAP if last else None, pause=pause):
        entries = [entry for listed in page if (entry := _entry(listed, keys, now)) is not None]
        with store.write() as connection:
            new = _take(connection, entries)
        total = Synced(total.listed + len(page), total.new + new)
        if stop():
            return total  # not complete: the next run begins where this one did
    with store.write() as connection:
        row = {"feed": _feed(settings.ses), "position": now.isoformat()}
        upsert(connection, feed_positions, row, key=["feed"], changes={"position": row["position"]})
    return total


def _feed(settings: SesSettings) -> str:
    return f"{SOURCE}:{settings.region}:{settings.endpoint_url or ''}"


def _last_run(connection: Connection, settings: SesSettings) -> datetime | None:
    written = connection.scalar(select(feed_positions.c.position).where(feed_positions.c.feed == _feed(settings)))
    return datetime.fromisoformat(written) if written else None


def _pages(ses: Any, *, since: datetime | None, pause: Callable[[float], None]) -> Iterator[Sequence[dict[str, Any]]]:
    asked: dict[str, Any] = {"PageSize": _PAGE} | ({"StartDate": since} if since else {})
    while True:
        try:
            answer = ses.list_suppressed_destinations(**asked)
        except ERRORS as error:
            raise Refused(
                f"Amazon SES does not show its suppression list: {in_words(error)}. The AWS keys need "
                "ses:ListSuppressedDestinations; or set sync_suppressions = false in [feedback]."
            ) from None
        yield answer.get("SuppressedDestinationSummaries", [])
        if not answer.get("NextToken"):
            return
        asked["NextToken"] = answer["NextToken"]
        pause(_BETWEEN)


def _entry(listed: dict[str, Any], keys: KeyRing, now: datetime) -> tuple[str, Suppression] | None:
    reason = _REASONS.get(listed.get("Reason", ""))
    try:
        hashed = address_hash(normalise(str(listed.get("EmailAddress", ""))).normal, keys.hash)
    except InputError:  # nothing that could be one of our readers'
        return None
    return (hashed, Suppression(reason, EVERYWHERE, SOURCE, listed.get("LastUpdateTime") or now)) if reason else None


def _take(connection: Connection, entries: Sequence[tuple[str, Suppression]]) -> int:
    """Suppress them, but for those whom a person took off here since SES listed them; how many are new."""
    hashes = {hashed for hashed, _ in entries}
    lift = suppression_lifts.c
    query = select(lift.address_hash, lift.reason, func.max(lift.lifted_at)).where(lift.address_hash.in_(hashes))
    rows = connection.execute(query.where(lift.scope == EVERYWHERE).group_by(lift.address_hash, lift.reason))
    lifted = {(hashed, reason): at for hashed, reason, at in rows}
    wanted = [
        (hashed, why)
        for hashed, why in entries
        if (at := lifted.get((hashed, why.reason.value))) is None or at < why.at
    ]
    before = _number(connection, hashes)
    suppress_many(connection, wanted)
    return _number(connection, hashes) - before


def _number(connection: Connection, hashes: set[str]) -> int:
    table = suppressions.c
    query = select(func.count()).where(table.address_hash.in_(hashes), table.scope == EVERYWHERE)
    return connection.scalar(query.where(table.reason.in_([each.value for each in _REASONS.values()]))) or 0
