"""Header values as they must stand on the wire: checked, RFC 2047 where not ASCII, never a line of their own.

A header is where a hostile value does most harm (one CR LF and it writes headers of its own), so every value of every
transport passes through here. URLs (`List-Unsubscribe`) stay literal on one line: encoding or folding them breaks
one-click unsubscribing.
"""

from __future__ import annotations

import base64
import re

from newsletter.errors import Refused

FOLD = "\r\n "  # between encoded words in a MIME message
MAX_LINE = 998  # RFC 5322, without CR LF
MAX_ADDRESS = 320

_NAME = re.compile(r"(?!\.)[!-9;-@A-~]{1,126}")  # a line that begins with a dot means something in SMTP
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PRINTABLE = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/^_`{|}~-]+)*")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_BRACKETED = re.compile(r"(.*?)(<[^<>]*>(?:\s*,\s*<[^<>]*>)*)", re.DOTALL)
_WORD_BYTES = 39  # 52 base64 characters, 64 with the frame: a line of at most 76 with a short header name


def field(name: str, value: str, *, fold: str = FOLD) -> str:
    """One header's value for the wire. Raises Refused when it cannot be sent as it is."""
    if not _NAME.fullmatch(name):
        raise Refused(f"The header name {name!r} is not valid: use letters, digits and hyphens.")
    if _CONTROL.search(value):
        raise Refused(f"The header {name} holds a line break or control character: {value!r}.")
    value = value.strip()
    bracketed = _BRACKETED.fullmatch(value)
    if bracketed:  # a phrase and addresses or URLs, which must stay literal
        phrase, literal = bracketed[1].strip(), bracketed[2]
        if not _PRINTABLE.fullmatch(literal) or "=?" in literal:
            raise Refused(f"The header {name} holds an address that is not plain ASCII: {literal!r}.")
        done = f"{_phrase(phrase, fold)} {literal}" if phrase else literal
    else:
        done = _text(value, fold)
    longest = max(map(len, done.split("\r\n")))
    if len(name) + 2 + longest > MAX_LINE:
        raise Refused(
            f"The header {name} is {longest} characters long; at most {MAX_LINE - 2 - len(name)} can be sent."
        )
    return done


def mailbox(name: str, address: str, *, fold: str = FOLD) -> str:
    """`Name <address>` with the name quoted or encoded as it needs. Raises Refused."""
    if _CONTROL.search(name):
        raise Refused(f"The sender's name holds a line break or control character: {name!r}.")
    name, address = name.strip(), plain_address(address)
    return f"{_phrase(name, fold)} <{address}>" if name else address


def plain_address(address: str) -> str:
    """The address if a mail can be addressed to it: ASCII, one `@`, nothing that means something in a header."""
    if len(address) > MAX_ADDRESS or not _ADDRESS.fullmatch(address):
        raise Refused(
            f"The address {address[:MAX_ADDRESS]!r} cannot be used: it must be plain ASCII, such as ann@example.org."
        )
    return address


def _text(value: str, fold: str) -> str:
    plain = _PRINTABLE.fullmatch(value) and "=?" not in value and len(value) <= 800
    return value if plain else _encoded_words(value, fold)


def _phrase(value: str, fold: str) -> str:
    if not _PRINTABLE.fullmatch(value) or "=?" in value:
        return _encoded_words(value, fold)
    if _ATOMS.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encoded_words(value: str, fold: str) -> str:
    """RFC 2047 base64 words, cut between characters."""
    words, chunk = [], b""
    for character in value:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    return fold.join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in (*words, chunk))
