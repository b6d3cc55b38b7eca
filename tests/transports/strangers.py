"""Other people's Amazon SES: moto's server (Python) and aws-ses-v2-local (Node), as they come.

Neither is a whole SES. What they lack is named in `GAPS` of test_transport_contract.py, and tried there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = "SES_V2_LOCAL"  # the environment variable that names where npm put it, if not here
ACCOUNT = {
    "DedicatedIpAutoWarmupEnabled": False,
    "Details": {
        "AdditionalContactEmailAddresses": [],
        "ContactLanguage": "EN",
        "MailType": "MARKETING",
        "ReviewDetails": {"CaseId": "1", "Status": "GRANTED"},
        "UseCaseDescription": "news",
        "WebsiteURL": "https://news.example.org",
    },
    "EnforcementStatus": "HEALTHY",
    "ProductionAccessEnabled": True,
    "SendingEnabled": True,
    "SendQuota": {"Max24HourSend": 50000, "MaxSendRate": 14, "SentLast24Hours": 0},
    "SuppressionAttributes": {"SuppressedReasons": []},
}


class Stranger:
    """A server that runs, and what it shows of the mail it took."""

    verbatim = True  # it keeps mails byte for byte

    def __init__(self, url: str) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: object) -> None:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=local/20241010/us-east-1/ses/aws4_request")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def arrived(self, address: str) -> list[bytes]:
        """The mails to that address."""
        raise NotImplementedError

    def tagged(self, tag: str) -> int:
        """How many mails are known by that tag, apart from what the mail itself says."""
        raise NotImplementedError


class Node(Stranger):
    """aws-ses-v2-local: it takes mails apart and writes them anew."""

    verbatim = False

    def arrived(self, address: str) -> list[bytes]:
        ids = [row["messageId"] for row in self.get("/store")["emails"] if address in row["destination"]["to"]]
        return [bytes(self.get(f"/get-emlContent?messageId={one}")["body"]["data"]) for one in ids]

    def tagged(self, tag: str) -> int:
        return sum(tag in json.dumps(row) for row in self.get("/store")["emails"])


class Moto(Stranger):
    """moto's server."""

    def _rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/moto-api/data.json")["ses"]["RawMessage"]
        return found

    def arrived(self, address: str) -> list[bytes]:
        return [row["raw_data"].encode() for row in self._rows() if address in row["destinations"]]

    def tagged(self, tag: str) -> int:
        return sum(tag in json.dumps({**row, "raw_data": ""}) for row in self._rows())


def node_program() -> Path | None:
    """aws-ses-v2-local's own file, where there is Node and somebody has installed it."""
    root = Path(os.environ.get(FOLDER) or Path(__file__).parents[2])
    program = root / "node_modules" / "aws-ses-v2-local" / "dist" / "cli.js"
    return program if shutil.which("node") and program.is_file() else None


@contextmanager
def aws_ses_v2_local() -> Iterator[Node]:
    program = node_program()
    if program is None:
        raise RuntimeError("aws-ses-v2-local is not installed")
    environment = {"PATH": os.environ["PATH"], "AWS_SES_ACCOUNT": json.dumps(ACCOUNT)}
    command = ["node", str(program), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # for the types
        try:
            for line in process.stdout:
                if "running at" in line:
                    yield Node(line.split()[-1])
                    break
            else:
                raise RuntimeError("aws-ses-v2-local did not start")
        finally:
            process.terminate()


@contextmanager
def moto() -> Iterator[Moto]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = Moto(f"http://{host}:{port}")
    found.post("/v2/email/identities", {"EmailIdentity": "daily@news.example.org"})
    yield found
    server.stop()
