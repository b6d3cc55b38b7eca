"""Errors as SES answers them: a name, an HTTP status, a message."""

from __future__ import annotations

import json

from newsletter.simulator.wire import Response

STATUS = {"TooManyRequestsException": 429, "NotFoundException": 404, "InternalServiceErrorException": 500}


class SesError(Exception):
    """An answer that is an error."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        self.code = code
        self.message = message
        self.status = status or STATUS.get(code, 400)
        super().__init__(f"{code}: {message}")

    def response(self) -> Response:
        body = json.dumps({"message": self.message}).encode()
        return Response(self.status, body, headers={"x-amzn-ErrorType": self.code})


def bad_request(message: str) -> SesError:
    """Our own bug, or a bad address."""
    return SesError("BadRequestException", message)
