"""HTML-BLOCK: HTML that an editor wrote by hand is named, with whatever mail could not have of it."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.editorial.definition import HtmlBlock
from newsletter.editorial.resolved import ResolvedBlock
from newsletter.errors import Place
from newsletter.preflight.examined import Examined, info, warning
from newsletter.preflight.findings import Finding
from newsletter.preflight.page import Element, Page
from newsletter.rendering.handmade import kept, taken_out

_MOST_NAMED = 8


def html_blocks(examined: Examined) -> Iterator[Finding]:
    """HTML-BLOCK: what was taken out of it, and that it is there at all."""
    for found, block in _by_hand(examined):
        gone = taken_out(block.html)
        place = _place(examined, found)
        if gone:
            more = f" and {len(gone) - _MOST_NAMED} more" if len(gone) > _MOST_NAMED else ""
            message = f"this was taken out, since mail cannot have it: {', '.join(gone[:_MOST_NAMED])}{more}."
            yield warning("HTML-BLOCK", place, message, "Look at what is left in the preview, or say it in Markdown.")
        else:
            message = "the block is HTML written by hand: the theme sets only its type."
            yield info("HTML-BLOCK", place, message, "Look at it in the preview, on a phone as well.")


def tables_by_hand(examined: Examined) -> dict[str, Place]:
    """What each table says that an editor wrote by hand, its letters alone, and where its block stands."""
    said = {}
    for found, block in _by_hand(examined):
        page = Page(kept(block.html))
        said.update({letters_in(page, table): _place(examined, found) for table in page.named("table")})
    return said


def letters_in(page: Page, element: Element) -> str:
    """The letters and digits within an element, as one word."""
    around = ((run.text, (run.element, *run.element.parents)) for run in page.runs if run.element is not None)
    inside = (text for text, elements in around if any(each is element for each in elements))
    return "".join(char for text in inside for char in text if char.isalnum())


def _by_hand(examined: Examined) -> Iterator[tuple[ResolvedBlock, HtmlBlock]]:
    for found in examined.resolved.blocks if examined.resolved else ():
        if isinstance(found.block, HtmlBlock):
            yield found, found.block


def _place(examined: Examined, found: ResolvedBlock) -> Place:
    """Where its HTML begins, else its block."""
    written = found.block.html.strip() if isinstance(found.block, HtmlBlock) else ""
    return examined.sources.find(written.split("\n")[0]) or Place(found.place.file, found.place.line)
