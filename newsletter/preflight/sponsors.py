"""SPONSOR: paid words are few, run when they were booked, and never come between a story and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from newsletter.editorial.definition import Previously, Sponsor, StoryBlock
from newsletter.editorial.resolved import ResolvedBlock
from newsletter.preflight.examined import Examined, error
from newsletter.preflight.findings import Finding

MOST = 2
_BETWEEN = frozenset({"sponsor", "divider"})


def sponsors(examined: Examined) -> Iterator[Finding]:
    """SPONSOR: at most two, within their dates, not first, and not between a story and what continues it."""
    blocks = examined.resolved.blocks if examined.resolved else ()
    found = [(at, block) for at, block in enumerate(blocks) if isinstance(block.block, Sponsor)]
    for number, (at, block) in enumerate(found):
        yield from _within_dates(examined, block)
        if number == MOST:
            message = f"this is one sponsor too many: an issue has at most {MOST}."
            yield error("SPONSOR", block.place, message, "Keep it for another day.")
        if at == 0:
            yield error("SPONSOR", block.place, "the issue opens with a sponsor.", "Put it below the first story.")
        elif _interrupts(blocks, at, examined.resolved.id if examined.resolved else ""):
            message = "the sponsor stands between a story and the block that continues it."
            yield error("SPONSOR", block.place, message, "Put it below both.")


def _within_dates(examined: Examined, found: ResolvedBlock) -> Iterator[Finding]:
    block, day = found.block, examined.build.date
    if not isinstance(block, Sponsor):
        return
    if block.from_ and day < block.from_:
        message = f"sponsor “{block.name}” runs from {block.from_}; the issue is of {day}."
        yield error("SPONSOR", found.place, message, "Take it out, or mend `from`.")
    elif block.until and day > block.until:
        message = f"sponsor “{block.name}” ran until {block.until}; the issue is of {day}."
        yield error("SPONSOR", found.place, message, "Take it out, or mend `until`.")


def _interrupts(blocks: Sequence[ResolvedBlock], at: int, issue: str) -> bool:
    before = next((block for block in reversed(blocks[:at]) if block.block.type not in _BETWEEN), None)
    after = next((block for block in blocks[at + 1 :] if block.block.type not in _BETWEEN), None)
    if before is None or after is None or isinstance(after.block, StoryBlock):
        return False
    return bool(_subjects(before, issue) & _subjects(after, issue))


def _subjects(found: ResolvedBlock, issue: str) -> set[str]:
    """The stories that a story, a follow-up or a thread is about."""
    block, said = found.block, found.follow_up
    if isinstance(block, StoryBlock):
        return {story.id for story in found.stories}
    if said is not None:
        return {story for story in (said.asking_story, said.answering_story) if story}
    if isinstance(block, Previously):
        return {block.story if "/" in block.story else f"{issue}/{block.story}"}
    return set()
