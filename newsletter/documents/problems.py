"""Turns a document into a pydantic model, and pydantic's findings into sentences an editor can act on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from newsletter.documents.reading import Document
from newsletter.documents.words import did_you_mean, nearest, shown
from newsletter.errors import InputError, Problem

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], document: Document) -> Model:
    """Make `model` from the document. Raises InputError with every problem of the document, in line order."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise InputError(problems_of(error, document, model)) from None


def problems_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """The problems of a pydantic error in people's words, in line order."""
    details = [detail for detail in error.errors(include_url=False) if not _is_echo(detail)]
    mistyped = {
        (detail["loc"][:-1], nearest(str(detail["loc"][-1]), _known_keys(model, detail["loc"])))
        for detail in details
        if detail["type"] == "extra_forbidden"
    }
    found = [
        _problem(detail, document, model)
        for detail in details
        # A misspelt key is one mistake, not also a missing one.
        if not (detail["type"] == "missing" and (detail["loc"][:-1], detail["loc"][-1]) in mistyped)
    ]
    unique = {(problem.place, problem.message): problem for problem in found}
    return sorted(unique.values(), key=lambda problem: problem.place.line or 0)


def _is_echo(detail: ErrorDetails) -> bool:
    """A list whose entries are broken is also reported as too short: only the entries are worth saying."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _problem(detail: ErrorDetails, document: Document, model: type[BaseModel]) -> Problem:
    path = _document_path(detail["loc"], document.data)
    place = document.place(path)
    key = _named(path)
    kind = detail["type"]
    if kind == "extra_forbidden":
        remedy = did_you_mean(str(path[-1]), _known_keys(model, detail["loc"]))
        return Problem(place, f"unknown key `{path[-1]}`.", remedy)
    if kind == "missing":
        sign = " =" if document.syntax == "toml" else ":"
        return Problem(place, f"`{path[-1]}` is missing.", f"Add `{path[-1]}{sign} …`.")
    if kind in {"literal_error", "enum"}:
        choices = _quoted(detail, "expected")
        return Problem(
            place, f"`{key}` cannot be {shown(detail['input'])}.", did_you_mean(str(detail["input"]), choices)
        )
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _tag_problem(detail, document, model)
    if kind == "value_error":
        message = re.sub(r"^Value error, ", "", detail["msg"])
        return Problem(place, f"{_subject(path, detail['input'])} {message}")
    said = _WORDS.get(kind, _plain)(detail)
    return Problem(place, f"`{key}` {said}.", _remedy(detail, path, syntax=document.syntax))


def _tag_problem(detail: ErrorDetails, document: Document, model: type[BaseModel]) -> Problem:
    """A block whose `type` is missing or unknown."""
    path = _document_path(detail["loc"], document.data)
    tag = str((detail.get("ctx") or {}).get("discriminator", "type")).strip("'")
    choices = _quoted(detail, "expected_tags") or sorted(_tags_at(model, detail["loc"]))
    block: Mapping[str, Any] = detail["input"]
    if detail["type"] == "union_tag_not_found":
        misspelt = nearest(tag, [key for key in block if key not in _keys_at(model, detail["loc"])])
        hint = f"Is `{misspelt}` meant to be `{tag}`? " if misspelt else ""
        return Problem(
            document.place((*path, misspelt) if misspelt else path),
            f"`{tag}` is missing.",
            f"{hint}Known: {', '.join(choices)}.",
        )
    given = block[tag]
    return Problem(
        document.place((*path, tag)), f"`{tag}` cannot be {shown(given)}.", did_you_mean(str(given), choices)
    )


# -- what is said ------------------------------------------------------------------------------------------------------

_Said = Callable[[ErrorDetails], str]


def _must_be(what: str) -> _Said:
    return lambda detail: f"must be {what}, not {shown(detail['input'])}"


def _limit(words: str, key: str) -> _Said:
    return lambda detail: f"must be {words} {(detail.get('ctx') or {})[key]}, not {shown(detail['input'])}"


def _too_long(detail: ErrorDetails) -> str:
    most = (detail.get("ctx") or {})["max_length"]
    return f"has {len(detail['input'])} characters; at most {most} are allowed"


def _too_short(detail: ErrorDetails) -> str:
    least = (detail.get("ctx") or {})["min_length"]
    return "is empty" if least == 1 else f"needs at least {least} entries"


def _plain(detail: ErrorDetails) -> str:
    said = re.sub(r"^(Input|Value|String|Assertion failed,) should ", "must ", detail["msg"])
    return f"cannot be {shown(detail['input'])}: it {said[:1].lower()}{said[1:]}"


_DAY = _must_be("a date such as 2024-10-10")
_WHOLE = _must_be("a whole number")
_NUMBER = _must_be("a number")
_TRUTH = _must_be("true or false")
_TABLE = _must_be("a table of keys")
_LIST = _must_be("a list")

_WORDS: dict[str, _Said] = {
    "string_type": _must_be("text"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _TABLE,
    "mapping_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "greater_than": _limit("more than", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("less than", "lt"),
    "less_than_equal": _limit("at most", "le"),
    "too_short": _too_short,
    "string_too_short": _too_short,
    "string_too_long": _too_long,
    "too_long": lambda detail: f"has more than {(detail.get('ctx') or {})['max_length']} entries",
    "string_pattern_mismatch": lambda detail: (
        f"cannot be {shown(detail['input'])}: it must match {(detail.get('ctx') or {})['pattern']}"
    ),
}


def _table(path: KeyPath) -> str:
    """A table's name as TOML writes it."""
    return ".".join(step for step in path if isinstance(step, str))


