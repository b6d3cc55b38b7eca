"""Reads what people write, TOML and YAML, and says on which line a value stands.

Values come from the standard parsers; positions are looked up only when there is something to complain about,
so a good file costs nothing extra. `validate` turns a document into a pydantic model and reports every problem
of the file at once, each with its line and the nearest name that would have been right.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from newsletter.errors import InputError, Place, Problem

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed document and enough of its source to find lines again."""

    name: str
    data: dict[str, Any]
    text: str
    syntax: Literal["toml", "yaml"]
    first_line: int = 1

    def place(self, path: Sequence[str | int]) -> Place:
        """Where the value (or, for an unknown key, the key) at `path` stands; its nearest parent when it is absent."""
        lines = _toml_lines(self.text) if self.syntax == "toml" else _yaml_lines(self.text)
        known = tuple(path)
        while known and known not in lines:
            known = known[:-1]
        return Place(self.name, lines.get(known, 1) + self.first_line - 1)


def read_toml(text: str, name: str, *, first_line: int = 1) -> Document:
    """Parse TOML 1.0. Raises InputError naming the line of a syntax error."""
    try:
        return Document(name, tomllib.loads(text), text, "toml", first_line)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line = int(found[1]) if found else max(1, text.count("\n"))
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise InputError([Problem(Place(name, line + first_line - 1), f"TOML: {message}.")]) from None
    except RecursionError:
        raise InputError([Problem(Place(name, first_line), "TOML: nested too deeply to be a document.")]) from None


