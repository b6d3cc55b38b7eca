"""Rules that compare what editors wrote with what the HTML and the plain text say, and find what nobody wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.errors import Place
from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding
from newsletter.rendering.handmade import PART
from newsletter.rendering.markdown import parse, problems_in_copy
from newsletter.transports.fields import FIELDS, TOKEN

_LEFT = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{\{|\}\}|\*\|[A-Z0-9_:]+\|\*|%%[\w.-]+%%|\$\{[\w.]+\}|\[\[[\w. ]+\]\]|<%.*?%>"
    r"|%7B%7B|\[object Object\]|\blorem ipsum\b|\bTK\b|\bTKTK\b|\bXXX\b",
    re.DOTALL,
)
_WHOLE = re.compile(r"\s*(?:None|null|NaN|undefined)\s*")
# Scripts written without spaces are broken anywhere in plain text: each character counts as a word.
_UNSPACED = "\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef\U0001b000-\U0001b2ff\U00020000-\U0003ffff\uac00-\ud7a3"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_FOOTNOTE = re.compile(r"\s\[\d+\]|<[^<>\s]+@[^<>\s]+>")
_TAG = re.compile(
    r"</?(?:a|p|br|div|span|b|i|strong|em|table|td|tr|img|h[1-6]|ul|li)\b[^<>]*>|&(?:nbsp|amp|quot|#\d+);",
    re.IGNORECASE,
)
LONGEST_LINE = 998
_TO_COME = re.compile(r"TK|TKTK|XXX|lorem ipsum", re.IGNORECASE)


def tokens(examined: Examined) -> Iterator[Finding]:
    """TOKEN-LEFT: template syntax and placeholders, wherever a reader would see them."""
    seen: set[tuple[str, Place]] = set()
    for place_of, text, at in _read_by_people(examined):
        for snippet in _left_in(text):
            if _WHOLE.fullmatch(snippet) and _written(examined, snippet):
                continue
            place = examined.sources.find(snippet) or examined.sources.find_by_hand(snippet)
            place = place or (examined.in_html(at) if place_of == "html" else Place(place_of))
            if (snippet, place) not in seen:
                seen.add((snippet, place))
                message = f"`{shortened(snippet, 40)}` would be sent as it stands."
                remedy = "Write what it stands for, or a merge field with a fallback."
                if _TO_COME.fullmatch(snippet):
                    message = f"`{snippet}` stands for words still to come, and would be sent as it stands."
                    remedy = "Write the words; where they are meant so, waive the rule by name."
                yield error("TOKEN-LEFT", place, message, remedy)


def _written(examined: Examined, word: str) -> bool:
    """Whether an editor wrote this word: "**None** of them" is no value that a program left out."""
    return any(re.search(rf"(?<!\w){word}(?!\w)", copy.text) for copy in examined.sources.copies)


def _read_by_people(examined: Examined) -> Iterator[tuple[str, str, int]]:
    yield "subject.txt", examined.build.subject, 0
    yield "preheader.txt", examined.build.preheader, 0
    for run in examined.page.runs:
        yield "html", run.text, run.start
    for element in examined.page.elements:
        for name in ("alt", "title", "href", "src"):
            if name in element.attributes:
                yield "html", element.attributes[name], element.start
    yield "body.txt", examined.text, 0


def _left_in(text: str) -> Iterator[str]:
    if _WHOLE.fullmatch(text):
        yield text.strip()
    for match in _LEFT.finditer(text):
        token = TOKEN.fullmatch(match[0])
        field = FIELDS.get(token[1]) if token else None
        if field is None or (token and field.needs_fallback and not (token[2] or "").strip()):
            yield match[0]


def copy_problems(examined: Examined) -> Iterator[Finding]:
    """TOKEN-LEFT, LINK, IMG-TYPE: what Markdown could not make sense of, at its line."""
    for copy in examined.sources.copies:
        for problem in () if copy.handmade else problems_in_copy(copy.text):
            message, _, remedy = problem.message.partition(". ")
            yield error(problem.rule, copy.place(problem.line), message.rstrip(".") + ".", remedy or "Mend the copy.")


def lost(examined: Examined) -> Iterator[Finding]:
    """TEXT-LOST: every word of the copy is in the HTML and in the plain text, in its order."""
    html = _words(examined.page.text)
    text = _words(_FOOTNOTE.sub(" ", examined.text))
    for copy in examined.sources.copies:
        if not copy.whole:
            continue
        for line, phrase in _parts(copy.text) if copy.handmade else _phrases(copy.text):
            words = _words(_FOOTNOTE.sub(" ", phrase)).strip()  # a link may begin or end inside a word
            for where, said in (("HTML", html), ("plain text", text)):
                if words not in said:
                    message = f"“{shortened(phrase)}” is not in the {where}."
                    yield error("TEXT-LOST", copy.place(line), message, "Mend the theme's template of this block.")


def _phrases(copy: str) -> Iterator[tuple[int, str]]:
    """The running text of copy with its line, cut at links: their text parts are written otherwise in plain text."""
    parsed = parse(copy, lang="")
    for token in parsed.tokens:
        line = (token.map[0] if token.map else 0) + 1
        if token.type in {"fence", "code_block"}:
            yield line, parsed.hidden.restore(token.content)
        phrase = ""
        for child in token.children or []:
            if child.type in {"link_open", "link_close"}:
                yield line, phrase
                phrase = ""
            else:
                phrase += " " if child.type in {"softbreak", "hardbreak"} else parsed.hidden.restore(child.content)
        yield line, phrase


def _parts(said: str) -> Iterator[tuple[int, str]]:
    """The same of what HTML says."""
    line = 1
    for part in said.split(PART):
        yield line + part[: len(part) - len(part.lstrip())].count("\n"), part
        line += part.count("\n")


def _words(text: str) -> str:
    """Words only, so that quotes, wrapping, bars and capitals make no difference."""
    return f" {' '.join(_WORD.findall(text.casefold()))} ".replace("  ", " ")


def text_part(examined: Examined) -> Iterator[Finding]:
    """TEXT-PART: there is one, it says as much as the HTML, and it is text."""
    where = Place("body.txt")
    if not examined.text.strip():
        yield error("TEXT-PART", where, "the plain text is empty.", "Mend the theme's text templates.")
        return
    for number, line in enumerate(examined.text.split("\n"), 1):
        if len(line.encode()) > LONGEST_LINE:
            message = f"the line has {len(line.encode()):,} bytes; mail allows {LONGEST_LINE}."
            place = examined.sources.find(shortened(line, 40).rstrip("…")) or Place("body.txt", number)
            yield error("TEXT-PART", place, message, "Break the word or address that long.")
        if found := _TAG.search(line):
            message = f"the plain text holds markup: `{shortened(found[0])}`."
            yield warning("TEXT-PART", Place("body.txt", number), message, "Mend the theme's text templates.")
    words, said = len(examined.text.split()), len(examined.page.text.split())
    if words < 0.4 * said:
        message = f"the plain text has {words} words, the HTML {said}."
        yield warning("TEXT-PART", where, message, "Let the text templates say all that the HTML says.")
    missing = [link for link in examined.page.links if link.href.startswith("http") and link.href not in examined.text]
    for link in missing[:5]:
        message = f"the link to {shortened(link.href)} is not in the plain text."
        yield warning("TEXT-PART", examined.place(link.href, link.element.start), message, "Mend the text template.")
