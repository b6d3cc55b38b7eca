"""Splits style sheets into what can be inlined and what must stay, and works out which declarations win.

Only plain selectors go to the inliner. At-rules, pseudo-classes and the hooks that mail clients are known by stay in
the head, as written. The cascade is ours: the inliner is only asked which element a rule matches, because it gets the
order of shorthands and longhands wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cssselect
import tinycss2
from tinycss2.ast import (
    AtRule,
    FunctionBlock,
    Node,
    ParenthesesBlock,
    ParseError,
    QualifiedRule,
)
from tinycss2.ast import (
    Declaration as ParsedDeclaration,
)

from newsletter.errors import InlineError

Specificity = tuple[int, int, int]

_COMPOUND = r"(?:[a-zA-Z][\w-]*|(?=[.#\[]))(?:[.#]-?[_a-zA-Z][\w-]*|\[(?!data-og)[a-zA-Z][\w-]*(?:=\"?[\w-]+\"?)?\])*"
_PLAIN = re.compile(rf"{_COMPOUND}(?:(?:\s*>\s*|\s+){_COMPOUND})*(?::first-child|:last-child)?")
_HOOK = re.compile(r":root|\[|^\s*u\s*\+")
_NAMED = re.compile(r"[.#](-?[_a-zA-Z][\w-]*)")
# Names that clients put into the page themselves: rules for them stay although nothing in the page has them.
_CLIENTS = re.compile(r"ExternalClass|ReadMsgBody|Message|moz-|gmail|apple|yahoo|yshortcuts|im$|a6S$", re.IGNORECASE)
_STRINGS_AND_COMMENTS = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)

_SIDES = ("top", "right", "bottom", "left")
# Which longhands a shorthand sets, where the name alone (`padding` -> `padding-left`) does not say it.
_COVERED = {
    "font": ("font-", "line-height"),
    "border": tuple(f"border-{part}" for part in (*_SIDES, "width", "style", "color", "image")),
    "border-width": tuple(f"border-{side}-width" for side in _SIDES),
    "border-style": tuple(f"border-{side}-style" for side in _SIDES),
    "border-color": tuple(f"border-{side}-color" for side in _SIDES),
    "border-radius": tuple(f"border-{v}-{h}-radius" for v in ("top", "bottom") for h in ("left", "right")),
}
_SHORTHANDS = {"background", "border-top", "border-right", "border-bottom", "border-left", "margin", "padding"}
_SHORTHANDS |= {"outline", "list-style", "text-decoration", "flex", "overflow", "columns", "transition", "animation"}


@dataclass(frozen=True)
class Declaration:
    """`name: value`, without its `!important`."""

    name: str
    value: str
    important: bool = False


@dataclass(frozen=True)
class Rule:
    """One plain selector with its declarations."""

    selector: str
    specificity: Specificity
    declarations: tuple[Declaration, ...]


@dataclass
class Sheet:
    """All styles of a page, split."""

    rules: list[Rule] = field(default_factory=list)  # to be inlined, in order
    media: list[str] = field(default_factory=list)  # at-rules, media queries first
    states: list[str] = field(default_factory=list)  # :hover and other selectors that are no plain ones
    hooks: list[str] = field(default_factory=list)  # :root, [data-ogsc], u + .body: some clients reject these
    variables: dict[str, list[Node]] = field(default_factory=dict)

    def kept(self) -> list[str]:
        """The style sheets that stay: two, so that a client that rejects the hooks does not lose the first."""
        first = sorted(self.media, key=lambda rule: not rule.startswith("@media"))
        return [sheet for sheet in ("\n".join([*first, *self.states]), "\n".join(self.hooks)) if sheet]


def split(styles: Sequence[tuple[str, str]], names: set[str]) -> Sheet:
    """Split style sheets given as (media, css). `names` are the classes and ids of the page: rules for others go.

    Raises InlineError for what mail clients choke on: syntax errors, @import, an at-rule inside an at-rule.
    """
    sheet = Sheet()
    parsed = [(media, _rules(css)) for media, css in styles]
    for _, nodes in parsed:
        for node in nodes:
            if isinstance(node, QualifiedRule) and _text(node.prelude) == ":root":
                sheet.variables |= {d.name: d.value for d in _declarations(node) if d.name.startswith("--")}
    for media, nodes in parsed:
        if media.strip().lower() in {"", "all"}:
            for node in nodes:
                _place(node, sheet, names)
        else:
            inside = _kept_inside(nodes, names, f"the style for {media}")
            sheet.media += [f"@media {media}{{{inside}}}"] if inside else []
    return sheet


def style_declarations(style: str, variables: Mapping[str, list[Node]]) -> tuple[Declaration, ...]:
    """The declarations of a style attribute; what is not one is left out."""
    nodes = tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)
    return tuple(_finished(node, variables) for node in nodes if isinstance(node, ParsedDeclaration))


def cascade(rules: Iterable[Rule], style: Sequence[Declaration]) -> str:
    """The style attribute that says what `rules`, given in order, and the element's own style say together.

    Later beats earlier, and a shorthand that comes later takes earlier longhands with it. No `!important` is left: it
    has no effect in a style attribute but to make Outlook ignore the declaration.
    """
    ranked = sorted(rules, key=lambda rule: rule.specificity)  # stable: equals keep their order
    groups = [rule.declarations for rule in ranked]
    layers = [*([d for d in group if not d.important] for group in [*groups, style])]
    layers += [[d for d in group if d.important] for group in [*groups, style]]
    merged: list[Declaration] = []
    for layer in layers:
        set_here = {declaration.name for declaration in layer}
        merged = [d for d in merged if not any(_covers(name, d.name) for name in set_here)]
        merged += [d for index, d in enumerate(layer) if d not in layer[index + 1 :]]
    return ";".join(f"{declaration.name}:{declaration.value}" for declaration in merged)


def _covers(shorthand: str, name: str) -> bool:
    if name == shorthand:
        return True
    if shorthand in _COVERED:
        return name.startswith(_COVERED[shorthand])
    return shorthand in _SHORTHANDS and name.startswith(shorthand + "-")


def _rules(css: str) -> list[Node]:
    bare = _STRINGS_AND_COMMENTS.sub("", css)
    if bare.count("{") != bare.count("}"):
        raise InlineError(
            f"A style sheet has {bare.count('{')} `{{` and {bare.count('}')} `}}`. Close every block: {_shown(css)}"
        )
    nodes = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    for node in nodes:
        if isinstance(node, ParseError):
            raise InlineError(f"A style sheet cannot be read at its line {node.source_line}: {node.message}.")
    return list(nodes)


def _place(node: Node, sheet: Sheet, names: set[str]) -> None:
    if isinstance(node, AtRule):
        kept = _kept_at_rule(node, names)
        sheet.media += [kept] if kept else []
        return
    keep: list[str] = []
    declarations = _declarations(node)
    for selector in _selectors(node.prelude):
        if not _is_used(selector, names):
            continue
        if _PLAIN.fullmatch(selector):
            finished = tuple(_finished(declaration, sheet.variables) for declaration in declarations)
            sheet.rules.append(Rule(selector, _specificity(selector), finished))
        else:
            keep.append(selector)
    for target, chosen in ((sheet.hooks, _HOOK.search), (sheet.states, lambda s: not _HOOK.search(s))):
        selectors = [selector for selector in keep if chosen(selector)]
        if selectors:
            target.append(f"{','.join(selectors)}{{{tinycss2.serialize(node.content).strip()}}}")


def _kept_at_rule(node: AtRule, names: set[str]) -> str:
    keyword = node.lower_at_keyword
    if keyword in {"import", "charset", "namespace"}:
        raise InlineError(
            f"A style sheet holds @{keyword}, which mail cannot use and nothing here fetches. "
            "Write the rules themselves."
        )
    written = f"@{node.at_keyword}{tinycss2.serialize(node.prelude)}"
    if node.content is None:
        return f"{written};"
    if any(inner.type == "at-keyword" for inner in _all_nodes(node.content)):
        raise InlineError(
            f"`{written.strip()}` holds another @-rule; Gmail drops the whole <style> for that. "
            "Write the two side by side."
        )
    if keyword not in {"media", "supports"}:
        return f"{written}{{{tinycss2.serialize(node.content)}}}"
    rules = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
    inside = _kept_inside(list(rules), names, written.strip())
    return f"{written.rstrip()}{{{inside}}}" if inside else ""


def _kept_inside(nodes: list[Node], names: set[str], where: str) -> str:
    """The rules of an at-rule that can ever match, as written."""
    kept = []
    for node in nodes:
        if not isinstance(node, QualifiedRule):
            raise InlineError(f"A rule in {where} cannot be read, at line {node.source_line} of its style sheet.")
        selectors = [selector for selector in _selectors(node.prelude) if _is_used(selector, names)]
        if selectors:
            kept.append(f"{','.join(selectors)}{{{tinycss2.serialize(node.content).strip()}}}")
    return "\n".join(kept)


def _selectors(prelude: list[Node]) -> list[str]:
    """The selectors of a rule: split at the commas that are not inside brackets."""
    groups: list[list[Node]] = [[]]
    for node in prelude:
        if node.type == "literal" and node.value == ",":
            groups.append([])
        else:
            groups[-1].append(node)
    return [text for text in (_text(group) for group in groups) if text]


def _text(nodes: list[Node]) -> str:
    return " ".join(tinycss2.serialize([node for node in nodes if node.type != "comment"]).split())


def _specificity(selector: str) -> Specificity:
    return max(found.specificity() for found in cssselect.parse(selector))


def _is_used(selector: str, names: set[str]) -> bool:
    mentioned = _NAMED.findall(_STRINGS_AND_COMMENTS.sub("", selector))
    return all(name in names or _CLIENTS.search(name) for name in mentioned)


def _declarations(node: QualifiedRule) -> list[ParsedDeclaration]:
    found = []
    for item in tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True):
        if not isinstance(item, ParsedDeclaration):
            raise InlineError(
                f"The rule `{_text(node.prelude)}` holds something that is no declaration, "
                f"at line {item.source_line} of its style sheet."
            )
        found.append(item)
    return found


def _finished(declaration: ParsedDeclaration, variables: Mapping[str, list[Node]]) -> Declaration:
    value = _shorter_quotes(tinycss2.serialize(_without_variables(declaration.value, variables, ())))
    return Declaration(declaration.lower_name, " ".join(value.split()), bool(declaration.important))


def _shorter_quotes(value: str) -> str:
    """Single quotes where nothing speaks against them: double ones cost six bytes each in an attribute."""
    return value.replace('"', "'") if "'" not in value and "\\" not in value else value


def _without_variables(
    nodes: Iterable[Node], variables: Mapping[str, list[Node]], trail: tuple[str, ...]
) -> list[Node]:
    """The value with every `var(--x, fallback)` replaced, which no Gmail, Outlook or Yahoo would do."""
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, FunctionBlock) and node.lower_name == "var":
            found += _variable(node, variables, trail)
        elif isinstance(node, FunctionBlock):
            inside = _without_variables(node.arguments, variables, trail)
            found.append(FunctionBlock(node.source_line, node.source_column, node.name, inside))
        elif isinstance(node, ParenthesesBlock):
            inside = _without_variables(node.content, variables, trail)
            found.append(ParenthesesBlock(node.source_line, node.source_column, inside))
        else:
            found.append(node)
    return found


def _variable(node: FunctionBlock, variables: Mapping[str, list[Node]], trail: tuple[str, ...]) -> list[Node]:
    arguments = [argument for argument in node.arguments if argument.type != "comment"]
    comma = next((i for i, a in enumerate(arguments) if a.type == "literal" and a.value == ","), len(arguments))
    name = tinycss2.serialize(arguments[:comma]).strip()
    if name in trail:
        raise InlineError(f"The CSS variable `{name}` is defined by itself.")
    if name in variables:
        return _without_variables(variables[name], variables, (*trail, name))
    if comma < len(arguments):
        return _without_variables(arguments[comma + 1 :], variables, trail)
    raise InlineError(f"The CSS variable `{name}` is used but not set. Set it in `:root {{ {name}: …; }}`.")


def _all_nodes(nodes: Iterable[Node]) -> Iterable[Node]:
    for node in nodes:
        yield node
        yield from _all_nodes(getattr(node, "content", None) or getattr(node, "arguments", None) or [])


def _shown(css: str) -> str:
    text = " ".join(css.split())
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"
