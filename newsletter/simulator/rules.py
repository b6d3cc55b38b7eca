"""The rules of SES that are not in its model: addresses, headers, tags, raw messages."""

from __future__ import annotations

import email.parser
import email.policy
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parseaddr

from newsletter.simulator.errors import SesError, bad_request

MAX_RECIPIENTS = 50
MAX_MESSAGE = 40 * 1024 * 1024
MAX_LINE = 1000  # with CR LF

_BARE = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,256}")
_BANNED = re.compile(
    "bcc|cc|content-disposition|content-type|date|from|message-id|mime-version|reply-to|return-path|subject|to"
)
_ONCE = re.compile(
    "from|sender|reply-to|subject|message-id|mime-version|to|cc|date|precedence|auto-submitted|references|in-reply-to"
    "|return-path|content-(type|transfer-encoding|disposition|id|description|language)"
    "|list-(id|unsubscribe|unsubscribe-post|help|archive|post|owner|subscribe)"
)


def address(text: str) -> str:
    """The bare address of `a@b` or `Name <a@b>`. Raises SesError."""
    if _BARE.fullmatch(text):
        return text
    if not text.isascii():
        raise bad_request("An address must be 7-bit ASCII: Punycode for the domain, RFC 2047 for the name.")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise bad_request("An address contains control characters.")
    name, bare = parseaddr(text)
    if not _BARE.fullmatch(bare) or (not name and text.strip() not in {bare, f"<{bare}>"}):
        raise bad_request(f"{text[:100]!r} is not one address. Missing final '@domain', or more than one address.")
    return bare


def destination(given: Mapping[str, Sequence[str] | None]) -> list[str]:
    """Every recipient's bare address. Raises SesError."""
    found = [address(text) for kind in ("ToAddresses", "CcAddresses", "BccAddresses") for text in given.get(kind) or ()]
    if not found:
        raise bad_request("There is no destination address.")
    if len(found) > MAX_RECIPIENTS:
        raise bad_request(f"Recipient count exceeds {MAX_RECIPIENTS}.")
    return found


def headers(given: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """A header list (the model has checked characters and lengths). Raises SesError."""
    found = [(header["Name"], header["Value"]) for header in given]
    seen = set()
    for name, value in found:
        lowered = name.lower()
        if _BANNED.fullmatch(lowered):
            raise bad_request(f"The header {name} cannot be set this way.")
        if lowered in seen:
            raise bad_request(f"Duplicate header {name}.")
        if len(name) + len(value) > 996:
            raise bad_request(f"The header {name} is longer than 996 characters.")
        seen.add(lowered)
    return found


def replaced(base: Iterable[tuple[str, str]], over: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Replacement headers win over the template's, whatever the letters' case. Raises SesError."""
    names = {name.lower() for name, _ in over}
    done = [(name, value) for name, value in base if name.lower() not in names] + over
    if len(done) > 15:
        raise bad_request("More than 15 headers.")
    return done


def tags(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Message tags by name. Raises SesError."""
    for tag in given:
        if not _WORD.fullmatch(tag["Name"]) or not _WORD.fullmatch(tag["Value"]):
            raise bad_request("A tag's name and value are 1 to 256 letters, digits, hyphens and underscores.")
    found = {tag["Name"]: tag["Value"] for tag in given}
    if len(found) != len(given):
        raise bad_request("Duplicate tag name.")
    return found


def raw_headers(data: bytes) -> dict[str, str]:
    """The checked headers of a raw message, names in lower case. Raises SesError."""
    if len(data) * 4 / 3 > MAX_MESSAGE:
        raise SesError("MessageRejected", "Message length is more than 41943040 bytes long.")
    if max(map(len, data.split(b"\n"))) > MAX_LINE - 1:  # the line still has its CR
        raise bad_request(f"A line is longer than {MAX_LINE} characters.")
    head, blank, _ = data.partition(b"\r\n\r\n")
    if not blank or not head.isascii():
        raise bad_request("The message must be 7-bit headers, a blank line and a body, with CRLF line ends.")
    parsed = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(head + blank)
    if parsed.defects:
        raise bad_request("The message's headers are malformed.")
    counts = Counter(name.lower() for name in parsed)
    twice = sorted(name for name, count in counts.items() if count > 1 and _ONCE.fullmatch(name))
    if twice:
        raise bad_request(f"Duplicate header '{twice[0]}'.")
    return {name.lower(): str(value) for name, value in parsed.items()}
