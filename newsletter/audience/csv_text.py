"""From the bytes of a file to its text: pipes, byte order marks, encodings, and what is no text at all.

UTF-8 first. When it is not that, the likely encodings are named with how a line would read in each, and a person
chooses: a wrong guess would greet people by wrong names for years.
"""

from __future__ import annotations

import codecs
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from newsletter.audience.addresses import printable
from newsletter.errors import InputError, Place, Problem

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = {
    b"PK\x03\x04": "is a ZIP archive or a workbook (.xlsx), not a CSV file.",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook (.xls), not a CSV file.",
    b"\x1f\x8b": "is compressed (gzip), not a CSV file.",
    b"%PDF": "is a PDF, not a CSV file.",
}
_REMEDY_NOT_TEXT = "Unpack it, or save the sheet as “CSV UTF-8”, and import that."
_KNOWN = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "iso8859_15"]
_KNOWN += ["koi8_r", "mac_roman", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]
_FOREIGN = re.compile(rb'[^,;\t\r\n"]*[\x80-\xff][^,;\t\r\n"]*')  # a cell with letters beyond ASCII
_SAMPLE = 200_000
_BLOCK = 1 << 20


@contextmanager
def at_rest(path: Path) -> Iterator[Path]:
    """The file itself; for a pipe, which can be read once only, a copy that lasts as long as the block."""
    with tempfile.TemporaryDirectory(prefix="newsletter-import-") as folder:  # mode 0700
        try:
            found = _resting(path, Path(folder))
        except OSError as error:
            raise unusable(str(path), f"cannot be read: {error.strerror or error}.") from None
        yield found


def _resting(path: Path, folder: Path) -> Path:
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise unusable(str(path), "cannot be read: Is a directory.")
    if not stat.S_ISREG(kind) and not stat.S_ISFIFO(kind):
        raise unusable(str(path), "is neither a file nor a pipe.", "Save its content in a file and import that.")
    with path.open("rb") as source:
        if stat.S_ISREG(kind):
            return path
        copy = folder / "pipe"
        with copy.open("wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
    return copy


@contextmanager
def open_text(path: Path, name: str, encoding: str | None = None) -> Iterator[TextIO]:
    """The file's text, line ends untouched. Raises InputError, also for bytes met later while it is open."""
    with path.open("rb") as raw:
        start = raw.read(4)
    for magic, message in _NOT_TEXT.items():
        if start.startswith(magic):
            raise unusable(name, message, _REMEDY_NOT_TEXT)
    chosen = encoding or ("utf-16" if start[:2] in _UTF16_MARKS else "utf-8-sig")
    if chosen == "utf-8-sig" and b"\0" in start[:2]:
        which = "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
        raise unusable(name, "holds NUL bytes.", f"If it is UTF-16, say --encoding {which}.", 1)
    try:
        with path.open(encoding=chosen, newline="") as stream:
            yield stream
    except UnicodeError:
        raise _undecodable(path, name, chosen) from None
    except LookupError:
        raise unusable(name, f"`{printable(chosen)}` is not an encoding.", "Try windows-1252.") from None


def unusable(name: str, message: str, remedy: str = "", line: int | None = None) -> InputError:
    """The error for a file that cannot be used."""
    return InputError([Problem(Place(name, line), message, remedy)])


def _undecodable(path: Path, name: str, encoding: str) -> InputError:
    """The error for bytes that are not text, with the line they stand on and what they may be."""
    if encoding != "utf-8-sig":
        return unusable(name, f"is not {printable(encoding)} text.", "Leave out --encoding, or name another.")
    line, words = _first_not_utf8(path)
    guesses = _guesses(path, words)
    shown = " or ".join(f"--encoding {_human(guess)} (reads “{read}”)" for guess, read in guesses)
    remedy = "Save the file as UTF-8, or say what it is: " + (f"{shown}." if shown else "--encoding windows-1252.")
    return unusable(name, "is not UTF-8 text.", remedy, line)


def _first_not_utf8(path: Path) -> tuple[int, bytes]:
    """The line of the first bytes that are not UTF-8, counted from 1, and some bytes around them; in flat memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, before = 1, b""
    with path.open("rb") as raw:
        while block := raw.read(_BLOCK):
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                bad = max(error.start - held, 0)
                around = before[-40:] + block[: bad + 40]
                at = min(len(before), 40) + bad
                return line + block.count(b"\n", 0, bad), _cell_around(around, at)
            line += block.count(b"\n")
            before = block
    return line, b""  # cut off within a character


def _cell_around(text: bytes, at: int) -> bytes:
    """The cell that the byte at this place belongs to."""
    starts = [text.rfind(mark, 0, at) for mark in (b",", b";", b"\t", b"\n", b"\r", b'"')]
    ends = [end for mark in (b",", b";", b"\t", b"\n", b"\r", b'"') if (end := text.find(mark, at)) >= 0]
    return text[max(starts) + 1 : min(ends, default=len(text))].strip()


def _guesses(path: Path, words: bytes) -> list[tuple[str, str]]:
    """The encodings the file may be in, the likeliest first, and how the words that are not UTF-8 read in each."""
    from charset_normalizer import from_bytes

    with path.open("rb") as raw:
        foreign = dict.fromkeys([words, *_FOREIGN.findall(raw.read(_SAMPLE))])
    likely = [match.encoding for match in from_bytes(b"\n".join(foreign), cp_isolation=_KNOWN)][:2]
    found: dict[str, str] = {}  # how it reads: in which encoding; of two that read alike, the commoner
    for guess in [*likely, "cp1252"]:
        try:
            read = printable(words.decode(guess), 30)
        except UnicodeDecodeError:
            continue
        if read not in found or guess == "cp1252":
            found[read] = guess
    return [(guess, read) for read, guess in found.items()]


def _human(encoding: str) -> str:
    return encoding.replace("cp125", "windows-125").replace("_", "-")
