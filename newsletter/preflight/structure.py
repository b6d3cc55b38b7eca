"""Rules about the document: language, headings, alternatives to images, words of links."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from newsletter.errors import Place
from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding
from newsletter.preflight.handmade import letters_in, tables_by_hand
from newsletter.preflight.page import Link
from newsletter.rendering.markup import Kind

_FILE_NAME = re.compile(r"[\w.-]+\.(?:jpe?g|png|gif|webp|svg)", re.IGNORECASE)
_IMAGE_OF = re.compile(r"(?:image|picture|photo|photograph|graphic) of\b", re.IGNORECASE)
_VAGUE = re.compile(
    r"(?:click |read )?(?:here|more|this|link|continue|weiter|hier|mehr|ici|lire la suite)[.…»›> ]*", re.IGNORECASE
)
LONGEST_ALT, LONGEST_BARE_URL = 150, 40


def document(examined: Examined) -> Iterator[Finding]:
    """DOC: what a page must say of itself."""
    page, where = examined.page, Place("body.html")
    root = next(iter(page.named("html")), None)
    charset = any(
        "charset" in meta.attributes or "charset=" in meta.attributes.get("content", "") for meta in page.named("meta")
    )
    if root is None or not root.attributes.get("lang", "").strip():
        yield error("DOC", where, "<html> says no language.", 'Write <html lang="…"> in the theme.')
    if not charset:
        yield error(
            "DOC", where, "the page says no character set.", 'Put <meta charset="utf-8"> into the theme\'s head.'
        )
    if not page.title:
        remedy = "Write a subject in issue.toml; the theme's <title> shows it."
        yield error("DOC", examined.sources.key("subject"), "the page has no <title>.", remedy)
    if not any(p.kind is Kind.DECLARATION and p.text.lower().startswith("<!doctype html") for p in page.pieces):
        yield warning("DOC", where, "the page has no <!doctype html>.", "Begin the theme with it.")
    if root is not None and "dir" not in root.attributes:
        yield warning("DOC", where, "<html> says no direction.", 'Write <html dir="ltr"> or "rtl" in the theme.')
    names = {meta.attributes.get("name", "").lower() for meta in page.named("meta")}
    for name in ("viewport", "color-scheme", "x-apple-disable-message-reformatting", "format-detection"):
        if name not in names:
            yield warning("DOC", where, f"the page has no <meta name={name}>.", "Add it to the theme's head.")


def alternatives(examined: Examined) -> Iterator[Finding]:
    """A11Y-ALT: what a reader gets whose client shows no images."""
    for image in examined.page.named("img"):
        alt = image.attributes.get("alt")
        source = image.attributes.get("src", "").rsplit("/", 1)[-1]
        place = examined.place(alt or source or "<img", image.start)
        if alt is None:
            remedy = 'Write alt="…": what the picture says, or alt="" when it only decorates.'
            yield error("A11Y-ALT", examined.in_html(image.start), f"the image {source} has no alt text.", remedy)
        elif not alt.strip() and image.within("a"):
            message = f"the image {source} is a link and has an empty alt text: nobody can tell where it leads."
            yield error("A11Y-ALT", place, message, "Say in `alt` where the link leads.")
        elif _FILE_NAME.fullmatch(alt.strip()):
            yield warning("A11Y-ALT", place, f'the alt text "{alt}" is a file name.', "Say what the picture shows.")
        elif len(alt) > LONGEST_ALT:
            message = f"the alt text “{shortened(alt)}” has {len(alt)} characters."
            yield warning("A11Y-ALT", place, message, f"Keep it under {LONGEST_ALT}; move the rest into the caption.")
        elif _IMAGE_OF.match(alt.strip()):
            message = f"the alt text “{shortened(alt)}” says that it is an image."
            yield warning("A11Y-ALT", place, message, "Begin with what it shows: screen readers say “image” already.")


def headings(examined: Examined) -> Iterator[Finding]:
    """A11Y-HEAD: one h1, and no level left out."""
    found = [e for e in examined.page.named("h1", "h2", "h3", "h4", "h5", "h6") if not e.hidden]
    top = [element for element in found if element.name == "h1"]
    if len(top) != 1:
        yield warning("A11Y-HEAD", Place("body.html"), f"the page has {len(top)} h1 headings.", "Have exactly one.")
    level = 0
    for element in found:
        this = int(element.name[1])
        if level and this > level + 1:
            message = f"a heading of level {this} follows one of level {level}."
            yield warning("A11Y-HEAD", examined.in_html(element.start), message, f"Make it level {level + 1}.")
        level = this


def link_words(examined: Examined) -> Iterator[Finding]:
    """A11Y-LINKTEXT: a link says by itself where it leads."""
    vague: dict[str, list[Link]] = defaultdict(list)
    for link in examined.page.links:
        words = " ".join(link.text.split())
        place = examined.place(link.href, link.element.start)
        if not words and not any(image.attributes.get("alt", "").strip() for image in link.images):
            message = f"the link to {shortened(link.href)} has no words."
            yield warning("A11Y-LINKTEXT", place, message, "Write between the brackets where it leads.")
        elif re.match(r"https?://", words) and len(words) > LONGEST_BARE_URL:
            message = f"the address {shortened(words)} stands in the copy itself."
            yield warning("A11Y-LINKTEXT", place, message, "Link some words instead: [the report](https://…).")
        elif _VAGUE.fullmatch(words):
            vague[words.lower()].append(link)
    for links in vague.values():
        if len({link.href for link in links}) > 1:
            words = " ".join(links[0].text.split())
            message = f"{len(links)} links say only “{words}” and lead to different places."
            place = examined.place(links[0].href, links[0].element.start)
            yield warning("A11Y-LINKTEXT", place, message, "Link the words that say where each leads.")


def tables(examined: Examined) -> Iterator[Finding]:
    """A11Y-TABLE: a table either holds data and has headings, or says that it is only layout.

    The first that is the theme's is named, and the first of each block of HTML.
    """
    page, by_hand = examined.page, tables_by_hand(examined)
    with_headings = {id(cell.within("table")) for cell in page.named("th")}
    told = set()
    for table in page.named("table"):
        if table.attributes.get("role", "") in {"presentation", "none"} or id(table) in with_headings:
            continue
        place = by_hand.get(letters_in(page, table)) if by_hand else None
        if place in told:
            continue
        told.add(place)
        if place is not None:
            remedy = "Mark its headings with <th>, or write it as a block of type table."
            yield warning("A11Y-TABLE", place, "a table in this HTML has no headings.", remedy)
        else:
            message = "a table has neither headings nor role=presentation."
            yield warning("A11Y-TABLE", examined.in_html(table.start), message, "Give it the role in the theme.")
