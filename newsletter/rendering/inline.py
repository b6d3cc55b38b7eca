"""`inline_css`: puts a page's styles onto its elements, and loses nothing or raises (invariant 6).

premailer is asked one question only: which element does each rule match. It never sees what could harm it or be
harmed by it: merge fields and the page's own style attributes are hidden, at-rules and pseudo-classes stay out, and
each rule's body is a number. The cascade is ours (`css.cascade`). At the end of every run the page must say the same
as before: text, comments, addresses and merge fields.
"""

from __future__ import annotations

import html
import logging
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.dom import DOMException

import cssutils
from lxml.etree import LxmlError
from premailer import Premailer

from newsletter.errors import InlineError
from newsletter.rendering import css
from newsletter.rendering.markup import Kind, Piece, deepest, pieces, visible_text
from newsletter.rendering.placeholders import TEMPLATE_SYNTAX, Placeholders

MOST_BYTES = 4_000_000  # forty times what Gmail shows
_OWN_STYLE = "data-zqstyle"
_RULE = re.compile(r"x-zq-(\d+)")
_SAID = {"href", "src", "alt", "title", "background", "action", "poster"}
_REVEALED = re.compile(r"<!\[\s*(?:if|endif)", re.IGNORECASE)

# cssutils would fetch @import, files too, whatever premailer is told; nothing here may reach out.
cssutils.util._defaultFetcher = lambda _url: None
cssutils.log.setLevel(logging.CRITICAL + 1)
_cssutils_is_not_thread_safe = threading.Lock()


@dataclass
class _Page:
    """A page made ready for premailer: styles out, own style attributes as numbers."""

    doctype: str = ""
    parts: list[str] = field(default_factory=list)
    styles: list[tuple[str, str]] = field(default_factory=list)  # (media, css)
    own: list[str] = field(default_factory=list)  # style attributes, values as written
    names: set[str] = field(default_factory=set)  # classes and ids


def inline_css(html: str) -> str:
    """The page with its plain rules in style attributes; the other rules stay in <style> in the head.

    Nothing is fetched. Raises InlineError, naming what is lost, when the result would not say all the page says.
    """
    _check_input(html)
    hidden = Placeholders(html)
    source = hidden.hide(html, TEMPLATE_SYNTAX)
    before = pieces(source)
    page = _take_apart(before)
    sheet = css.split(page.styles, page.names)
    matched = _match("".join(page.parts), sheet.rules)
    styled = _insert_kept(_styled(matched, sheet, page.own), sheet.kept())
    result = page.doctype + styled
    _check_nothing_lost(before, pieces(result), hidden=hidden)
    return hidden.restore(_bare_attributes(result, hidden))


def _check_input(html: str) -> None:
    if not html.strip():
        raise InlineError("There is nothing to inline: the page is empty.")
    if html.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        raise InlineError("The page begins with an XML declaration. Remove it: mail is HTML.")
    if len(html) > MOST_BYTES:
        raise InlineError(f"The page has {len(html):,} characters; no mail can be longer than {MOST_BYTES:,}.")
    if html.count("<!--") and "-->" not in html[html.rindex("<!--") :]:
        raise InlineError("A comment `<!--` is never closed: everything after it would vanish.")


def _take_apart(document: Sequence[Piece]) -> _Page:
    page = _Page()
    for piece in document:
        if piece.kind is Kind.DECLARATION and _REVEALED.match(piece.text):
            raise InlineError(
                f"`{piece.text}` is understood by no client but Outlook and breaks the others. "
                "Write <!--[if !mso]><!--> … <!--<![endif]--> instead."
            )
        if piece.kind is Kind.DECLARATION and piece.text.lower().startswith("<!doctype") and not page.doctype:
            page.doctype = piece.text + "\n"
        elif piece.kind is Kind.RAW and piece.name == "style":
            page.styles.append((piece.attribute("media") or "", piece.content))
        elif piece.kind is Kind.TAG and not piece.closing:
            page.parts.append(_ready(piece, page))
        else:
            page.parts.append(piece.text)
    return page


def _ready(tag: Piece, page: _Page) -> str:
    """An opening tag with its style attribute replaced by a number."""
    if tag.name == "link" and "stylesheet" in (tag.attribute("rel") or "").lower().split():
        raise InlineError(f"`{tag.text}` is an external style sheet. Nothing is fetched: put the rules into a <style>.")
    if tag.name == "style":
        raise InlineError("A <style> is never closed: everything after it would vanish.")
    text = tag.text
    for attribute in reversed(tag.attributes):
        if attribute.name in {"class", "id"}:
            page.names.update(attribute.value.split())
        elif attribute.name == _OWN_STYLE:
            raise InlineError(f"The attribute `{_OWN_STYLE}` is used by the inliner itself. Name it otherwise.")
        elif attribute.name == "style":
            page.own.append(text[attribute.start : attribute.end])
            number = f'{_OWN_STYLE}="{len(page.own) - 1}"'
            text = text[: attribute.start] + number + text[attribute.end :]
    return text


