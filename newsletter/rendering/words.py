"""Copy as bare words, for places that are no mail: a page's title, a feed, the label of a button."""

from __future__ import annotations

from dataclasses import replace

from newsletter.editorial.polls import Poll
from newsletter.rendering.markdown import to_inline_html
from newsletter.rendering.markup import pieces, visible_text
from newsletter.rendering.typography import smarten
from newsletter.transports.fields import Place, archive_values, fill


def bare_words(copy: str, *, lang: str) -> str:
    """One line without markup, links or merge fields; readers' own fields show their fallbacks. Not escaped."""
    html = fill(str(to_inline_html(copy, lang=lang)), archive_values(), Place.HTML)
    return " ".join(visible_text(pieces(html)).split())


def in_words(poll: Poll, *, lang: str) -> Poll:
    """A poll as a page says it: its question without markup, its options with the quotation marks of the language."""
    options = tuple(fill(smarten(option, lang), archive_values(), Place.TEXT) for option in poll.options)
    return replace(poll, question=bare_words(poll.question, lang=lang), options=options)
