"""Who looked: a person, a mailbox that fetches pictures by itself, or a program that tries links. A guess, and shown as
one; nothing is ever decided by it.

Everything heard of one reader and one mail is judged together, so the order in which it came makes no difference.

- Apple Mail Privacy Protection fetches every picture of every mail through Apple's servers, whether or not it is read;
  the agent is "Mozilla/5.0" and nothing else. Gmail's and Yahoo's proxies fetch in the reader's stead
  ("GoogleImageProxy", "YahooMailProxy"), and Gmail fetches ahead while its page is open, as "Chrome/42.0.2311.135 …
  Edge/12.246" (https://wordtothewise.com/2024/08/prefetches-and-proxies,
  https://bird.com/en-gb/blog/gmail-prefetching-images). So is whatever opens a mail in the seconds it arrives.
- Mail gateways and virus scanners try the links: within seconds of delivery, many at once, or under their own name
  (https://nation.marketo.com/t5/support-blogs/understanding-a-spike-in-click-activity/bc-p/241208). Amazon SES does not
  say whether a link was asked for by HEAD.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

OPENED_AT_ONCE = timedelta(seconds=5)  # after delivery: nobody reads so soon
CLICKED_AT_ONCE = timedelta(seconds=2)
BURST = timedelta(seconds=2)
MANY_LINKS = 3  # different ones within a burst

_BARE_AGENT = "Mozilla/5.0"
_PROXY = re.compile(r"GoogleImageProxy|YahooMailProxy|Chrome/42\.0\.2311\.135 Safari/537\.36 Edge/12\.246")
_PROGRAM = re.compile(
    r"barracuda|proofpoint|mimecast|ironport|ciscosecureemail|\btmes\b|trend ?micro|fortinet|fortimail|sophos|symantec"
    r"|messagelabs|bitdefender|avast|kaspersky|safelinks|ms-?office|existence discovery|urldefense|zscaler|checkpoint"
    r"|headless|phantomjs|puppeteer|playwright|selenium|python|curl|wget|libwww|okhttp|go-http-client|java/|axios|node-"
    r"|bot\b|crawler|spider|scan|preview",
    re.IGNORECASE,
)


class By(StrEnum):
    """Who looked."""

    PERSON = "person"
    PREFETCH = "prefetch"  # pictures fetched by the mailbox: somebody looked, or nobody did
    SCANNER = "scanner"


@dataclass(frozen=True)
class Look:
    """One open or click of one reader and one mail."""

    is_click: bool
    at: datetime
    link: str | None = None
    agent: str | None = None  # None: not kept, and `known` says what it came to
    known: By = By.PERSON


def judge(looks: Sequence[Look], delivered_at: datetime | None) -> list[By]:
    """Who each of them was; all that is known of this reader and mail must be among them."""
    clicks = sorted((look for look in looks if look.is_click), key=lambda look: look.at)
    bursts = _bursts(clicks)
    return [_by(look, delivered_at, bursts) for look in looks]


def _by(look: Look, delivered_at: datetime | None, bursts: Sequence[tuple[datetime, datetime]]) -> By:
    if look.agent is None and look.known is not By.PERSON:
        return look.known
    if look.agent is not None and (not look.agent.strip() or _PROGRAM.search(look.agent)):
        return By.SCANNER
    if not look.is_click:
        at_once = delivered_at is not None and look.at <= delivered_at + OPENED_AT_ONCE
        proxied = look.agent is not None and (look.agent.strip() == _BARE_AGENT or _PROXY.search(look.agent))
        return By.PREFETCH if proxied or at_once else By.PERSON
    at_once = delivered_at is not None and look.at <= delivered_at + CLICKED_AT_ONCE
    return By.SCANNER if at_once or any(start <= look.at <= end for start, end in bursts) else By.PERSON


def _bursts(clicks: Sequence[Look]) -> list[tuple[datetime, datetime]]:
    """The stretches in which more links were followed than a person can; `clicks` in order."""
    found = []
    for first in range(len(clicks)):
        start = clicks[first].at
        within = [click for click in clicks[first:] if click.at <= start + BURST]
        if len({click.link for click in within}) >= MANY_LINKS:
            found.append((start, within[-1].at))
    return found
