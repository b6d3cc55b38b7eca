"""Whether a host is this machine: the simulator neither listens nor speaks to any other."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """By its address, or the one name that always means it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
