"""The variants of a body: one for each combination of the segments that an issue's blocks are for.

A reader may be in several segments, so with the segments a and b there are four bodies: of those in none (`default`),
in a, in b, and in both. An issue whose blocks are for everybody has the default alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from newsletter.editorial.resolved import ResolvedBlock, ResolvedIssue
from newsletter.errors import InputError, Place, Problem
from newsletter.rendering.build import DEFAULT_VARIANT

MOST = 8
LONGEST_NAME = 32  # of the column in the ledger
_OPENING = ("lead", "intro")


def combined(resolved: ResolvedIssue) -> Mapping[str, tuple[str, ...]]:
    """Each variant's name with its segments, the default first. Raises InputError when they are too many or too few."""
    used = sorted({block.block.audience for block in resolved.blocks if block.block.audience})
    if 2 ** len(used) > MOST:
        raise InputError([_too_many(resolved, used)])
    if used and not any(block.block.type in _OPENING for block in _blocks_for(resolved, ())):
        raise InputError([_no_opening(resolved)])
    subsets = (subset for size in range(len(used) + 1) for subset in combinations(used, size))
    return {variant_name(subset): subset for subset in subsets}


def seen_by(resolved: ResolvedIssue, segments: tuple[str, ...]) -> ResolvedIssue:
    """The issue with the blocks that readers in exactly these of its segments get."""
    return replace(resolved, blocks=_blocks_for(resolved, segments))


def variant_name(segments: tuple[str, ...]) -> str:
    """`default`, or the segments joined; where that is too long for the ledger, its beginning and a hash."""
    name = "+".join(segments) or DEFAULT_VARIANT
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - len(digest) - 1]}~{digest}"


def _blocks_for(resolved: ResolvedIssue, segments: tuple[str, ...]) -> tuple[ResolvedBlock, ...]:
    return tuple(b for b in resolved.blocks if b.block.audience is None or b.block.audience in segments)


def _too_many(resolved: ResolvedIssue, used: list[str]) -> Problem:
    last = next(b for b in reversed(resolved.blocks) if b.block.audience == used[-1])
    message = (
        f"the blocks are for {len(used)} segments ({', '.join(used)}), and readers may be in any of them: that makes "
        f"{2 ** len(used)} variants of the body, and at most {MOST} are built."
    )
    return Problem(_place(resolved, last), message, f"Use at most {MOST.bit_length() - 1} segments in an issue.")


def _no_opening(resolved: ResolvedIssue) -> Problem:
    named = [b for b in resolved.blocks if b.block.audience and b.block.type in _OPENING]
    place = _place(resolved, (named or list(resolved.blocks))[0])
    message = "readers in none of the issue's segments would get neither a `lead` nor an `intro`."
    return Problem(place, message, "Remove its `audience`, or add one for everybody.")


def _place(resolved: ResolvedIssue, wanted: ResolvedBlock) -> Place:
    """The line of a block's `audience`."""
    numbers = (n for n, block in enumerate(resolved.definition.blocks) if block is wanted.block)
    return resolved.document.place(["blocks", next(numbers), "audience"])
