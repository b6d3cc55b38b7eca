"""The calls that send, made lean: botocore's signer and its HTTP session, without the machinery round them.

boto3 spends most of a call on hooks, validation and the user agent (half a millisecond for one mail, more for fifty).
What is sent here is checked before it comes here, so the request is written, signed (SigV4) and posted, once: SES has
no idempotency token and a repeated call is a second mail. Errors are raised as boto3 raises them.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from botocore.utils import get_environ_proxies

SIGNING_NAME = "ses"
_SEND = "/v2/email/outbound-emails"
_SEND_BULK = "/v2/email/outbound-bulk-emails"
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"newsletter botocore/{botocore.__version__}"}


class SesWire:
    """One account's way to send, over one pool of connections. Thread-safe.

    Every call raises ClientError for an answer that is an error, BotoCoreError when there was none.
    """

    def __init__(
        self,
        session: Session,
        endpoint_url: str,
        region: str,
        *,
        credentials: Credentials | None,
        connections: int,
        timeout: tuple[float, float],  # seconds to connect, and to wait for an answer
    ) -> None:
        self._url = endpoint_url.rstrip("/")
        self._region = region
        self._credentials = credentials or session.get_credentials()
        self._http = URLLib3Session(
            verify=session.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(endpoint_url),
            timeout=timeout,
            max_pool_connections=connections,
        )

    def send_raw(self, sender: str, address: str, data: bytes, *, tags: object, through: Mapping[str, str]) -> str:
        """SendEmail with a whole MIME message; its message id, "" when the answer names none."""
        said = {"FromEmailAddress": sender, "Destination": {"ToAddresses": [address]}, "EmailTags": tags, **through}
        # A hundred kilobytes of base64 need no escaping: they are put in behind the rest.
        body = b'%s,"Content":{"Raw":{"Data":"%s"}}}' % (json.dumps(said).encode()[:-1], b64encode(data))
        found = self._post(_SEND, body).get("MessageId")
        return found if isinstance(found, str) else ""

    def send_bulk(self, request: Mapping[str, object]) -> object:
        """SendBulkEmail; what it gives as BulkEmailEntryResults."""
        return self._post(_SEND_BULK, json.dumps(request).encode()).get("BulkEmailEntryResults")

    def _post(self, path: str, body: bytes) -> dict[str, Any]:
        if self._credentials is None:
            raise NoCredentialsError
        request = AWSRequest("POST", self._url + path, data=body, headers=dict(_HEADERS))
        SigV4Auth(self._credentials.get_frozen_credentials(), SIGNING_NAME, self._region).add_auth(request)
        response = self._http.send(request.prepare())
        answer = _json(response.content)
        if response.status_code >= 300:
            raise _error(response.status_code, response.headers, answer)
        return answer


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error(status: int, headers: Mapping[str, str], answer: Mapping[str, Any]) -> ClientError:
    """The error as boto3 would name it; the type may carry a namespace before it and an address behind it."""
    written = str(headers.get("x-amzn-errortype") or answer.get("code") or answer.get("__type") or status)
    code = written.partition(":")[0].rpartition("#")[2]
    message = str(answer.get("message") or answer.get("Message") or "")
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "SendEmail")
