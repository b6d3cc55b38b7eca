"""Copy to HTML: hide merge fields, parse Markdown, smart quotes, sanitise, put the merge fields back.

Copy is never a template: only registered merge fields mean anything in it. Whatever copy cannot say in mail (pictures,
HTML, links that lead nowhere) is shown as text where it stands and reported by `problems_in_copy` with its line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.list import list_block
from markdown_it.token import Token
from markupsafe import Markup

from newsletter.rendering.placeholders import Placeholders
from newsletter.rendering.sanitise import FIELD_ADDRESS, clean, normalise, safe_url
from newsletter.rendering.typography import OPAQUE, smarten_parts
from newsletter.transports.fields import FIELDS, TOKEN, parse_token, problems_in

DEEPEST = 40  # of nested quotes and lists; real copy has two or three
_YEAR = re.compile(r"\d{4,9}[.)]")
_HTML_TAG = re.compile(r"</?[a-zA-Z][\w:-]*(?:\s[^<>]*)?/?>|<!--")
_BROKEN_LINK = re.compile(r"\[[^\]\n]*\]\([^)\n]*\)")


@dataclass(frozen=True)
class CopyProblem:
    """Something in copy that readers would stumble over; `line` counts from 1 within the copy."""

    line: int
    message: str
    rule: str  # the preflight rule it falls under


@dataclass(frozen=True)
class Parsed:
    """Copy as a list of Markdown tokens with merge fields still hidden."""

    tokens: list[Token]
    hidden: Placeholders
    problems: tuple[CopyProblem, ...]


def to_html(copy: str, *, lang: str) -> Markup:
    """Copy of any length as paragraphs, lists, quotes and tables. A `#` in copy becomes an h3, a deeper one an h4."""
    return _rendered(parse(copy, lang=lang), inline=False)


def to_inline_html(copy: str, *, lang: str) -> Markup:
    """A one-line field: emphasis, code and links, no paragraph around it."""
    return _rendered(parse(copy, lang=lang, inline=True), inline=True)


def problems_of(copy: str) -> list[tuple[int, str]]:
    """What is wrong with this copy, merge fields included: (line counted from 1, message)."""
    return [(problem.line, problem.message) for problem in problems_in_copy(copy)]


def problems_in_copy(copy: str) -> list[CopyProblem]:
    """The same with the preflight rule each belongs to."""
    fields = [
        CopyProblem(copy.count("\n", 0, offset) + 1, message, "TOKEN-LEFT") for offset, message in problems_in(copy)
    ]
    return sorted([*fields, *parse(copy, lang="").problems], key=lambda problem: problem.line)


def parse(copy: str, *, lang: str, inline: bool = False) -> Parsed:
    """The Markdown tokens of copy: links whole, headings lowered, quotes smart, merge fields hidden."""
    text = normalise(copy)
    hidden = Placeholders(text)
    text = hidden.hide(text, TOKEN)
    tokens = _engine().parseInline(text) if inline else _engine().parse(text)
    problems: list[CopyProblem] = []
    for token in tokens:
        _lower_heading(token)
        _name_columns(token)
        if token.type == "inline":
            problems += _mend(token, hidden)
            _smarten(token, lang)
    return Parsed(tokens, hidden, tuple(problems))


def _rendered(parsed: Parsed, *, inline: bool) -> Markup:
    engine = _engine()
    markup = clean(engine.renderer.render(parsed.tokens, engine.options, {}), inline=inline)
    markup = markup.replace(FIELD_ADDRESS, "")
    return Markup(parsed.hidden.restore(markup, _escaped_field).strip())  # noqa: S704 - sanitised above


def _escaped_field(token: str) -> str:
    name, fallback = parse_token(token) or ("", None)
    return f"{{{{{name}}}}}" if fallback is None else f"{{{{{name}|{html.escape(fallback)}}}}}"


@cache
def _engine() -> MarkdownIt:
    engine = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False, "maxNesting": DEEPEST})
    engine.enable(["table", "strikethrough"])
    # A refused address would print its markup; every link is parsed and judged by `_mend` instead.
    engine.validateLink = lambda url: True  # type: ignore[method-assign]
    engine.block.ruler.at("list", _list_but_not_years, {"alt": ["paragraph", "reference", "blockquote"]})
    return engine


def _list_but_not_years(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A sentence that begins with a year, `1986. A disaster…`, is no list that starts at 1986."""
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    return not _YEAR.match(line) and list_block(state, start, end, silent)


