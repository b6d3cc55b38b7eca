"""A simulator on a real wire, and boto3 to talk to it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from newsletter.simulator.server import Running, start


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("simulator")) as running:
        yield running


def client_of(url: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("sesv2", endpoint_url=url, config=config, **keys)


def get_json(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


@pytest.fixture(scope="session")
def make_client() -> Callable[[str], Any]:
    return client_of


@pytest.fixture
def fetch() -> Callable[[str], dict[str, Any]]:
    return get_json


@pytest.fixture(scope="session")
def client(simulator: Running) -> Any:
    return client_of(simulator.url)


def post_json(url: str, body: dict[str, Any]) -> dict[str, Any]:
    ask = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


@pytest.fixture
def order() -> Callable[[str, dict[str, Any]], None]:
    """Orders trouble, or a whole script, from the simulator at an address."""

    def send(url: str, body: dict[str, Any]) -> None:
        post_json(f"{url}/_simulator/faults", body)

    return send
