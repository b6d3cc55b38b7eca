"""Rules about what an issue says of earlier ones, or owes them: polls that are still open, corrections that wait."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding


def open_polls(examined: Examined) -> Iterator[Finding]:
    """POLL-OPEN: votes that are still coming in are no result."""
    for block in examined.resolved.blocks if examined.resolved else ():
        said = block.readers_said
        if said is not None and not said.tally.final:
            until = f"{said.poll.closes:%Y-%m-%d %H:%M %Z}"
            message = f"the poll {said.name} is open until {until}: these are its votes so far."
            yield error("POLL-OPEN", block.place, message, "Build the issue after that, or take the block out.")


def corrections(examined: Examined) -> Iterator[Finding]:
    """CORRECTION: readers of the mistake have not been told."""
    facts = examined.build.manifest.get("facts") or {}
    for each in examined.context.corrections:
        if not each.is_in(facts):
            message = f"issue {each.issue} was wrong (“{shortened(each.was)}”), and no issue has said so yet."
            remedy = f'Add a block of type correction: id = "{each.block_id}", issue = "{each.issue}", `was` and `is`.'
            yield warning("CORRECTION", examined.sources.key("blocks"), message, remedy)
