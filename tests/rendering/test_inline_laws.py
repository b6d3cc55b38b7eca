"""Laws of inlining: on any document nothing is lost or it raises; on class-only styles it agrees with css-inline."""

from __future__ import annotations

import html
import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import unquote

import css_inline
import cssselect
import lxml.html
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import InlineError
from newsletter.rendering.inline import inline_css


class Said(HTMLParser):
    """What a page says, by Python's own parser: independent of the scanner under test."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.comments: list[str] = []
        self.addresses: Counter[str] = Counter()
        self._in_style = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.addresses.update(unquote(value or "") for name, value in attrs if name in {"href", "src"})

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.text += "".join(data.split())

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


_FIELD = st.sampled_from(
    ["{{first_name|dear reader}}", "{{unsubscribe_url}}", "{{ x.y }}", "*|NAME|*", "%%n%%", "{% if x %}"]
)
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="<>&\x00", exclude_categories=["Cc"]), max_size=12).map(
    html.escape
)
_CLASS = st.sampled_from(["", ' class="a"', ' class="b c"', ' class="a b" style="margin:0"', " class='c' id='i'"])
_COMMENT = st.sampled_from(
    ["<!-- x -->", '<!--[if mso]><table><tr><td style="a:b"><![endif]-->', "<!--[if !mso]><!-->", "<!--<![endif]-->"]
)
_LEAF = st.one_of(
    _TEXT,
    _FIELD,
    _COMMENT,
    st.builds(lambda f: f'<a href="https://example.org/?q={f}&amp;x=1">go</a>', _FIELD | st.just("é z")),
    st.just('<img src="https://example.org/i.png" alt="pic" width="10">'),
    st.sampled_from(
        ["<br>", "&nbsp;", "&copy;", "&#128512;", "</p>", "<p>", "<span>", "<b>x</i>", "<o:p></o:p>", "< b"]
    ),
)


def _wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    tag = st.sampled_from(["div", "p", "span", "b", "ul", "li", "h2", "center", "blockquote"])
    plain = st.builds(lambda t, c, i: f"<{t}{c}>{''.join(i)}</{t}>", tag, _CLASS, st.lists(inner, max_size=4))
    row = st.builds(
        lambda c, i, f: f"<table{c}><tr>{f}<td{c}>{''.join(i)}</td></tr>{f}</table>",
        _CLASS,
        st.lists(inner, max_size=3),
        _FIELD,
    )
    deep = st.builds(lambda n, i: "<div>" * n + i + "</div>" * n, st.sampled_from([3, 60, 250, 300]), inner)
    return plain | row | deep


_BODY = st.lists(st.recursive(_LEAF, _wrapped, max_leaves=12), max_size=6).map("".join)
_CSS = st.lists(
    st.sampled_from(
        [
            ".a{color:red}",
            ".b .c{margin:0 auto;margin-left:1px}",
            "p.a,td{padding:1px!important}",
            ".a:hover{color:blue}",
            "@media (max-width:600px){.a{padding:0!important}}",
            ":root{--x:1px}",
            ".c{border:var(--x, 2px) solid}",
            "[data-ogsc] .a{color:red}",
            "#i>b{x:y}",
        ]
    ),
    max_size=6,
).map("".join)


@settings(deadline=None)
@given(body=_BODY, css=_CSS, framed=st.booleans())
def test_the_page_says_the_same_or_the_error_says_what_it_would_lose(body: str, css: str, framed: bool) -> None:
    """Law (invariant 6): text, comments, addresses and fields stay, by an independent parser; else InlineError."""
    head = f"<head><title>A &amp; B</title><style>{css}</style></head>"
    page = f"<!DOCTYPE html><html>{head}<body>{body}</body></html>" if framed else f"<style>{css}</style>{body}"
    try:
        out = inline_css(page)
    except InlineError:
        return
    before, after = Said(page), Said(out)
    assert after.text == before.text
    assert after.comments == before.comments
    assert after.addresses == before.addresses
    for field in ("{{first_name|dear reader}}", "{{unsubscribe_url}}", "{{ x.y }}", "*|NAME|*", "%%n%%", "{% if x %}"):
        assert out.count(field) == page.count(field)
    assert not re.search(r"zq\d+qz|data-zq|x-zq", out)


_CLASSES = ["a", "b", "c", "d"]
_COLOURS = ["color:red", "color:#111", "background-color:#eee", "font-size:17px", "line-height:26px", "text-align:left"]
_SHORTHANDS = ["padding:1px 2px", "margin:0", "margin:5px 6px 7px", "padding:0 !important"]
_LONGHANDS = ["padding-left:3px", "margin-top:4px", "padding-left:0", "margin-left:9px !important"]
_SELECTORS = [".a", ".b", ".c", ".d", ".a.b", ".c .d", ".a > .b", ".a .c, .d", "div.a", "p.c"]


def _sheets(declarations: list[str]) -> st.SearchStrategy[str]:
    rule = st.builds(
        lambda selector, body: f"{selector}{{{';'.join(body)}}}",
        st.sampled_from(_SELECTORS),
        st.lists(st.sampled_from(declarations), min_size=1, max_size=3),
    )
    return st.lists(rule, max_size=10).map("".join)


_ELEMENT = st.recursive(
    st.builds(lambda c: f'<p class="{" ".join(c)}">x</p>', st.lists(st.sampled_from(_CLASSES), max_size=2)),
    lambda inner: st.builds(
        lambda c, i: f'<div class="{" ".join(c)}">{"".join(i)}</div>',
        st.lists(st.sampled_from(_CLASSES), max_size=2),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)
_SIDES = ("top", "right", "bottom", "left")


def _computed(style: str) -> dict[str, str]:
    """The longhands a style attribute comes to, for the properties used here."""
    found: dict[str, str] = {}
    for part in style.split(";"):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if name in {"padding", "margin"}:
            values = value.split()
            top, right, bottom, left = {1: values * 4, 2: values * 2, 3: [*values, values[1 % len(values)]]}[
                len(values)
            ]
            found |= {f"{name}-{side}": v for side, v in zip(_SIDES, (top, right, bottom, left), strict=True)}
        elif name:
            found[name] = value
    return found


def _styles(page: str) -> list[dict[str, str]]:
    return [
        _computed(html.unescape(style[1]) if (style := re.search(r'style="([^"]*)"', tag)) else "")
        for tag in re.findall(r"<(?:p|div)\b[^>]*>", page)
    ]


def _framed(css: str, body: str) -> str:
    return f"<!DOCTYPE html><html><head><title>t</title><style>{css}</style></head><body>{body}</body></html>"


_PAGES = st.lists(_ELEMENT, min_size=1, max_size=3).map("".join)


@settings(deadline=None)
@given(css=_sheets([*_COLOURS, *_SHORTHANDS]) | _sheets([*_COLOURS, *_LONGHANDS]), body=_PAGES)
def test_class_rules_come_to_the_same_properties_as_by_another_inliner(css: str, body: str) -> None:
    """Law: for every element the properties are those of css-inline. (Longhand, shorthand, longhand again is left to
    the next law: there css-inline itself keeps the first place.)"""
    page = _framed(css, body)
    theirs = css_inline.CSSInliner(load_remote_stylesheets=False).inline(page).replace(" !important", "")
    assert _styles(inline_css(page)) == _styles(theirs)


@settings(deadline=None)
@given(css=_sheets([*_COLOURS, *_SHORTHANDS, *_LONGHANDS]), body=_PAGES)
def test_shorthands_and_longhands_come_to_what_the_cascade_says(css: str, body: str) -> None:
    """Law: for every element the longhands are those of applying each matching declaration in the cascade's order."""
    tree = lxml.html.document_fromstring(_framed("", body))
    elements = [element for element in tree.iter() if element.tag in {"p", "div"}]
    wanted: dict[int, dict[str, str]] = {index: {} for index in range(len(elements))}
    steps = []
    for order, (selectors, block) in enumerate(re.findall(r"([^{}]+)\{([^{}]*)\}", css)):
        for selector in selectors.split(","):
            weight = cssselect.parse(selector)[0].specificity()
            for place, declaration in enumerate(block.split(";")):
                important = "!important" in declaration
                steps.append((important, weight, order, place, selector, declaration.replace(" !important", "")))
    for *_, selector, declaration in sorted(steps):
        hit = set(tree.cssselect(selector))
        for index, element in enumerate(elements):
            if element in hit:
                wanted[index] |= _computed(declaration)
    assert _styles(inline_css(_framed(css, body))) == list(wanted.values())