def _lower_heading(token: Token) -> None:
    """h1 is the issue's, h2 a block's: a story's own headings begin below them."""
    if token.type in {"heading_open", "heading_close"}:
        token.tag = "h3" if token.tag == "h1" else "h4"


def _name_columns(token: Token) -> None:
    if token.type in {"th_open", "td_open"}:
        style = str(token.attrs.pop("style", ""))
        if style:
            token.attrSet("align", style.removeprefix("text-align:"))
        if token.type == "th_open":
            token.attrSet("scope", "col")


def _mend(token: Token, hidden: Placeholders) -> list[CopyProblem]:
    """Make every link a whole address, and take out what mail copy cannot have, saying so."""
    line = (token.map[0] if token.map else 0) + 1
    problems, kept, dead = [], [], False
    for child in token.children or []:
        if child.type in {"softbreak", "hardbreak"}:
            line += 1
        elif child.type == "link_open":
            written = str(child.attrGet("href") or "")
            target = _target(written, hidden)
            dead = target is None
            if target is None:
                problems.append(CopyProblem(line, _dead_link(hidden.restore(written)), "LINK"))
                continue
            child.attrSet("href", target)
        elif child.type == "link_close" and dead:
            dead = False
            continue
        elif child.type == "image":
            message = "a picture cannot stand in copy. Name it in the front matter (`[image]`) or in an image block."
            problems.append(CopyProblem(line, message, "IMG-TYPE"))
            child = Token("text", "", 0, content=child.content)
        elif child.type == "text":
            problems += [
                CopyProblem(line, *found) for found in _leftovers(child.content, hidden.restore(token.content))
            ]
        kept.append(child)
    token.children = kept
    return problems


def _leftovers(text: str, written: str) -> Iterator[tuple[str, str]]:
    """Markup that was not understood and would be printed as it is; `\\<b>` and `&lt;b&gt;` are meant so."""
    for tag in _HTML_TAG.finditer(text):
        if re.search(rf"(?<!\\){re.escape(tag[0])}", written):
            yield f"`{tag[0]}` is HTML, which readers would see as text. Write Markdown instead.", "TOKEN-LEFT"
    for link in _BROKEN_LINK.finditer(text):
        yield f"`{link[0]}` is not a link: an address may not hold spaces. Write %20 for a space.", "LINK"


def _dead_link(written: str) -> str:
    shown = written if len(written) <= 60 else written[:59] + "…"
    if not shown:
        return "a link has no address."
    return f"the link to `{shown}` leads nowhere. Write a whole address, https://… or mailto:…."


def _target(written: str, hidden: Placeholders) -> str | None:
    """The whole address of a link; one that begins with a merge field must begin with one that is an address."""
    first = hidden.pattern.match(written)
    if first is None:
        return safe_url(written)
    name, _ = parse_token(hidden.original(first)) or ("", None)
    field = FIELDS.get(name)
    return FIELD_ADDRESS + written if field is not None and field.kind == "url" else None


def _smarten(token: Token, lang: str) -> None:
    children = token.children or []
    parts = [_running_text(child) for child in children]
    for child, smart in zip(children, smarten_parts(parts, lang), strict=True):
        if child.type == "text":
            child.content = smart


def _running_text(child: Token) -> str:
    if child.type == "text":
        return child.content
    if child.type in {"softbreak", "hardbreak"}:
        return "\n"
    return OPAQUE if child.type == "code_inline" else ""
