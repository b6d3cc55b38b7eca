"""Rules about size: what Gmail cuts off."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.errors import Place
from newsletter.preflight.examined import Examined, error, warning
from newsletter.preflight.findings import Finding
from newsletter.transports.fields import Place as FieldPlace
from newsletter.transports.fields import fill

HTML_LIMIT, HTML_WARNING = 102_000, 90_000
STYLE_LIMIT, STYLE_WARNING = 16_384, 8_192
# The longest a merge field can reasonably get.
URLS = ("unsubscribe_url", "preferences_url", "vote_url")
LONGEST = {"first_name": "M" * 40, **dict.fromkeys(URLS, "https://" + "u" * 240)}


def size_html(examined: Examined) -> Iterator[Finding]:
    """SIZE-HTML: the page with its merge fields at their longest."""
    size = len(fill(examined.html, LONGEST, FieldPlace.HTML).encode())
    remedy = "Show some stories as briefs or headlines, or move one to tomorrow."
    message = f"the HTML is {size:,} bytes with merge fields filled in; Gmail shows the first {HTML_LIMIT:,}."
    if size > HTML_LIMIT:
        yield error("SIZE-HTML", Place("body.html"), message, remedy)
    elif size > HTML_WARNING:
        yield warning("SIZE-HTML", Place("body.html"), message, remedy)


def size_style(examined: Examined) -> Iterator[Finding]:
    """SIZE-STYLE: all that stays in the head."""
    size = sum(len(style.content.encode()) for style in examined.page.styles)
    message = f"the style sheets are {size:,} bytes; Gmail drops what is beyond {STYLE_LIMIT:,}."
    remedy = "Shorten the theme's media queries."
    if size > STYLE_LIMIT:
        yield error("SIZE-STYLE", Place("body.html"), message, remedy)
    elif size > STYLE_WARNING:
        yield warning("SIZE-STYLE", Place("body.html"), message, remedy)
