"""Where each key of a TOML or YAML text stands. Asked only when there is something to say about it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field

import tree_sitter
import tree_sitter_toml
import yaml

KeyPath = tuple[str | int, ...]


def toml_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key path of a TOML text, by a syntax tree: tomllib keeps no positions."""
    walk = _TomlWalk()
    for node in _toml_tree(text).named_children:
        if node.type == "pair":
            walk.pair(node, ())
        elif node.type in {"table", "table_array_element"}:
            walk.table(node)
    return walk.lines


def toml_error_line(text: str) -> int | None:
    """The line on which a TOML text first stops making sense: where an unclosed quote or bracket was opened."""
    nodes = [_toml_tree(text)]
    while nodes:
        node = nodes.pop(0)
        if node.type == "ERROR" or node.is_missing:
            return node.start_point[0] + 1
        nodes = [child for child in node.children if child.has_error or child.is_missing] + nodes
    return None


def yaml_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key path of a YAML text."""
    lines: dict[KeyPath, int] = {}

    def walk(node: yaml.Node, path: KeyPath) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                step = (*path, str(key.value))
                lines[step] = key.start_mark.line + 1
                walk(child, step)
        elif isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                lines[(*path, index)] = child.start_mark.line + 1
                walk(child, (*path, index))

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        walk(root, ())
    return lines


def _toml_tree(text: str) -> tree_sitter.Node:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language())).parse(text.encode()).root_node


@dataclass
class _TomlWalk:
    lines: dict[KeyPath, int] = field(default_factory=dict)
    counts: dict[KeyPath, int] = field(default_factory=dict)  # the index of the newest element of each [[array]]

    def pair(self, node: tree_sitter.Node, base: KeyPath) -> None:
        key, *rest = [child for child in node.named_children if child.type != "comment"]
        path = (*base, *_key_path(key))
        self.lines[path] = node.start_point[0] + 1
        for child in rest:
            self.value(child, path)

    def value(self, node: tree_sitter.Node, path: KeyPath) -> None:
        if node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self.pair(child, path)
        elif node.type == "array":
            items = [child for child in node.named_children if child.type != "comment"]
            for index, child in enumerate(items):
                self.lines[(*path, index)] = child.start_point[0] + 1
                self.value(child, (*path, index))

    def table(self, node: tree_sitter.Node) -> None:
        raw = _key_path(node.named_children[0])
        path = (*self._resolve(raw[:-1]), raw[-1])
        line = node.start_point[0] + 1
        if node.type == "table_array_element":
            self.counts[path] = self.counts.get(path, -1) + 1
            self.lines.setdefault(path, line)
            path = (*path, self.counts[path])
        self.lines[path] = line
        for child in node.named_children[1:]:
            if child.type == "pair":
                self.pair(child, path)

    def _resolve(self, path: KeyPath) -> KeyPath:
        """A table path with the index of the newest element put behind each array of tables."""
        full: KeyPath = ()
        for part in path:
            full = (*full, part)
            if full in self.counts:
                full = (*full, self.counts[full])
        return full


def _key_path(node: tree_sitter.Node) -> KeyPath:
    if node.type == "dotted_key":
        return tuple(part for child in node.named_children for part in _key_path(child))
    source = (node.text or b"").decode()
    return (next(iter(tomllib.loads(f"{source} = 1"))),)
