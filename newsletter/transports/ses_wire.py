"""The calls that send, made lean: botocore's signer over urllib3's own pool, without the machinery round them.

boto3 spends most of a call on hooks, validation and the user agent, and its HTTP session as much again. What is sent
here is checked before it comes here, so the request is written, signed (SigV4) and posted, once: SES has no idempotency
token and a repeated call is a second mail. Errors are raised as boto3 raises them.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import botocore
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import ProxyConfiguration, get_cert_path, mask_proxy_url
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
        proxies = ProxyConfiguration(get_environ_proxies(endpoint_url))
        self._proxy: str = proxies.proxy_url_for(endpoint_url) or ""
        connect, read = timeout
        how: dict[str, Any] = {
            "maxsize": connections,
            "timeout": urllib3.Timeout(connect=connect, read=read),
            "retries": False,  # never by itself
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": get_cert_path(session.get_config_variable("ca_bundle") or True),
        }
        self._pool: urllib3.PoolManager | urllib3.HTTPConnectionPool
        if self._proxy:
            self._pool = urllib3.ProxyManager(self._proxy, proxy_headers=proxies.proxy_headers_for(self._proxy), **how)
            self._start = self._url
        else:  # the one pool there is, without looking for it by the address with every call
            self._pool = urllib3.PoolManager(**how).connection_from_url(self._url)
            self._start = urlsplit(self._url).path

    def send_raw(self, sender: str, address: str, data: bytes, *, tags: object, through: Mapping[str, object]) -> str:
        """SendEmail with a whole MIME message; its message id, "" when the answer names none."""
        said = {"FromEmailAddress": sender, "Destination": {"ToAddresses": [address]}, "EmailTags": tags, **through}
        # A hundred kilobytes of base64 need no escaping: they are put in behind the rest.
        body = b'%s,"Content":{"Raw":{"Data":"%s"}}}' % (json.dumps(said).encode()[:-1], b64encode(data))
        found = self._post(_SEND, body).get("MessageId")
        return found if isinstance(found, str) else ""

    def send_bulk(self, request: Mapping[str, object], entries: Sequence[str] = ()) -> object:
        """SendBulkEmail with these entries, each as JSON already; what it gives as BulkEmailEntryResults."""
        body = json.dumps(request)
        if entries:
            body = f'{body[:-1]}, "BulkEmailEntries": [{", ".join(entries)}]}}'
        return self._post(_SEND_BULK, body.encode()).get("BulkEmailEntryResults")

    def _post(self, path: str, body: bytes) -> dict[str, Any]:
        if self._credentials is None:
            raise NoCredentialsError
        request = AWSRequest("POST", self._url + path, data=body, headers=dict(_HEADERS))
        SigV4Auth(self._credentials.get_frozen_credentials(), SIGNING_NAME, self._region).add_auth(request)
        with self._as_botocore_says_it():
            headers = dict(request.headers.items())
            response = self._pool.urlopen("POST", self._start + path, body=body, headers=headers, redirect=False)
        answer = _json(response.data)
        if response.status >= 300:
            raise _error(response.status, response.headers, answer)
        return answer

    @contextmanager
    def _as_botocore_says_it(self) -> Iterator[None]:
        """The network's trouble under the names botocore gives it, which say how far the request had come."""
        try:
            yield
        except urllib3.exceptions.SSLError as error:
            raise SSLError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.NewConnectionError as error:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.ProxyError as error:
            raise ProxyConnectionError(proxy_url=mask_proxy_url(self._proxy), error=error) from None
        except urllib3.exceptions.ConnectTimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.ReadTimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.ProtocolError as error:
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from None
        except urllib3.exceptions.HTTPError as error:
            raise HTTPClientError(error=error) from None


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
