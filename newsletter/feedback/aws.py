"""Clients for the Amazon services feedback talks to: SQS, SNS, and SES's suppression list."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from newsletter.errors import Refused
from newsletter.feedback.sns import is_loopback

ERRORS = (BotoCoreError, ClientError)
CONNECT_SECONDS = 5


def client(
    service: str,
    region: str,
    endpoint_url: str | None = None,
    *,
    attempts: int = 3,
    seconds: float = 10,
    pool: int = 10,
) -> Any:
    """A client of one service. A local server needs keys but not real ones, and real ones must not reach it."""
    local = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    keys = local if endpoint_url and is_loopback(endpoint_url) else {}
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=seconds,
        max_pool_connections=pool,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    try:
        session = boto3.session.Session(region_name=region)
        return session.client(service, endpoint_url=endpoint_url, config=config, **keys)
    except (BotoCoreError, ValueError) as error:
        raise Refused(f"Amazon's {service} cannot be used as configured: {error}") from None


def in_words(error: Exception) -> str:
    """What went wrong, in a line."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return " ".join(f"{said.get('Code', '')}: {said.get('Message', '')}".split()).rstrip(".")
    return " ".join(str(error).split()).rstrip(".")
