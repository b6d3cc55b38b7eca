"""Requests checked against botocore's own model of SES: members, types, required ones, lengths, patterns, enums.

botocore checks only required members and minima before it sends; the maxima are the service's to enforce, so here they
are enforced. Each shape is turned into a closure once: fifty entries a call, many calls a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, Shape, StructureShape

from newsletter.simulator.errors import SesError, bad_request

Check = Callable[[object, str], None]
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}


@dataclass(frozen=True)
class Route:
    """One operation and where it listens."""

    name: str
    method: str
    path: re.Pattern[str]
    model: OperationModel


@cache
def routes() -> tuple[Route, ...]:
    """Every operation of SES v2, those with the plainest paths first."""
    model = botocore.session.get_session().get_service_model("sesv2")
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.http["requestUri"]))
        found.append(Route(name, operation.http["method"], re.compile(pattern), operation))
    return tuple(sorted(found, key=lambda route: (route.path.groups, route.name)))


def read_request(
    model: OperationModel, body: object, *, labels: Mapping[str, str], query: Mapping[str, str]
) -> dict[str, Any]:
    """The operation's input from where its members travel, checked. Raises SesError."""
    shape = model.input_shape
    if not isinstance(body, dict):
        raise SesError("SerializationException", "The request body is not a JSON object.")
    given: dict[str, Any] = dict(body)
    if shape is None:
        return given
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri":
            given[name] = labels[wire_name]
        elif location == "querystring" and wire_name in query:
            text = query[wire_name]
            given[name] = _from_query(text, member.type_name)
    checker(shape)(given, "")
    return given


def _from_query(text: str, kind: str) -> object:
    if kind == "list":
        return text.split(",")
    return int(text) if kind == "integer" and text.isdecimal() else text


_checkers: dict[int, Check] = {}


def checker(shape: Shape) -> Check:
    """The check of one shape, made once. It raises SesError naming the member."""
    known = _checkers.get(id(shape))
    if known is None:
        known = _checkers[id(shape)] = _make(shape)
        _kept.append(shape)  # an id is a name only while its shape lives
    return known


_kept: list[Shape] = []


def _make(shape: Shape) -> Check:
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if shape.type_name == "list":
        return _list(shape)
    if shape.type_name == "map":
        return _typed("a map", (dict,))
    if shape.type_name == "string":
        return _string(shape)
    return _typed(shape.type_name, _TYPES[shape.type_name])


def _structure(shape: StructureShape) -> Check:
    members = {name: checker(member) for name, member in shape.members.items()}
    required = tuple(shape.required_members)

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise bad_request(f"{where or shape.name} must be an object.")
        for name, inner in value.items():
            known = members.get(name)
            if known is None:
                raise bad_request(f"Unknown member {where}.{name} of {shape.name}.")
            if inner is not None:
                known(inner, f"{where}.{name}")
        for name in required:
            if value.get(name) is None:
                raise bad_request(f"Missing required member {where}.{name} of {shape.name}.")

    return check


def _list(shape: Any) -> Check:
    member = checker(shape.member)
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")

    def check(value: object, where: str) -> None:
        if not isinstance(value, list):
            raise bad_request(f"{where} must be a list.")
        if len(value) < low or (high is not None and len(value) > high):
            raise bad_request(f"{where} holds {len(value)} members; it must hold {low} to {high}.")
        for inner in value:
            member(inner, where)

    return check


def _string(shape: Shape) -> Check:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
    pattern = re.compile(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    choices = frozenset(getattr(shape, "enum", ()))

    def check(value: object, where: str) -> None:
        if not isinstance(value, str):
            raise bad_request(f"{where} must be a string.")
        if len(value) < low or (high is not None and len(value) > high):
            raise bad_request(f"{where} is {len(value)} characters long; it must be {low} to {high}.")
        if choices and value not in choices:
            raise bad_request(f"{where} must be one of {', '.join(sorted(choices))}.")
        if pattern and not pattern.fullmatch(value):
            raise bad_request(f"{where} does not match {pattern.pattern}.")

    return check


def _typed(name: str, kinds: tuple[type, ...]) -> Check:
    def check(value: object, where: str) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise bad_request(f"{where} must be {name}.")

    return check