def read_yaml(text: str, name: str, *, first_line: int = 1) -> Document:
    """Parse a YAML mapping with the safe loader. Raises InputError naming the line of a syntax error."""
    try:
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = (mark.line + 1 if mark else 1) + first_line - 1
        raise InputError([Problem(Place(name, line), f"YAML: {error.problem or 'cannot be read'}.")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError([Problem(Place(name, first_line), f"YAML: {error}.")]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InputError([Problem(Place(name, first_line), "YAML: front matter must be `key: value` lines.")])
    return Document(name, data, text, "yaml", first_line)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None when nothing is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy: the nearest known word, or all of them when none is close."""
    words = sorted(set(known))
    close = nearest(word, words)
    if close:
        return f"Did you mean `{close}`?"
    return f"Known: {', '.join(words)}." if words else ""


def validate(model: type[Model], document: Document) -> Model:
    """Make `model` from the document. Raises InputError with every problem of the document, in line order."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise InputError(problems_of(error, document, model)) from None


def problems_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """The problems of a pydantic error in people's words, in line order."""
    details = error.errors(include_url=False)
    # A list whose entries are broken is also reported as too short: only the entries are worth saying.
    found = [
        _problem(detail, document, model)
        for detail in details
        if not (detail["type"] == "too_short" and detail["input"])
    ]
    unique = {(problem.place, problem.message): problem for problem in found}
    return sorted(unique.values(), key=lambda problem: problem.place.line or 0)


def _problem(detail: ErrorDetails, document: Document, model: type[BaseModel]) -> Problem:
    path = _document_path(detail["loc"], document.data)
    place = document.place(path)
    key = ".".join(str(part) for part in path if isinstance(part, str)) or "the document"
    kind = detail["type"]
    context = detail.get("ctx") or {}
    if kind == "extra_forbidden":
        name = str(path[-1])
        return Problem(place, f"unknown key `{name}`.", did_you_mean(name, _known_keys(model, detail["loc"])))
    if kind == "missing":
        return Problem(place, f"`{path[-1]}` is missing.", f"Add `{path[-1]} = …`.")
    value = _shown(detail["input"])
    if kind in {"literal_error", "enum"}:
        choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return Problem(place, f"`{key}` cannot be {value}.", did_you_mean(str(detail["input"]), choices))
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        tag = str(context.get("discriminator", "type")).strip("'")
        choices = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
        if kind == "union_tag_not_found":
            return Problem(place, f"`{tag}` is missing.", f"Known: {', '.join(choices)}." if choices else "")
        given = str(context.get("tag", ""))
        return Problem(document.place((*path, tag)), f'`{tag}` cannot be "{given}".', did_you_mean(given, choices))
    message = re.sub(r"^(Value error|Assertion failed), ", "", detail["msg"])
    if kind == "value_error":
        return Problem(place, f"`{key}`: {message}" if path else message)
    return Problem(place, f"`{key}` cannot be {value}: {message[:1].lower()}{message[1:]}.")


def _document_path(location: tuple[str | int, ...], data: Any) -> Path_:
    """The location without the names pydantic adds for unions: only steps the document has, and a last key."""
    path: list[str | int] = []
    here = data
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if isinstance(here, Mapping) and (step in here or last):
            path.append(step)
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            path.append(step)
            here = here[step]
        elif not isinstance(here, Mapping | list) and not last:
            continue
    return tuple(path)


def _known_keys(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    """The keys that would have been right where an unknown one stood."""
    models: list[type[BaseModel]] = [model]
    for step in location[:-1]:
        models = [found for owner in models for found in _step_into(owner, step)] or models
    return {field.alias or name for owner in models for name, field in owner.model_fields.items()}


def _step_into(owner: type[BaseModel], step: str | int) -> list[type[BaseModel]]:
    if not isinstance(step, str):
        return [owner]
    for name, field in owner.model_fields.items():
        if step in {name, field.alias}:
            return _models_in(field.annotation)
    return [owner] if step in _tags(owner) else []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…" + ('"' if isinstance(value, str) else "")


def _toml_lines(text: str) -> dict[Path_, int]:
    """The line of every key path of a TOML text, by a syntax tree (tomllib keeps no positions)."""
    import tree_sitter
    import tree_sitter_toml

    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language())).parse(text.encode())
    lines: dict[Path_, int] = {}
    counts: dict[Path_, int] = {}

    def key_path(node: tree_sitter.Node) -> Path_:
        if node.type == "dotted_key":
            return tuple(part for child in node.named_children for part in key_path(child))
        source = (node.text or b"").decode()
        return (next(iter(tomllib.loads(f"{source} = 1"))),)

    def resolve(path: Path_) -> Path_:
        """A table path with the index of the newest element put behind each array of tables."""
        full: Path_ = ()
        for part in path:
            full = (*full, part)
            if full in counts:
                full = (*full, counts[full])
        return full

    def value(node: tree_sitter.Node, path: Path_) -> None:
        if node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    pair(child, path)
        elif node.type == "array":
            items = [child for child in node.named_children if child.type != "comment"]
            for index, child in enumerate(items):
                lines[(*path, index)] = child.start_point[0] + 1
                value(child, (*path, index))

    def pair(node: tree_sitter.Node, base: Path_) -> None:
        key, *rest = [child for child in node.named_children if child.type != "comment"]
        path = (*base, *key_path(key))
        lines[path] = node.start_point[0] + 1
        for child in rest:
            value(child, path)

    def table(node: tree_sitter.Node) -> None:
        key = node.named_children[0]
        raw = key_path(key)
        path = (*resolve(raw[:-1]), raw[-1])
        if node.type == "table_array_element":
            counts[path] = counts.get(path, -1) + 1
            lines.setdefault(path, node.start_point[0] + 1)
            path = (*path, counts[path])
        lines[path] = node.start_point[0] + 1
        for child in node.named_children[1:]:
            if child.type == "pair":
                pair(child, path)

    for node in tree.root_node.named_children:
        if node.type == "pair":
            pair(node, ())
        elif node.type in {"table", "table_array_element"}:
            table(node)
    return lines


def _yaml_lines(text: str) -> dict[Path_, int]:
    lines: dict[Path_, int] = {}

    def walk(node: yaml.Node, path: Path_) -> None:
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
