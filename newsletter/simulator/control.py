"""The simulator's own paths: events, the record, faults, health, and the certificate its events are signed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from newsletter.simulator.errors import SesError, bad_request
from newsletter.simulator.faults import Fault
from newsletter.simulator.record import as_json as as_row
from newsletter.simulator.wire import Request, Response, as_json

if TYPE_CHECKING:
    from newsletter.simulator.server import Simulator

LIMIT = 200
MOST_ROWS = 10_000


def answer_control(simulator: Simulator, request: Request) -> Response:
    """Raises SesError."""
    asked = (request.method, request.path)
    if asked == ("GET", "/_simulator/health"):
        return as_json({"ok": True, "accepted": len(simulator.record.accepted)})
    if asked == ("GET", "/_simulator/events"):
        after, limit = _window(request)
        messages, following = simulator.events.read(after, limit, simulator.url)
        return as_json({"messages": messages, "next": following})
    if asked == ("GET", "/_simulator/messages"):
        after, limit = _window(request)
        rows = simulator.record.accepted[after : after + min(limit, MOST_ROWS)]
        return as_json({"messages": [as_row(row) for row in rows], "next": after + len(rows)})
    if asked == ("POST", "/_simulator/faults"):
        return _order(simulator, request)
    if asked == ("DELETE", "/_simulator/faults"):
        simulator.faults.clear()
        return as_json({})
    if request.method == "GET" and request.path == simulator.events.certificate_path():
        return Response(200, simulator.events.certificate, content_type="application/x-pem-file")
    raise SesError("NotFoundException", f"The simulator has nothing at {request.method} {request.path[:200]}.")


def _window(request: Request) -> tuple[int, int]:
    after, limit = request.query.get("after", "0"), request.query.get("limit", str(LIMIT))
    if not (after.isdecimal() and limit.isdecimal() and len(after) < 16 and len(limit) < 16):
        raise bad_request("`after` and `limit` must be whole numbers.")
    return int(after), int(limit)


def _order(simulator: Simulator, request: Request) -> Response:
    # Only a program sends JSON so typed: a web page elsewhere cannot, without asking first.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise bad_request("Faults are ordered as application/json.")
    try:
        simulator.faults.order(Fault.model_validate_json(request.body))
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors(include_url=False))
        raise bad_request(f"That fault is not known: {details}") from None
    return as_json({})
