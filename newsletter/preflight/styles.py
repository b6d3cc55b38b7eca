"""Rules about styles and structure for clients: what Gmail rejects, what Outlook cannot see, what is too small."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import tinycss2
from tinycss2.ast import AtRule, Node, ParseError

from newsletter.errors import Place
from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding
from newsletter.preflight.page import pixels
from newsletter.rendering.markup import Kind

_MODERN_COLOUR = re.compile(
    r"\b(?:oklch|oklab|lch|lab|hwb|color)\(|\b(?:rgba?|hsla?)\(\s*[\d.]+%?\s+[\d.]", re.IGNORECASE
)
_STRINGS = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)
_UNITS = re.compile(r"\b(?:calc|clamp|min|max)\(|[\d.]+(?:rem|vw|vh)\b", re.IGNORECASE)
_TABLE_TAG = re.compile(r"<(/?)(table|tr|td)\b", re.IGNORECASE)
SMALLEST, SMALL, WIDEST = 14, 16, 640


def style_parse(examined: Examined) -> Iterator[Finding]:
    """STYLE-PARSE: everything in a style sheet over which a client would throw all of it away."""
    for style in examined.page.styles:
        place = examined.in_html(style.start)
        for message in _css_problems(style.content):
            yield error("STYLE-PARSE", place, message, "Mend the theme's style.css.")
    for element in examined.page.elements:
        value = element.attributes.get("style", "")
        found = _MODERN_COLOUR.search(value)
        if found:
            message = f"`{shortened(value)}` uses a colour syntax over which Gmail drops the style."
            yield error("STYLE-PARSE", examined.in_html(element.start), message, "Write the colour as #rrggbb.")


def _css_problems(css: str) -> Iterator[str]:
    bare = _STRINGS.sub("", css)
    if bare.count("{") != bare.count("}"):
        yield f"a style sheet has {bare.count('{')} opening and {bare.count('}')} closing braces."
    for node in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if isinstance(node, ParseError):
            yield f"a style sheet cannot be read at its line {node.source_line}: {node.message}."
        elif isinstance(node, AtRule) and node.lower_at_keyword == "import":
            yield "a style sheet is imported, which mail clients do not do."
        elif isinstance(node, AtRule) and _holds_at_rule(node.content or []):
            yield f"@{node.at_keyword} holds another @-rule; Gmail drops the whole style sheet for that."
    if found := _MODERN_COLOUR.search(bare):
        yield f"`{found[0]}…` is a colour syntax over which Gmail drops the whole style sheet."


def _holds_at_rule(nodes: list[Node]) -> bool:
    return any(node.type == "at-keyword" or _holds_at_rule(getattr(node, "content", None) or []) for node in nodes)


def inline_values(examined: Examined) -> Iterator[Finding]:
    """INL-VAR, INL-IMPORTANT: values in style attributes that clients do not understand; each kind once."""
    seen: set[str] = set()
    for element in examined.page.elements:
        value = element.attributes.get("style", "")
        place = examined.in_html(element.start)
        if "var(" in value and not {"var"} & seen:
            seen.add("var")
            message = f"`{shortened(value)}` holds a CSS variable."
            yield error("INL-VAR", place, message, "Write the value itself, or define it in `:root`.")
        elif (found := _UNITS.search(value)) and found[0] not in seen:
            seen.add(found[0])
            message = f"`{found[0]}…` is not understood by every client."
            yield warning("INL-VAR", place, message, "Write the length in px.")
        if "!important" in value and not {"!"} & seen:
            seen.add("!")
            message = f"`{shortened(value)}` carries !important."
            yield warning("INL-IMPORTANT", place, message, "Remove it: in a style attribute it has no other effect.")


def body_type(examined: Examined) -> Iterator[Finding]:
    """TYPE: the size in which most of the copy is set; the footer's small print can outweigh a short issue."""
    sizes: Counter[float] = Counter()
    for run in examined.page.visible:
        if examined.resolved and not examined.sources.find(" ".join(run.text.split()[:6])):
            continue
        size = pixels(run.element.inherited("font-size")) if run.element else None
        sizes[16 if size is None else size] += len(run.text.split())
    if not sizes:
        return
    size, _ = sizes.most_common(1)[0]
    message = f"most of the copy is set in {size:g} px."
    if size < SMALLEST:
        yield error("TYPE", Place("body.html"), message, f"Set it in {SMALL} px or more.")
    elif size < SMALL:
        yield warning("TYPE", Place("body.html"), message, f"Set it in {SMALL} px or more.")


def width(examined: Examined) -> Iterator[Finding]:
    """WIDTH: nothing is fixed wider than the sheet."""
    for element in examined.page.named("table", "td", "img", "div"):
        widths = [pixels(element.attributes.get("width")), pixels(element.style.get("width"))]
        widest = max((found for found in widths if found is not None), default=0)
        if widest > WIDEST:
            message = f"<{element.name}> is fixed at {widest:g} px."
            yield warning("WIDTH", examined.in_html(element.start), message, "Use width=100% and a max-width of 600px.")


def outlook(examined: Examined) -> Iterator[Finding]:
    """OUTLOOK: conditional comments come in pairs, and so do the ghost tables inside them."""
    open_at: int | None = None
    tables: Counter[str] = Counter()
    for piece in examined.page.pieces:
        if piece.kind is Kind.DECLARATION and re.match(r"<!\[\s*(?:if|endif)", piece.text, re.IGNORECASE):
            message = f"`{piece.text}` is the downlevel-revealed form, which parsers turn into a comment."
            yield error(
                "OUTLOOK", examined.in_html(piece.start), message, "Write <!--[if !mso]><!--> … <!--<![endif]-->."
            )
        if piece.kind is not Kind.COMMENT:
            continue
        opens = len(re.findall(r"\[if\b[^\]]*\]>", piece.text, re.IGNORECASE))
        closes = len(re.findall(r"<!\[endif\]", piece.text, re.IGNORECASE))
        if (
            opens
            and closes == opens
            and re.search(r"\bmso\b", piece.text)
            and not re.match(r"<!--\[if\s*!", piece.text)
        ):
            tables.update(tag for tag in _steps(piece.text))
        if opens > closes:
            if open_at is not None:
                yield _unclosed(examined, open_at)
            open_at = piece.start
        elif closes > opens:
            if open_at is None:
                message = "`<![endif]` closes a conditional comment that was never opened."
                yield error("OUTLOOK", examined.in_html(piece.start), message, "Remove it, or open one before it.")
            open_at = None
    if open_at is not None:
        yield _unclosed(examined, open_at)
    for name in ("table", "tr", "td"):
        if tables[f"<{name}"] != tables[f"</{name}"]:
            message = f"Outlook sees {tables[f'<{name}']} <{name}> and {tables[f'</{name}']} </{name}> in its comments."
            yield error("OUTLOOK", Place("body.html"), message, "Close every ghost table in the theme.")


def _unclosed(examined: Examined, at: int) -> Finding:
    message = "`<!--[if` is never closed by `<![endif]`: Outlook hides the rest of the issue."
    return error("OUTLOOK", examined.in_html(at), message, "Close it in the theme.")


def _steps(comment: str) -> Iterator[str]:
    for slash, name in _TABLE_TAG.findall(comment):
        yield f"<{slash}{name.lower()}"
