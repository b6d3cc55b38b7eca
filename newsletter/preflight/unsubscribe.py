"""The rule the law makes: a way out and a postal address, in both parts, where readers can see them."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.errors import Place
from newsletter.preflight.examined import Examined, error
from newsletter.preflight.findings import Finding
from newsletter.preflight.page import pixels
from newsletter.preflight.size import HTML_LIMIT

TOKEN = "{{unsubscribe_url}}"  # noqa: S105 - a merge field
SMALLEST = 11


def unsubscribe(examined: Examined) -> Iterator[Finding]:
    """UNSUB: the link in HTML and text, before Gmail's cut, and the address in both."""
    html, text = Place("body.html"), Place("body.txt")
    remedy = "Use {{unsubscribe_url}} in the theme's footer."
    links = [link for link in examined.page.links if link.href == TOKEN and not link.element.hidden]
    visible = [link for link in links if link.text.strip() or any(i.attributes.get("alt") for i in link.images)]
    if not visible:
        yield error("UNSUB", html, "the HTML has no visible link to unsubscribe.", remedy)
    elif len(examined.html[: visible[0].element.start].encode()) > HTML_LIMIT:
        message = f"the link to unsubscribe comes after byte {HTML_LIMIT:,}, where Gmail cuts the mail off."
        yield error("UNSUB", examined.in_html(visible[0].element.start), message, "Shorten the issue.")
    else:
        size = pixels(visible[0].element.inherited("font-size"))
        if size is not None and size < SMALLEST:
            place = examined.in_html(visible[0].element.start)
            message = f"the link to unsubscribe is set in {size:g} px."
            yield error("UNSUB", place, message, f"Set it in {SMALLEST} px or more.")
    if TOKEN not in examined.text:
        yield error("UNSUB", text, "the plain text has no link to unsubscribe.", remedy)
    if examined.context.is_real and not examined.context.public_url.startswith("https://"):
        # RFC 8058, section 3.1: one-click needs an HTTPS address.
        message = "one-click unsubscribing (RFC 8058) needs an https address, and public_url is not."
        yield error("UNSUB", Place("config.toml"), message, "Set public_url to the https address readers see.")
    address = _squeezed(examined.context.postal_address)
    for place, content in ((html, examined.page.text), (text, examined.text)):
        if not address or address not in _squeezed(content):
            message = "the postal address is missing."
            yield error("UNSUB", place, message, "Set postal_address in config.toml and show it in the theme's footer.")


def _squeezed(text: str) -> str:
    return "".join(text.split()).casefold()
