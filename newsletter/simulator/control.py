"""The simulator's own paths: events, the record, faults, subscribers, health, and the signing certificate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from pydantic import ValidationError

from newsletter.simulator.errors import SesError, bad_request
from newsletter.simulator.faults import Fault
from newsletter.simulator.record import as_json as as_row
from newsletter.simulator.script import Script
from newsletter.simulator.wire import Request, Response, as_json

if TYPE_CHECKING:
    from newsletter.simulator.server import Simulator

LIMIT = 200
MOST_ROWS = 10_000


def answer_control(simulator: Simulator, request: Request) -> Response:
    """Raises SesError."""
    asked = (request.method, request.path)
    match asked:
        case ("GET", "/_simulator/health"):
            accepted, waiting = len(simulator.record.accepted), simulator.events.waiting()
            return as_json({"ok": True, "accepted": accepted, "events_waiting": waiting})
        case ("GET", "/_simulator/events"):
            after, limit = _window(request)
            messages, following = simulator.events.read(after, limit, simulator.url)
            return as_json({"messages": messages, "next": following})
        case ("POST", "/_simulator/events"):
            simulator.events.hurry(_number(_body(request), "hurry"))
            return as_json({})
        case ("GET", "/_simulator/messages"):
            after, limit = _window(request)
            rows = simulator.record.accepted[after : after + min(limit, MOST_ROWS)]
            return as_json({"messages": [as_row(row) for row in rows], "next": after + len(rows)})
        case ("POST", "/_simulator/faults"):
            return _order(simulator, _body(request))
        case ("GET", "/_simulator/faults"):
            return as_json({"met": dict(simulator.faults.met)})
        case ("DELETE", "/_simulator/faults"):
            simulator.act(Script())
            return as_json({})
        case ("GET", "/_simulator/subscriptions"):
            return as_json({"subscriptions": [one.as_json() for one in simulator.push.subscriptions]})
        case ("POST", "/_simulator/subscriptions"):
            return _subscribe(simulator, _body(request))
    if request.method == "GET" and request.path == simulator.events.signer.certificate_path():
        return Response(200, simulator.events.signer.certificate, content_type="application/x-pem-file")
    raise SesError("NotFoundException", f"The simulator has nothing at {request.method} {request.path[:200]}.")


def answer_sns(simulator: Simulator, request: Request) -> Response | None:
    """The one thing of SNS's own interface that an endpoint needs: confirming its subscription. Raises SesError."""
    query = request.query
    if request.method == "POST":
        query = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if query.get("Action") != "ConfirmSubscription":
        return None
    arn = simulator.push.confirm(query.get("Token", ""))
    said = f"<ConfirmSubscriptionResult><SubscriptionArn>{escape(arn)}</SubscriptionArn></ConfirmSubscriptionResult>"
    xml = f'<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{said}'
    return Response(200, f"{xml}</ConfirmSubscriptionResponse>".encode(), content_type="text/xml")


def _window(request: Request) -> tuple[int, int]:
    after, limit = request.query.get("after", "0"), request.query.get("limit", str(LIMIT))
    if not (after.isdecimal() and limit.isdecimal() and len(after) < 16 and len(limit) < 16):
        raise bad_request("`after` and `limit` must be whole numbers.")
    return int(after), int(limit)


def _body(request: Request) -> dict[str, Any]:
    # Only a program sends JSON so typed: a web page elsewhere cannot, without asking first.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise bad_request("Orders to the simulator are given as application/json.")
    try:
        found = json.loads(request.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise bad_request("Orders to the simulator are a JSON object.")
    return found


def _number(body: dict[str, Any], name: str) -> float:
    value = body.get(name)
    if set(body) != {name} or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise bad_request(f"Say {{{name!r}: a number of seconds}}.")
    return float(value)


def _order(simulator: Simulator, body: dict[str, Any]) -> Response:
    """A whole script, which replaces what was ordered, or one more fault."""
    try:
        if "do" in body:
            simulator.faults.order(Fault.model_validate(body))
        else:
            simulator.act(Script.model_validate(body))
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors(include_url=False))
        raise bad_request(f"That fault is not known: {details}") from None
    return as_json({})


def _subscribe(simulator: Simulator, body: dict[str, Any]) -> Response:
    given = {name: value for name, value in body.items() if isinstance(value, str)}
    if set(body) == {"endpoint"} == set(given):
        return as_json(simulator.push.subscribe(given["endpoint"], url=simulator.url).as_json())
    if set(body) == {"queue", "endpoint"} == set(given):
        return as_json(simulator.push.feed(given["queue"], given["endpoint"], url=simulator.url).as_json())
    raise bad_request('Say {"endpoint": "http://127.0.0.1:…"}, or {"queue": an SQS queue\'s address, "endpoint": …}.')