def _match(page: str, rules: Sequence[css.Rule]) -> str:
    """The page after premailer: every element has the numbers of the rules that match it in its style attribute."""
    sheet = "\n".join(f"{rule.selector}{{x-zq-{number}:0}}" for number, rule in enumerate(rules))
    try:
        with _cssutils_is_not_thread_safe:
            # The doctype makes premailer keep comments that stand outside <html>; ours is put back afterwards.
            out: str = Premailer(
                f"<!DOCTYPE html>\n{page}",
                css_text=[sheet],
                strip_important=False,
                disable_validation=True,
                disable_leftover_css=True,
                align_floating_images=False,
                allow_network=False,
                disable_link_rewrites=True,
                cache_css_parsing=False,
                keep_style_tags=False,
                remove_classes=False,
                preserve_handlebar_syntax=False,
            ).transform(pretty_print=False)
    except (AttributeError, AssertionError) as error:  # what premailer does with an empty tree
        raise InlineError("The page cannot be read as HTML: the parser finds no element in it.") from error
    except (LxmlError, DOMException, ValueError, TypeError, RecursionError) as error:
        raise InlineError(f"The page cannot be read as HTML: {error}.") from error
    return out.removeprefix("<!DOCTYPE html>\n")


def _styled(page: str, sheet: css.Sheet, own: Sequence[str]) -> str:
    """The page with each element's numbers replaced by the declarations that win."""
    return "".join(
        _with_style(piece, sheet, own) if piece.kind is Kind.TAG and not piece.closing else piece.text
        for piece in pieces(page)
    )


def _with_style(tag: Piece, sheet: css.Sheet, own: Sequence[str]) -> str:
    places = {attribute.name: attribute for attribute in tag.attributes if attribute.name in {"style", _OWN_STYLE}}
    if not places:
        return tag.text
    numbers = sorted({int(found) for found in _RULE.findall(places["style"].value)} if "style" in places else [])
    written = own[int(places[_OWN_STYLE].value)] if _OWN_STYLE in places else ""
    attribute = _attribute(written, [sheet.rules[number] for number in numbers], sheet)
    text = tag.text
    for index, place in enumerate(sorted(places.values(), key=lambda found: -found.start)):
        first = index == len(places) - 1
        new = attribute if first else ""
        start = place.start if new else len(text[: place.start].rstrip())
        text = text[:start] + new + text[place.end :]
    return text


def _attribute(written: str, rules: Sequence[css.Rule], sheet: css.Sheet) -> str:
    """A style attribute; an element's own stays as it was written when there is nothing to add or to mend."""
    if not rules and "!" not in written and "var(" not in written:
        return written
    own = next((found.value for found in pieces(f"<p {written}>")[0].attributes), "") if written else ""
    value = css.cascade(rules, css.style_declarations(own, sheet.variables))
    return f'style="{html.escape(value, quote=False).replace(chr(34), "&quot;")}"' if value else ""


def _insert_kept(page: str, sheets: Sequence[str]) -> str:
    """The page with the rules that stay at the end of its head."""
    if not sheets:
        return page
    styles = "".join(f"<style>{sheet}</style>" for sheet in sheets)
    for piece in pieces(page):
        if piece.kind is Kind.TAG and piece.closing and piece.name == "head":
            return page[: piece.start] + styles + page[piece.start :]
        if piece.kind is Kind.TAG and piece.name == "body":
            return f"{page[: piece.start]}<head>{styles}</head>{page[piece.start :]}"
    raise InlineError("The page has neither <head> nor <body> to hold its styles.")


def _bare_attributes(page: str, hidden: Placeholders) -> str:
    """Merge fields that stood as attributes of their own come back without the value a parser gave them."""
    return re.sub(rf'({hidden.pattern.pattern})=""', lambda match: match[1], page)


def _check_nothing_lost(before: Sequence[Piece], after: Sequence[Piece], *, hidden: Placeholders) -> None:
    old, new = _words(before), _words(after)
    if old != new:
        at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        deep = deepest(before)
        why = f" The page nests {deep} elements; the parser stops at 255." if deep > 250 else ""
        raise InlineError(f"Inlining would change the text from “{hidden.restore(old[at : at + 60])}” on.{why}")
    comments = [[p.text for p in document if p.kind is Kind.COMMENT] for document in (before, after)]
    if comments[0] != comments[1]:
        lost = next((c for c in comments[0] if c not in comments[1]), "the order of comments")
        raise InlineError(f"Inlining would lose or change a comment: {lost[:80]}")
    gone = _said(before) - _said(after)
    added = _said(after) - _said(before)
    if gone or added:
        name, value = next(iter(gone or added))
        raise InlineError(f'Inlining would lose or change {name}="{hidden.restore(value)[:120]}".')
    counts = [hidden.count("".join(p.text for p in d if p.name != "style")) for d in (before, after)]
    if counts[0] != counts[1]:
        lost = next(iter((counts[0] - counts[1]) or (counts[1] - counts[0])))
        raise InlineError(f"Inlining would lose or double the merge field {hidden.restore(lost)}.")


def _words(document: Sequence[Piece]) -> str:
    return "".join(visible_text(document).split())


def _said(document: Sequence[Piece]) -> Counter[tuple[str, str]]:
    """Every address and description, in a form in which percent-encoding makes no difference."""
    return Counter(
        (attribute.name, "".join(unquote(attribute.value).split()))
        for piece in document
        if piece.kind is Kind.TAG
        for attribute in piece.attributes
        if attribute.name in _SAID
    )