def _remedy(detail: ErrorDetails, path: KeyPath, *, syntax: str) -> str:
    given = detail["input"]
    if detail["type"] == "string_type" and not isinstance(given, dict | list):
        return f'Put it in quotes: "{shown(given)}".'
    if detail["type"] == "tuple_type" and isinstance(given, dict):
        if syntax == "yaml":
            return "Put `- ` before each entry."
        return f"Write [[{_table(path)}]], with two brackets, before each entry."
    if detail["type"].startswith("model_") and path and isinstance(path[-1], str):
        if syntax == "yaml":
            return "Put its keys on lines below, indented."
        return f"Write [{_table(path)}] on a line of its own and the keys below it."
    if detail["type"] == "tuple_type":
        return f"Put it in brackets: [{shown(given)}]."
    return ""


def _subject(path: KeyPath, given: object) -> str:
    """What a sentence is about: a key, or a block by its type."""
    if path and isinstance(path[-1], int) and isinstance(given, Mapping) and "type" in given:
        return f"this `{given['type']}` block"
    if len(path) > 2 and isinstance(path[-1], int) and isinstance(path[-2], int):
        return f"`{_named(path[:-2])}`, row {path[-2] + 1}, column {path[-1] + 1}:"
    return f"`{_named(path)}`:"


def _named(path: KeyPath) -> str:
    """The keys behind the last numbered entry: a line is given too, so `cta.url` says enough."""
    entries = [index for index, step in enumerate(path) if isinstance(step, int) and index < len(path) - 1]
    tail = path[entries[-1] + 1 :] if entries else path
    return ".".join(str(step) for step in tail if isinstance(step, str)) or "the document"


def _quoted(detail: ErrorDetails, key: str) -> list[str]:
    return re.findall(r"'([^']*)'", str((detail.get("ctx") or {}).get(key, "")))


# -- where it stands ---------------------------------------------------------------------------------------------------


def _document_path(location: tuple[str | int, ...], data: Any) -> KeyPath:
    """The location without the names pydantic adds for unions: only steps the document has, and a last key."""
    path: list[str | int] = []
    here = data
    for index, step in enumerate(location):
        if isinstance(here, Mapping):
            if path and isinstance(path[-1], int) and isinstance(location[index - 1], int) and step == here.get("type"):
                continue  # the block's type, which pydantic puts between the entry and its keys
            if step in here or index == len(location) - 1:
                path.append(step)
                here = here.get(str(step))
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            path.append(step)
            here = here[step]
    return tuple(path)


def _known_keys(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    """The keys that would have been right where an unknown one stood."""
    return _keys_at(model, location[:-1])


def _keys_at(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    return {field.alias or name for owner in _models_at(model, location) for name, field in owner.model_fields.items()}


def _tags_at(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    return {str(tag) for owner in _models_at(model, location) for tag in _tags(owner)}


def _models_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    models: list[type[BaseModel]] = [model]
    for before, step in zip((None, *location), location, strict=False):
        # A block's type comes right behind its number, and may be the name of one of its keys as well.
        tagged = [owner for owner in models if isinstance(before, int) and step in _tags(owner)]
        models = tagged or [found for owner in models for found in _step_into(owner, step)] or models
    return models


def _step_into(owner: type[BaseModel], step: str | int) -> list[type[BaseModel]]:
    if not isinstance(step, str):
        return [owner]
    for name, field in owner.model_fields.items():
        if step in {name, field.alias}:
            return _models_in(field.annotation)
    return []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()
