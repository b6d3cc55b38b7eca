"""The kinds of values that settings are made of: each is checked, and says what to write instead."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field

from newsletter.documents import did_you_mean

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{value}" is not a time zone. {did_you_mean_zone(value)}') from None
    return value


def did_you_mean_zone(value: str) -> str:
    """The nearest IANA zone, by the whole name or by the city alone (`New York` -> America/New_York)."""
    zones = available_timezones()
    city = value.replace(" ", "_").lower()
    for zone in sorted(zones):
        if zone.lower().endswith("/" + city):
            return f"Did you mean `{zone}`?"
    hint = did_you_mean(value, zones)
    return hint if hint.startswith("Did") else "Use an IANA name such as America/New_York."


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[^\s?#\"'<>{}\\|^`]*)?", value) or not _splits(value):
        raise ValueError("must be an http(s) address without a query, such as https://news.example.org.")
    return value.rstrip("/")


def _splits(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:  # brackets that are no IPv6 address, a port beyond 65535
        return False


def _one_line(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("must be one line without control characters.")
    return value.strip()


def _address(value: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(value, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise ValueError(f"{error}") from None
    return found.ascii_email or found.normalized


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _holidays(place: str) -> str:
    from holidays import country_holidays  # takes a moment to load, and few need it

    country, _, part = place.partition("-")
    try:
        country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        message = f"no holidays are known for `{place}`."
        raise ValueError(f"{message} Use a country, or a country and its part, such as US, DE-BY or CA-ON.") from None
    return place


Zone = Annotated[str, AfterValidator(_zone)]
Holidays = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"), AfterValidator(_holidays)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HttpFeed = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$", max_length=2_000)]
Line = Annotated[str, AfterValidator(_one_line)]
Address = Annotated[str, AfterValidator(_address)]
