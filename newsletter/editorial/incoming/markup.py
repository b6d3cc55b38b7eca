"""HTML from a page, a feed or a word processor as the Markdown an editor would have written.

The markup is sanitised first, so nothing that acts survives; then it becomes Markdown, in which addresses that lead
nowhere from a mail (relative ones, scripts) are only their words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

import nh3
from markdownify import ATX, MarkdownConverter

_TAGS = {
    *(
        "p",
        "br",
        "a",
        "strong",
        "b",
        "em",
        "i",
        "s",
        "del",
        "sub",
        "sup",
        "ul",
        "ol",
        "li",
        "blockquote",
        "code",
        "pre",
    ),
    *("h1", "h2", "h3", "h4", "h5", "h6", "hr", "table", "thead", "tbody", "tr", "th", "td", "div", "title"),
}
_GONE = {"script", "style", "head", "nav", "footer", "form", "button", "svg", "iframe", "noscript", "template", "aside"}
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
_DEAD_LINK = re.compile(r"\[([^\]\n]+)\]\(\)")


@dataclass(frozen=True)
class Page:
    """What a piece of HTML says: its title ("" when it has none) and its text as Markdown."""

    title: str
    text: str


def to_markdown(markup: str) -> Page:
    """HTML as Markdown. A first-level heading at its beginning is the title and leaves the text."""
    named = _TITLE.search(markup)
    clean = nh3.clean(
        markup,
        tags=_TAGS - {"title"},
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"https", "http", "mailto", "tel"},
        url_relative="deny",
        link_rel=None,
        strip_comments=True,
        clean_content_tags=_GONE | {"title"},
    )
    text = MarkdownConverter(heading_style=ATX, bullets="-", newline_style="backslash").convert(clean)
    text = _DEAD_LINK.sub(r"\1", _BLANK_LINES.sub("\n\n", text)).strip() + "\n"
    heading = re.match(r"#\s+(.+)\n+", text)
    if heading:
        return Page(_plain(heading[1]), _below_title(text[heading.end() :]))
    return Page(_plain(_words(named[1])) if named else "", _below_title(text))


def _below_title(text: str) -> str:
    """Headings inside a story begin at the second level: the first is the story's own."""
    return re.sub(r"^#(?=\s)", "##", text, flags=re.MULTILINE)


def _words(markup: str) -> str:
    return unescape(nh3.clean(markup, tags=set()))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[*_`]|\[([^\]]*)\]\([^)]*\)", r"\1", text).split())


def looks_like_html(text: str) -> bool:
    """Whether a text is markup rather than words with a `<` among them."""
    return (
        len(
            re.findall(
                r"</?(?:p|div|a|br|html|body|ul|ol|li|h[1-6]|span|article|section|td)\b[^>]*>", text, re.IGNORECASE
            )
        )
        > 1
    )
