"""The account's own lists: verified identities, suppressed addresses, configuration sets. They live in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from newsletter.simulator import rules
from newsletter.simulator.errors import SesError, bad_request
from newsletter.simulator.record import now

Ask = Mapping[str, Any]
Operations = dict[str, Callable[[Ask], dict[str, Any]]]

DEFAULT_SET = "newsletter"
TOPIC = "arn:aws:sns:us-east-1:000000000000:newsletter-simulator"
EVERYTHING = frozenset(
    {
        "SEND",
        "REJECT",
        "BOUNCE",
        "COMPLAINT",
        "DELIVERY",
        "OPEN",
        "CLICK",
        "RENDERING_FAILURE",
        "DELIVERY_DELAY",
        "SUBSCRIPTION",
    }
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_DESTINATIONS = 10


def paged(names: Iterable[str], ask: Ask, *, most: int = 1000) -> tuple[list[str], dict[str, str]]:
    """One page of sorted names, and the token of the next as the answer's member."""
    after, size = ask.get("NextToken") or "", min(max(int(ask.get("PageSize") or most), 1), most)
    found = sorted(name for name in names if name > after)
    return found[:size], {"NextToken": found[size - 1]} if len(found) > size else {}


class Identities:
    """Who counts as verified: the sandbox mails nobody else."""

    def __init__(self) -> None:
        self._verified: set[str] = set()

    def add(self, names: Iterable[str]) -> None:
        """These are verified without being asked."""
        self._verified.update(name.lower() for name in names)

    def __contains__(self, address: str) -> bool:
        lowered = address.lower()
        return lowered in self._verified or lowered.rpartition("@")[2] in self._verified

    def operations(self) -> Operations:
        return {
            "CreateEmailIdentity": self._create,
            "GetEmailIdentity": self._get,
            "DeleteEmailIdentity": self._delete,
            "ListEmailIdentities": self._list,
        }

    def _create(self, ask: Ask) -> dict[str, Any]:
        name = ask["EmailIdentity"].lower()
        if "@" in name:
            rules.address(name)
        if name in self._verified:
            raise SesError("AlreadyExistsException", f"Email identity {name} already exist.")
        self._verified.add(name)  # the real one would ask its owner first
        return {"IdentityType": _kind(name), "VerifiedForSendingStatus": True}

    def _get(self, ask: Ask) -> dict[str, Any]:
        name = self._known(ask)
        return {"IdentityType": _kind(name), "VerifiedForSendingStatus": True, "VerificationStatus": "SUCCESS"}

    def _delete(self, ask: Ask) -> dict[str, Any]:
        self._verified.remove(self._known(ask))
        return {}

    def _list(self, ask: Ask) -> dict[str, Any]:
        page, following = paged(self._verified, ask)
        known = [{"IdentityName": name, "IdentityType": _kind(name), "SendingEnabled": True} for name in page]
        return {"EmailIdentities": known, **following}

    def _known(self, ask: Ask) -> str:
        name: str = ask["EmailIdentity"].lower()
        if name not in self._verified:
            raise SesError("NotFoundException", f"Email identity {name} does not exist.")
        return name


def _kind(name: str) -> str:
    return "EMAIL_ADDRESS" if "@" in name else "DOMAIN"


@dataclass(frozen=True)
class _Suppressed:
    address: str
    reason: str
    at: datetime

    def row(self) -> dict[str, Any]:
        return {"EmailAddress": self.address, "Reason": self.reason, "LastUpdateTime": self.at.timestamp()}


class Suppressions:
    """The account's suppression list. Mail to those on it is accepted, and bounces."""

    def __init__(self, *, sandbox: Callable[[], bool] = lambda: False) -> None:
        self._sandbox = sandbox
        self._found: dict[str, _Suppressed] = {}

    def add(self, addresses: Iterable[str]) -> None:
        """These have bounced before."""
        self._found |= {address.lower(): _Suppressed(address, "BOUNCE", now()) for address in addresses}

    def __contains__(self, address: str) -> bool:
        return address.lower() in self._found

    def __bool__(self) -> bool:
        return bool(self._found)

    def operations(self) -> Operations:
        return {
            "PutSuppressedDestination": self._put,
            "GetSuppressedDestination": self._get,
            "DeleteSuppressedDestination": self._delete,
            "ListSuppressedDestinations": self._list,
        }

    def _put(self, ask: Ask) -> dict[str, Any]:
        if self._sandbox():
            raise bad_request("Your account is in the sandbox: it has no suppression list of its own.")
        address = rules.address(ask["EmailAddress"])
        self._found[address.lower()] = _Suppressed(address, ask["Reason"], now())
        return {}

    def _get(self, ask: Ask) -> dict[str, Any]:
        return {"SuppressedDestination": self._known(ask).row()}

    def _delete(self, ask: Ask) -> dict[str, Any]:
        del self._found[self._known(ask).address.lower()]
        return {}

    def _list(self, ask: Ask) -> dict[str, Any]:
        reasons, since, until = ask.get("Reasons") or (), _moment(ask, "StartDate"), _moment(ask, "EndDate")
        matching = {
            key
            for key, one in self._found.items()
            if (not reasons or one.reason in reasons)
            and (since is None or one.at >= since)
            and (until is None or one.at <= until)
        }
        page, following = paged(matching, ask)
        return {"SuppressedDestinationSummaries": [self._found[key].row() for key in page], **following}

    def _known(self, ask: Ask) -> _Suppressed:
        found = self._found.get(ask["EmailAddress"].lower())
        if found is None:
            raise SesError("NotFoundException", f"{ask['EmailAddress']} is not on the suppression list.")
        return found


