"""Where Amazon SNS posts what came back of our mail: POST /notifications/sns.

No page, no cookie and no token: a message is believed for its signature alone. Who is refused learns nothing but that;
why stands in the log. 4xx is final for SNS; 503 makes it come again, which is for what could not be written or checked
at this moment, and for nothing else.
"""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from newsletter.app import App
from newsletter.feedback.fetching import Unreachable
from newsletter.feedback.notifications import Notifications
from newsletter.feedback.sns import Forged
from newsletter.web.public.body import body_up_to

MOST_BYTES = 600_000  # a message of 256 KB, and what writing it as JSON twice adds

log = logging.getLogger(__name__)


async def _body(request: Request) -> bytes:
    return await body_up_to(request, MOST_BYTES, late=503)  # 408 would be final


def add_notifications(site: FastAPI, app: App) -> None:
    """POST /notifications/sns."""
    notifications = Notifications(app.store, app.settings, app.keys, app.now)

    @site.post("/notifications/sns")
    def take(request: Request, body: Annotated[bytes, Depends(_body)]) -> Response:
        raw = request.headers.get("x-amz-sns-rawdelivery", "").lower() == "true"
        try:
            notifications.take(body, raw=raw)
        except Forged as error:
            log.warning("A notification was refused: %s", error)
            return PlainTextResponse("Refused.\n", 403)
        except Unreachable as error:
            log.error("A notification could not be checked now: %s", error)
            return PlainTextResponse("Come again.\n", 503, headers={"Retry-After": "60"})
        return PlainTextResponse("Taken.\n")
