"""How often a form may be used, so that nobody can flood a mailbox with it: by network, by address, by domain.

Uses are counted in fixed hours and days (UTC) under keyed hashes: the counters name neither an address nor a network.
They are looked at in that order, and what is over one limit is not counted against the next: somebody who is over the
limit of his network cannot use up another's.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network

from sqlalchemy import Connection, select

from newsletter.audience.addresses import Address
from newsletter.settings import SignupSettings
from newsletter.store.keys import Key
from newsletter.store.tables import form_uses
from newsletter.store.upsert import upsert

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Who gets an IPv4 address of a /24, or an IPv6 address of a /64, can mostly get the others too.
_NETWORK_BITS = {4: 24, 6: 64}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


class Limit(StrEnum):
    """What a limit goes by."""

    NETWORK = "network"
    ADDRESS = "address"
    DOMAIN = "domain"


@dataclass(frozen=True)
class Over:
    """A limit that is used up, and when it is counted anew."""

    limit: Limit
    again: datetime


def use_form(
    connection: Connection,
    key: Key,
    settings: SignupSettings,
    *,
    address: Address,
    network_address: str | None,
    now: datetime,
) -> Over | None:
    """Count one use of a form; the first limit that it is over, or None. The caller holds the write lock."""
    counted = (
        (Limit.NETWORK, network_of(network_address), settings.per_network_an_hour, HOUR),
        (Limit.ADDRESS, mailbox_of(address), settings.per_address_a_day, DAY),
        (Limit.DOMAIN, address.normal.rpartition("@")[2], settings.per_domain_an_hour, HOUR),
    )
    for limit, value, most, window in counted:
        start = _EPOCH + (now - _EPOCH) // window * window
        uses = _count(connection, bucket(key, limit, value), start)
        if uses > most:
            _tell(limit, uses, most)
            return Over(limit, start + window)
    return None


def mailbox_of(address: Address) -> str:
    """The mailbox an address most likely ends in. For counting alone: whose a +tag is, its provider decides."""
    local, _, domain = address.normal.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def network_of(network_address: str | None) -> str:
    """The network an address belongs to; all whose address is not known share one."""
    try:
        found = ip_address(network_address or "")
    except ValueError:
        return "unknown"
    return str(ip_network((found, _NETWORK_BITS[found.version]), strict=False))


def bucket(key: Key, limit: Limit, value: str) -> str:
    """The name of a counter, which tells nothing without the key."""
    return f"{limit}:{hmac.digest(key.secret, f'form use|{limit}|{value}'.encode(), 'sha256').hex()}"


def _count(connection: Connection, name: str, start: datetime) -> int:
    row = {"bucket": name, "window_start": start, "uses": 1}
    upsert(connection, form_uses, row, key=("bucket", "window_start"), changes={"uses": form_uses.c.uses + 1})
    this = (form_uses.c.bucket == name, form_uses.c.window_start == start)
    return int(connection.execute(select(form_uses.c.uses).where(*this)).scalar_one())


def _tell(limit: Limit, uses: int, most: int) -> None:
    """Once when the limit is passed and once for each further multiple: a flood of requests is none of log lines."""
    if (uses - 1) % most == 0:
        log.warning("Sign-up: %d uses of the form by one %s; more than %d are refused.", uses, limit, most)