def _moment(ask: Ask, name: str) -> datetime | None:
    """A date in a query: ISO 8601, or seconds since 1970."""
    given = ask.get(name)
    if given is None:
        return None
    try:
        if isinstance(given, int | float) or str(given).replace(".", "", 1).isdecimal():
            return datetime.fromtimestamp(float(given), UTC)
        found = datetime.fromisoformat(given)
    except (ValueError, OverflowError, OSError):
        raise bad_request(f"{name} is not a moment.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass
class _Set:
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)

    def types(self) -> frozenset[str]:
        """Which events it publishes."""
        enabled = [each for each in self.destinations.values() if each.get("Enabled")]
        return frozenset(kind for each in enabled for kind in each.get("MatchingEventTypes") or ())


class ConfigurationSets:
    """The configuration sets, of which one that publishes everything is there from the start."""

    def __init__(self) -> None:
        everything = {"Enabled": True, "MatchingEventTypes": sorted(EVERYTHING), "SnsDestination": {"TopicArn": TOPIC}}
        self._sets = {DEFAULT_SET: _Set({"events": everything})}
        self._types: dict[str, frozenset[str]] = {}

    def types(self, name: str | None) -> frozenset[str] | None:
        """Which events mail through this set has published; None without a set. Raises SesError for an unknown one."""
        if name is None:
            return None
        known = self._types.get(name)
        if known is None:
            known = self._types[name] = self._known(name).types()
        return known

    def operations(self) -> Operations:
        return {
            "CreateConfigurationSet": self._create,
            "GetConfigurationSet": lambda ask: {"ConfigurationSetName": self._named(ask)},
            "DeleteConfigurationSet": self._delete,
            "ListConfigurationSets": self._list,
            "CreateConfigurationSetEventDestination": self._create_destination,
            "UpdateConfigurationSetEventDestination": self._update_destination,
            "GetConfigurationSetEventDestinations": self._destinations,
            "DeleteConfigurationSetEventDestination": self._delete_destination,
        }

    def _known(self, name: str) -> _Set:
        if name not in self._sets:
            raise SesError("NotFoundException", f"Configuration set {name[:80]} does not exist.")
        return self._sets[name]

    def _named(self, ask: Ask) -> str:
        name: str = ask["ConfigurationSetName"]
        self._known(name)
        return name

    def _create(self, ask: Ask) -> dict[str, Any]:
        name = ask["ConfigurationSetName"]
        if not _NAME.fullmatch(name):
            raise bad_request("A configuration set's name is 1 to 64 letters, digits, hyphens and underscores.")
        if name in self._sets:
            raise SesError("AlreadyExistsException", f"Configuration set {name} already exists.")
        self._sets[name] = _Set()
        return {}

    def _delete(self, ask: Ask) -> dict[str, Any]:
        name = self._named(ask)
        del self._sets[name]
        self._types.pop(name, None)
        return {}

    def _list(self, ask: Ask) -> dict[str, Any]:
        page, following = paged(self._sets, ask)
        return {"ConfigurationSets": page, **following}

    def _create_destination(self, ask: Ask) -> dict[str, Any]:
        found, name = self._known(ask["ConfigurationSetName"]), ask["EventDestinationName"]
        if name in found.destinations:
            raise SesError("AlreadyExistsException", f"Event destination {name} already exists.")
        if len(found.destinations) >= _MOST_DESTINATIONS:
            raise SesError("LimitExceededException", f"At most {_MOST_DESTINATIONS} event destinations a set.")
        return self._put(ask)

    def _update_destination(self, ask: Ask) -> dict[str, Any]:
        self._destination(ask)
        return self._put(ask)

    def _put(self, ask: Ask) -> dict[str, Any]:
        self._sets[ask["ConfigurationSetName"]].destinations[ask["EventDestinationName"]] = ask["EventDestination"]
        self._types.pop(ask["ConfigurationSetName"], None)
        return {}

    def _destinations(self, ask: Ask) -> dict[str, Any]:
        found = self._known(ask["ConfigurationSetName"]).destinations
        return {"EventDestinations": [{"Name": name, **each} for name, each in found.items()]}

    def _delete_destination(self, ask: Ask) -> dict[str, Any]:
        self._destination(ask)
        del self._sets[ask["ConfigurationSetName"]].destinations[ask["EventDestinationName"]]
        self._types.pop(ask["ConfigurationSetName"], None)
        return {}

    def _destination(self, ask: Ask) -> dict[str, Any]:
        found = self._known(ask["ConfigurationSetName"]).destinations
        if ask["EventDestinationName"] not in found:
            raise SesError("NotFoundException", f"Event destination {ask['EventDestinationName']} does not exist.")
        return found[ask["EventDestinationName"]]
