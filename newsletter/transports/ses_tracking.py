"""What Amazon SES may measure of a mail: stated with every call, and never by a link that is one reader's own.

Left unsaid, the account's or the configuration set's setting would decide, whatever the readers agreed to. SES rewrites
the links of HTML parts only (plain text is never measured), up to 250 of them, and leaves a link alone that carries
`ses:no-track` (https://docs.aws.amazon.com/ses/latest/dg/faqs-metrics.html). A link with a merge field in it is a
reader's own: measured, it would lead through a third party that could use it, and its token would come back in events.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from newsletter.transports.fields import TOKEN
from newsletter.transports.mail import Mail, Tracking

NO_TRACK = " ses:no-track"

# A tag as HTML's own tokenizer reads it, so that nothing in an attribute passes for the next tag, nor for its end.
# Possessive, and with no `<` outside quotes: hostile copy cannot make it try again and again. What stands in a
# conditional comment is read as well, since Outlook reads it; of a style sheet, a title and other comments nothing is.
_VALUE = r"""(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>][^\s<>]*+)?+)?+"""
_ATTRIBUTES = rf"(?:[\s/]++|=?+[^\s/>=<]++{_VALUE}|=)*+"
_TAG = re.compile(
    r"<!--(?!\[if).*?(?:-->|\Z)"
    r"|<(?P<raw>style|script|title|textarea)\b.*?(?:</(?P=raw)|\Z)"
    rf"|<(?P<name>[a-z][^\s/><]*+)(?P<attributes>{_ATTRIBUTES})>",
    re.IGNORECASE | re.DOTALL,
)


def stated(tracking: Tracking) -> dict[str, object]:
    """The part of a request that says what may be measured, in the words of SES."""
    status = {True: "ENABLED", False: "DISABLED"}
    choice = {
        "OpenTrackingEnabled": status[tracking.opens],
        "ClickTrackingEnabled": status[tracking.clicks],
    }
    return {"ConfigurationOverrides": {"Tracking": choice}}


@lru_cache(maxsize=32)  # the variants of the sends under way
def fit_to_measure(mail: Mail) -> Mail:
    """The mail as SES gets it: untouched, unless its links are measured."""
    return replace(mail, html=own_links_kept(mail.html)) if mail.tracking.clicks else mail


def own_links_kept(html: str) -> str:
    """The page with every link that holds a merge field marked as not to be measured."""
    return _TAG.sub(_marked, html)


def _marked(tag: re.Match[str]) -> str:
    name = tag["name"]
    if name is None or name.lower() not in {"a", "area"} or not TOKEN.search(tag["attributes"]):
        return tag[0]
    return f"<{name}{NO_TRACK}{tag['attributes']}>"
