"""The door of SES v2: which operation a request is, and its answer on the wire."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from newsletter.simulator.errors import SesError
from newsletter.simulator.operations import SENDING
from newsletter.simulator.shapes import Route, read_request, routes
from newsletter.simulator.wire import Request, Response, as_json

if TYPE_CHECKING:
    from newsletter.simulator.server import Simulator


def answer_ses(simulator: Simulator, request: Request) -> Response:
    """Raises SesError."""
    route, labels = _route(request)
    _check_signed(request)
    ask = read_request(route.model, _body(request), labels=labels, query=request.query)
    if route.name not in SENDING:
        answer = simulator.ses.answer(route.name, ask)
        return as_json(simulator.faults.answer(answer) if route.name == "GetAccount" else answer)
    met = simulator.faults.next(route.name)
    fault = met[0] if met else None
    if fault and fault.do == "outage":
        simulator.go_away(fault.seconds)
    if fault and fault.do in {"outage", "drop-before-accept"}:
        return Response(0, drop=True)
    simulator.faults.refuse(fault)
    response = as_json(simulator.ses.answer(route.name, ask, met))
    if fault and fault.do == "drop-after-accept":
        return replace(response, drop=True)
    return replace(response, delay=fault.seconds) if fault and fault.do == "slow" else response


def _route(request: Request) -> tuple[Route, dict[str, str]]:
    for route in routes():
        if route.method == request.method and (match := route.path.fullmatch(request.path)):
            return route, match.groupdict()
    raise SesError("UnknownOperationException", f"No operation at {request.method} {request.path[:200]}.", status=404)


def _check_signed(request: Request) -> None:
    """The keys may be any, but a request must be signed for SES as a client of AWS does."""
    authorization = request.headers.get("authorization", "")
    if not authorization.startswith("AWS4-HMAC-SHA256 ") or "/ses/aws4_request" not in authorization:
        raise SesError("MissingAuthenticationTokenException", "The request is not signed for ses.", status=403)


def _body(request: Request) -> object:
    if not request.body:
        return {}
    try:
        return json.loads(request.body)
    except ValueError:
        raise SesError("SerializationException", "The request body is not JSON.") from None
