"""What an address is: checked, brought to one normal form, and hashed with a key.

Two spellings of one mailbox must meet in one row, and a suppressed address must be found again after its text is
gone: both go by the keyed hash of the normal form. Mail is sent to the spelling given, its domain in ASCII as SES
wants it. Dots and +tags stay: they are somebody else's business.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from newsletter.errors import InputError, Place, Problem
from newsletter.store.keys import Key

LONGEST = 254  # RFC 5321: a path of 256 with its angle brackets
_PLAIN = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*", re.ASCII)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NO_NAME = ("://", "www.", "<", ">", "{{", "@")


@dataclass(frozen=True)
class Address:
    """One mailbox: as it was written, as it is compared, as it is sent to."""

    spelling: str
    normal: str
    ascii: str


def normalise(written: str) -> Address:
    """Check an address and bring it to its forms. Raises InputError saying what is wrong with it."""
    problem = _unusable(written)
    if problem is None:
        spelling = unicodedata.normalize("NFC", written.strip())
        local, _, domain = spelling.rpartition("@")
        try:
            ascii_domain = _domain_of_plain(local, domain) or _checked(spelling)
        except EmailNotValidError as error:
            problem = _sentence(str(error))
        else:
            return Address(spelling, f"{local.lower()}@{ascii_domain}", f"{local}@{ascii_domain}")
    raise InputError([Problem(Place(f'address "{printable(written)}"'), problem)])


def address_hash(normal: str, key: Key) -> str:
    """`<key id>:<hex HMAC-SHA256>`: finds an address again, and tells nothing without the key."""
    return f"{key.id}:{hmac.digest(key.secret, normal.encode(), 'sha256').hex()}"


def printable(written: str, longest: int = 60) -> str:
    """A hostile string made fit for one line of a report: short, and nothing in it acts on a terminal."""
    trimmed = written.strip()
    short = trimmed if len(trimmed) <= longest else f"{trimmed[: longest - 1]}…"
    return "".join(character if character.isprintable() else "�" for character in short)


def invisible_character(text: str) -> str | None:
    """The first control or invisible character of a text, named, or None."""
    if text.isascii() and text.isprintable():
        return None
    return next((f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in _INVISIBLE), None)


def _unusable(written: str) -> str | None:
    """What can be said before any parser sees it: cheap checks that no hostile input gets past."""
    if len(written) > LONGEST * 2:
        return f"It is {len(written)} characters long; an address has at most {LONGEST}."
    trimmed = written.strip()
    if not trimmed:
        return "It is empty."
    if len(trimmed) > LONGEST:
        return f"It is {len(trimmed)} characters long; an address has at most {LONGEST}."
    hidden = invisible_character(trimmed)
    if hidden:
        return f"It holds a control or invisible character ({hidden})."
    local = trimmed.rpartition("@")[0]
    if not local.isascii() and '"' not in local and "<" not in local:
        odd = next(character for character in local if not character.isascii())
        return f"Mail cannot reach an address with “{odd}” before the @: only a to z, digits and signs."
    return None


def _checked(spelling: str) -> str:
    """The domain, in ASCII, of an address that the library accepts as a whole."""
    found = validate_email(spelling, check_deliverability=False, allow_smtputf8=False)
    return str(found.ascii_domain)


def _domain_of_plain(local: str, domain: str) -> str | None:
    """The same for the ordinary case, five times as fast: readers share domains, and most local parts are plain."""
    if len(local) > 64 or not _PLAIN.fullmatch(local):
        return None
    try:
        found = _known_domain(domain)
    except EmailNotValidError:
        return None
    return found if len(local) + 1 + len(found) <= LONGEST else None


@lru_cache(maxsize=4096)
def _known_domain(domain: str) -> str:
    return _checked(f"a@{domain}")


def _sentence(message: str) -> str:
    return message if message.endswith(".") else f"{message}."


def unfit_name(text: str) -> str | None:
    """Why a text is none to be called by, in a sentence, or None: what a stranger could make a link or code of.

    A name stands in mail. Letters of other shapes (full width and the like) count as what they look like.
    """
    if text and text.splitlines() != [text]:
        return "The name holds a line break."
    plain = unicodedata.normalize("NFKC", text).casefold()
    odd = next((each for each in _NO_NAME if each in plain), None)
    return f"The name holds “{odd}”; a name is no address, no link and no code." if odd else None
