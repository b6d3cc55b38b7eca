"""What pasted copy suffers from: how each trouble is recognised, and what it should have been.

Code, link targets, addresses and merge fields are spared by all but the tracker repair.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

from newsletter.editorial.incoming.tables import in_table
from newsletter.editorial.incoming.trackers import without_trackers

LONGEST_PARAGRAPH = 120  # words


class Kind(StrEnum):
    """What a repair is about; the name is what a person refuses it by."""

    ENTITIES = "entities"
    INVISIBLE = "invisible"
    ACCENTS = "accents"
    SPACES = "spaces"
    LISTS = "lists"
    BOILERPLATE = "boilerplate"
    TRACKERS = "trackers"
    LINK_SPACES = "link-spaces"
    SENTENCES = "sentences"
    DASHES = "dashes"
    TABLES = "tables"
    PARAGRAPHS = "paragraphs"
    WALLS = "walls"
    CREDITS = "credits"
    HOSTS = "hosts"
    TOKENS = "tokens"
    ENCODING = "encoding"


IN_WORDS: dict[Kind, str] = {
    Kind.ENTITIES: "a doubly escaped character",
    Kind.INVISIBLE: "an invisible character",
    Kind.ACCENTS: "a letter and its accent as two characters",
    Kind.SPACES: "a tab, a hard line break or a run of hard spaces",
    Kind.LISTS: "a list as a word processor writes it",
    Kind.BOILERPLATE: "a line of the page around the story",
    Kind.TRACKERS: "a tracker in an address",
    Kind.LINK_SPACES: "a space lost beside a link",
    Kind.SENTENCES: "two sentences run together",
    Kind.DASHES: "typewriter dashes or dots",
    Kind.TABLES: "a table whose columns are tabs",
    Kind.PARAGRAPHS: "two paragraphs run together",
    Kind.WALLS: f"a paragraph of more than {LONGEST_PARAGRAPH} words; breaks may have been lost",
    Kind.CREDITS: "a picture's credit; it belongs to the picture",
    Kind.HOSTS: "an address in letters that may pass for others; see where it leads",
    Kind.TOKENS: "a token nobody filled in; write what it should say",
    Kind.ENCODING: "letters from a broken encoding; write what they should be",
}

Mend = Callable[[re.Match[str]], str]

_CODE = r"(?s:```.*?```)|`[^`\n]*`"
_SPARED = rf"(?P<spared>{_CODE}|\]\([^)\s]{{0,1000}}+(?:\s+\"[^\"\n]{{0,200}}\")?\)|<?https?://[^\s<>)\]]+>?|\{{\{{[^{{}}\n]{{0,200}}\}}\}})"
_LATIN = r"[A-Za-zÀ-ɏ0-9]"
_WORD_BEFORE_LINK = rf"(?P<word>(?<=[\s“\"'(]){_LATIN}+|^{_LATIN}+)(?P<link>\[[^\]\n]{{1,500}}\]\()"
_HARD_SPACES = r"(?<=\S)[ ]*\u2028[ ]*(?=\S)|(?<=\S)[\t\u00a0\u202f]+(?=\S)|(?<=\S)[ \t\u00a0]*\u00a0[ \t\u00a0]+(?=\S)"
_SENTENCE_END = r"(?<=[a-zà-ɏ’”)])[.!?…][”\"’)]?(?=[A-ZÀ-Þ“])"
_BOILERPLATE = (
    "advertisement",
    "anzeige",
    "artikel teilen",
    "click here to subscribe",
    "compartir",
    "condividi",
    "continua a leggere",
    "continuar leyendo",
    "continue reading",
    "hier abonnieren",
    "leer más",
    "lees meer",
    "leggi anche",
    "leia mais",
    "lire aussi",
    "lire la suite",
    "mehr lesen",
    "partager",
    "publicidad",
    "publicidade",
    "pubblicità",
    "publicité",
    "read more",
    "read more show less",
    "read moreshow less",
    "related articles",
    "share this",
    "share this article",
    "share this story",
    "show less",
    "sign up for our newsletter",
    "skip to main content",
    "subscribe to our newsletter",
    "weiterlesen",
    "zum inhalt springen",
)
_BOILERPLATE_LINE = rf"^[ \t*_#>]*(?:{'|'.join(re.escape(phrase) for phrase in _BOILERPLATE)})[ \t*_.!…»>]*$"
# Right-to-left letters; where none stand, marks of direction are left over from elsewhere, or there to mislead.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_DIRECTION = "[\u200e\u200f\u202a-\u202e\u2066-\u2069]+"
_CREDITED = "photo|photograph|image|picture|illustration|foto|bild|bildquelle|crédit|crédits|imagen|immagine"
_AGENCY = "(?-i:Getty Images|REUTERS|Reuters|AFP|AP Photo|dpa)"
_CREDIT = (
    rf"^[ \t*_(\[]*(?:(?:{_CREDITED})(?: credit| by|s)? ?[:/©]|©).{{0,120}}$"
    rf"|^.{{0,160}}(?:/ ?|\(|via ){_AGENCY}[^.\n]{{0,40}}$"
)
_STRANGE_HOST = r"https?://(?:[^\s/?#()<>\]]*[^\x00-\x7f][^\s/?#()<>\]]*|(?:[\w-]+\.)*xn--[\w.-]+)"
_NOT_SENTENCES = ("Node.JS", "ASP.NET", "VB.NET", "Ph.D", "Booking.Com")
_ENDING = re.compile(r"(?:s|es|ed|er|ers|ing|n|en|n't)\b")  # a word goes on behind its linked part


def _unescaped(match: re.Match[str]) -> str:
    return html.unescape(html.unescape(match[0]))


def _single_space(match: re.Match[str]) -> str:
    """A hard space between a number and its unit, or before French punctuation, is meant; a run or a tab is not."""
    before = match.string[match.start() - 1 : match.start()]
    after = match.string[match.end() : match.end() + 1]
    if "\t" in match[0] and in_table(match.string, match.start()):
        return match[0]
    meant = match[0] in {"\u00a0", "\u202f"} and (before.isdigit() or after in set(":;!?»") or before == "«")
    return match[0] if meant else " "


def _without_direction(match: re.Match[str]) -> str:
    return match[0] if _reads_from_the_right(match.string) else ""


@lru_cache(maxsize=1)  # asked for every mark of a text
def _reads_from_the_right(text: str) -> bool:
    return _RIGHT_TO_LEFT.search(text) is not None


def _dashed(match: re.Match[str]) -> str:
    """An ellipsis, or a dash: with spaces round it as it had, or without."""
    return "…" if match[0].startswith(".") else "–" if match.string[match.start() - 1] == " " else "—"


def _sentence(match: re.Match[str]) -> str:
    word = re.search(r"[\w.]*$", match.string[max(0, match.start() - 40) : match.start()])
    whole = (word[0] if word else "") + match.string[match.start() : match.end() + 3]
    return match[0] if any(known in whole for known in _NOT_SENTENCES) else f"{match[0]} "


def _space_after(match: re.Match[str]) -> str:
    return match[0] if _ENDING.match(match.string, match.end("target")) else f"{match['target']} "


PASSES: tuple[tuple[Kind, re.Pattern[str], Mend], ...] = (
    (
        Kind.ENTITIES,
        re.compile(rf"{_SPARED}|&amp;(?:[a-z]{{2,8}}|#\d{{1,6}}|#x[0-9a-f]{{1,5}});", re.DOTALL),
        _unescaped,
    ),
    (Kind.INVISIBLE, re.compile("[\u200b\u2060\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+"), lambda _: ""),
    (Kind.INVISIBLE, re.compile(_DIRECTION), _without_direction),
    (Kind.ACCENTS, re.compile(r"\w[\u0300-\u036f]+"), lambda match: unicodedata.normalize("NFC", match[0])),
    (
        Kind.LISTS,
        re.compile(
            rf"(?P<spared>{_CODE})|^(?P<mark>[·•▪◦‣o]|\d{{1,2}}[.)])(?:\t|[ \u00a0]{{2,}})[ \t\u00a0]*", re.MULTILINE
        ),
        lambda match: f"{match['mark'][:-1]}. " if match["mark"][0].isdigit() else "- ",
    ),
    (Kind.SPACES, re.compile(rf"(?P<spared>{_CODE})|{_HARD_SPACES}"), _single_space),
    (
        Kind.BOILERPLATE,
        re.compile(rf"(?P<spared>{_CODE})|{_BOILERPLATE_LINE}", re.MULTILINE | re.IGNORECASE),
        lambda _: "",
    ),
    (Kind.TRACKERS, re.compile(r"https?://[^\s<>)\"\]]+"), lambda match: without_trackers(match[0])),
    (
        Kind.DASHES,
        re.compile(rf"{_SPARED}|(?<=[\w”’\"')] )--(?= [\w“‘\"'(])|(?<=\w)--(?=\w)|(?<!\.)\.\.\.(?!\.)", re.DOTALL),
        _dashed,
    ),
    (Kind.SENTENCES, re.compile(rf"{_SPARED}|{_SENTENCE_END}", re.DOTALL), _sentence),
    (
        Kind.LINK_SPACES,
        re.compile(rf"(?P<spared>{_CODE})|(?P<target>\]\([^)\n]{{1,1000}}+\))(?={_LATIN})", re.DOTALL),
        _space_after,
    ),
    (
        Kind.LINK_SPACES,
        re.compile(rf"(?P<spared>{_CODE})|{_WORD_BEFORE_LINK}", re.DOTALL | re.MULTILINE),
        lambda match: f"{match['word']} {match['link']}",
    ),
)

REPORTS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.TOKENS,
        re.compile(
            r"\{\{(?!(?:first_name|unsubscribe_url|preferences_url|vote_url)(?:\|[^{}|]*)?\}\})[^{}\n]{0,200}\}\}"
            r"|\{\{(?![^{}\n]{0,200}\}\})|(?<!\})(?<![\w|])\}\}"
            r"|\{%[^%\n]{0,200}%\}|\{#[^#\n]{0,200}#\}|<%[^%\n]{0,200}%>"
            r"|\*\|[A-Z0-9_:]{1,80}\|\*|%%[\w.-]{1,80}%%|\$\{[\w.]{1,80}\}|\[\[[\w. ]{1,80}\]\]"
        ),
    ),
    (Kind.CREDITS, re.compile(_CREDIT, re.MULTILINE | re.IGNORECASE)),
    (Kind.HOSTS, re.compile(_STRANGE_HOST)),
    (Kind.ENCODING, re.compile("â€[™œ\x9d“”˜¦]|Ã[©¨¼¶¤Ÿ±³\u00ad]|\ufffd")),
)
