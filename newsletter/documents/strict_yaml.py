"""YAML as plain as TOML: text, numbers, true and false, dates, lists and tables, each key once.

Aliases (a few lines of them can stand for gigabytes), tags and the surprises of YAML 1.1 are left out: `no` is text,
and so is `12:30`. A key without a value counts as not written, since TOML has no such thing.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import date
from typing import Any

import yaml

_CORE = "tag:yaml.org,2002:"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class StrictLoader(yaml.SafeLoader):
    """The safe loader with less in it."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(f"aliases are not read: write out what `*{event.anchor}` stands for", event.start_mark)
        if getattr(event, "tag", None):
            raise _refused(f"tags are not read: remove `{event.tag.replace(_CORE, '!!')}`", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key must be plain text", key.start_mark)
            if key.value in seen:
                raise _refused(f"the key `{key.value}` is written twice: keep one of them", key.start_mark)
            seen.add(key.value)
        return {
            key.value: self.construct_object(child, deep=deep)
            for key, child in node.value
            if child.tag != _CORE + "null"
        }

    def construct_date(self, node: yaml.ScalarNode) -> date:
        try:
            return date.fromisoformat(node.value)
        except ValueError:
            raise _refused(f"{node.value} is not a date", node.start_mark) from None

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        try:
            return int(node.value)
        except ValueError:  # Python refuses numbers of more than 4300 digits
            raise _refused("the number is too long", node.start_mark) from None


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _fill() -> None:
    StrictLoader.yaml_implicit_resolvers = {}
    StrictLoader.yaml_constructors = {}
    resolver, constructor = StrictLoader.add_implicit_resolver, StrictLoader.add_constructor
    resolver(_CORE + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
    resolver(_CORE + "null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
    resolver(_CORE + "timestamp", re.compile(rf"^{_DATE.pattern}$"), list("0123456789"))
    resolver(_CORE + "int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
    resolver(_CORE + "float", re.compile(r"^[-+]?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?$"), list("-+0123456789"))
    constructor(_CORE + "timestamp", StrictLoader.construct_date)
    constructor(_CORE + "int", StrictLoader.construct_integer)
    for name in ("bool", "null", "float", "str", "seq", "map"):
        constructor(_CORE + name, yaml.SafeLoader.yaml_constructors[_CORE + name])


_fill()
