"""HTML-BLOCK: HTML that an editor wrote by hand is named, with whatever mail could not have of it."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.editorial.definition import HtmlBlock
from newsletter.errors import Place
from newsletter.preflight.examined import Examined, info, warning
from newsletter.preflight.findings import Finding
from newsletter.rendering.handmade import taken_out

_MOST_NAMED = 8


def html_blocks(examined: Examined) -> Iterator[Finding]:
    """HTML-BLOCK: what was taken out of it, and that it is there at all."""
    for found in examined.resolved.blocks if examined.resolved else ():
        block = found.block
        if not isinstance(block, HtmlBlock):
            continue
        gone = taken_out(block.html)
        place = examined.sources.find(block.html.strip().split("\n")[0]) or Place(found.place.file, found.place.line)
        if gone:
            more = f" and {len(gone) - _MOST_NAMED} more" if len(gone) > _MOST_NAMED else ""
            message = f"this was taken out, since mail cannot have it: {', '.join(gone[:_MOST_NAMED])}{more}."
            yield warning("HTML-BLOCK", place, message, "Look at what is left in the preview, or say it in Markdown.")
        else:
            message = "the block is HTML written by hand: the theme sets only its type."
            yield info("HTML-BLOCK", place, message, "Look at it in the preview, on a phone as well.")
