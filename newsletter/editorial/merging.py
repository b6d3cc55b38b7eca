"""Three versions of a text in one: what was read, what the program would write, and what an editor wrote meanwhile.

What only one side changed is taken from that side; what both changed differently is shown between markers, as version
control shows it. For people to look at: nothing is written from it by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

OURS, BASE, NEXT, THEIRS = "<<<<<<< to be written", "||||||| as it was read", "=======", ">>>>>>> as it is now"


def merge_view(base: bytes, *, ours: bytes, theirs: bytes) -> str:
    """The three versions merged, line by line."""
    texts = [text.decode("utf-8", "replace").splitlines() for text in (base, ours, theirs)]
    return "\n".join(_merged(*texts)) + "\n"


def _merged(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[str]:
    at = mine = other = 0
    for start, in_ours, in_theirs, size in _agreed(base, ours, theirs):
        yield from _between(base[at:start], ours[mine:in_ours], theirs[other:in_theirs])
        yield from base[start : start + size]
        at, mine, other = start + size, in_ours + size, in_theirs + size


def _agreed(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where all three have the same lines: the places in each and how many; at the end an empty one."""
    in_ours = _kept(base, ours)
    in_theirs = _kept(base, theirs)
    line = 0
    while line < len(base):
        size = 0
        while (
            line + size in in_ours
            and line + size in in_theirs
            and in_ours[line + size] == in_ours[line] + size
            and in_theirs[line + size] == in_theirs[line] + size
        ):
            size += 1
        if size:
            yield line, in_ours[line], in_theirs[line], size
        line += max(size, 1)
    yield len(base), len(ours), len(theirs), 0


def _kept(base: Sequence[str], side: Sequence[str]) -> dict[int, int]:
    blocks = SequenceMatcher(None, base, side, autojunk=False).get_matching_blocks()
    return {start + step: there + step for start, there, size in blocks for step in range(size)}


def _between(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[str]:
    if ours == theirs or theirs == base:
        yield from ours
    elif ours == base:
        yield from theirs
    else:
        yield from (OURS, *ours, BASE, *base, NEXT, *theirs, THEIRS)
